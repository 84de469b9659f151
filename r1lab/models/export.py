"""Every checkpoint is also a Hugging Face folder that transformers and vLLM load."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from r1lab import ranks
from r1lab.errors import ModelError, StorageError
from r1lab.models.folder import INDEX, WEIGHTS

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


HEAD = "lm_head.weight"
ROUTING = {"deepseek_v3": {"topk_method": "noaux_tc", "scoring_func": "sigmoid"}}
"""How experts are chosen, which vLLM reads from config.json; transformers knows no other way and leaves it out."""


def export(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: str | Path,
    max_shard_bytes: int = 5_000_000_000,
) -> Path:
    """Write config, generation config, weights and tokenizer beside ``folder``, then rename; replaces an older folder.

    Called on all ranks: sharded parameters are gathered one at a time, rank 0 writes. Names and shapes are those that
    transformers publishes (a fused expert tensor becomes one per expert); tied weights are written once; dtypes stay.
    Raises StorageError on every rank if rank 0 cannot write; the older folder then stays.
    """
    folder, failure = Path(folder), None
    tensors = full_tensors(model)
    if ranks.is_first():
        try:
            _write(model, tokenizer, folder, tensors, max_shard_bytes)
        except Exception as error:
            failure = error
    # gathering is collective: a rank that failed to write still takes its part, or the others would wait for ever
    for _ in tensors:
        pass
    failure = ranks.from_first(failure)
    # what is written in Rust, weights and tokenizer, names the system's error in its text
    if isinstance(failure, OSError) or type(failure).__name__ == "SafetensorError" or "(os error" in str(failure):
        remedy = "Free space or choose another folder; an older export was left as it was."
        raise StorageError("The model cannot be written.", f"{folder}: {failure}", remedy) from failure
    if failure is not None:
        raise failure
    return folder


def full_tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Name and full tensor of every parameter and persistent buffer, tied ones once; collective where sharded.

    The tied head of a DeepSeek-V3 is there twice: vLLM ties none of that family, and would sample from zeros.
    """
    from torch.distributed.tensor import DTensor

    twice = {HEAD} if model.config.model_type in ROUTING else set()
    unique = {name for name, _ in model.named_parameters()}
    tied = {name for name, _ in model.named_parameters(remove_duplicate=False)} - unique
    ignored = set(model._keys_to_ignore_on_save or ())
    for name, tensor in model.state_dict().items():
        if name not in (tied | ignored) - twice:
            yield name, tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@dataclass
class ShardWriter:
    """Collects tensors and writes a shard whenever the next one would exceed the limit.

    Example: tensors of 40, 40 and 40 bytes with a limit of 100 make two files, of 80 and of 40 bytes.
    """

    folder: Path
    max_shard_bytes: int
    pending: dict[str, Tensor] = field(default_factory=dict)
    pending_bytes: int = 0
    shard_of: dict[str, int] = field(default_factory=dict)
    """Number of the file that holds each tensor written so far."""
    num_shards: int = 0
    num_bytes: int = 0
    """Written so far."""

    def add(self, name: str, tensor: Tensor) -> None:
        """Take one tensor; ModelError if the name came before."""
        if name in self.pending or name in self.shard_of:
            wrong = "Two parameters are published under one name, so they cannot be exported one at a time."
            raise ModelError(wrong, name, "Export this architecture with transformers' save_pretrained.")
        if self.pending and self.pending_bytes + tensor.nbytes > self.max_shard_bytes:
            self._flush()
        self.pending[name] = tensor
        self.pending_bytes += tensor.nbytes

    def close(self) -> None:
        """Write what is left, give the files their final names, write the index if there are several."""
        self._flush()
        count = self.num_shards
        names = [WEIGHTS] if count == 1 else [f"model-{i + 1:05d}-of-{count:05d}.safetensors" for i in range(count)]
        for number, name in enumerate(names):
            self._part(number).rename(self.folder / name)
        if count > 1:
            weight_map = {tensor: names[number] for tensor, number in self.shard_of.items()}
            index = {"metadata": {"total_size": self.num_bytes}, "weight_map": weight_map}
            (self.folder / INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def _flush(self) -> None:
        from safetensors.torch import save_file

        save_file(self.pending, self._part(self.num_shards), metadata={"format": "pt"})
        self.shard_of |= dict.fromkeys(self.pending, self.num_shards)
        self.num_shards += 1
        self.num_bytes += self.pending_bytes
        self.pending, self.pending_bytes = {}, 0

    def _part(self, number: int) -> Path:
        return self.folder / f"part-{number}.safetensors"


def _write(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    tensors: Iterator[tuple[str, Tensor]],
    max_shard_bytes: int,
) -> None:
    """Rank 0's part: everything into a folder beside, then one rename."""
    from transformers.core_model_loading import revert_weight_conversion

    staging, older = folder.with_name(f".{folder.name}.partial"), folder.with_name(f".{folder.name}.older")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (staging, older):
        shutil.rmtree(leftover, ignore_errors=True)
    check_space(folder.parent, sum(t.nbytes for t in model.state_dict().values()))
    staging.mkdir()
    _save_config(model, staging)
    tokenizer.save_pretrained(staging)
    writer = ShardWriter(staging, max_shard_bytes)
    for name, tensor in tensors:
        for published, part in revert_weight_conversion(model, {name: tensor.detach().cpu()}).items():
            # a tied head shares its memory, which a file cannot
            writer.add(published, part.clone() if published == HEAD else part.contiguous())
    writer.close()
    if folder.exists():
        folder.rename(older)
    staging.rename(folder)
    shutil.rmtree(older, ignore_errors=True)


def check_space(folder: Path, num_bytes: int) -> None:
    """The disk under ``folder`` has room for ``num_bytes``; StorageError before anything is written otherwise."""
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        found = f"{free / 1e9:.1f} GB free under {folder}, {num_bytes / 1e9:.1f} GB needed"
        raise StorageError("There is no space for the model.", found, "Free space or choose another folder.")


def _save_config(model: PreTrainedModel, folder: Path) -> None:
    """Config and generation config; the class name and the dtype as they are now, the model's own config untouched."""
    config = copy.deepcopy(model.config)
    # fully_shard renames the class of the module that it wraps
    config.architectures = [type(model).__name__.removeprefix("FSDP")]
    config.dtype = str(model.dtype).removeprefix("torch.")
    if getattr(model, "_auto_class", None) is not None:  # code that came with the model goes with it
        from transformers.dynamic_module_utils import custom_object_save

        custom_object_save(model, folder, config)
    elif hasattr(config, "auto_map"):
        del config.auto_map  # the class is transformers' own, and that code is not here
    for key, value in ROUTING.get(config.model_type, {}).items():
        setattr(config, key, value)
    config.save_pretrained(folder)
    if getattr(model, "generation_config", None) is not None:  # a classifier has none
        model.generation_config.save_pretrained(folder)
