"""Which policy a run starts from: published weights, a converted GGUF, or a local base that is trained first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1lab.artifacts.address import address, is_artifact, is_named_by_content
from r1lab.config.reference import reference
from r1lab.models.own_code import named_code
from r1lab.models.policy import PretrainedPolicy
from r1lab.processes import rank
from r1lab.rewards.preference import loading_faults
from r1lab.stages.base import Context
from r1lab.stages.pretrain import LocalBase
from r1lab.training.strategy import Strategy

if TYPE_CHECKING:
    from r1lab.models.causal import CausalPolicy

COMPUTE_DTYPES = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class ModelChoice:
    """A model by its name in conf/model: the published one, and at local scale the small one of its architecture."""

    name: str
    published: PretrainedPolicy
    """Where the published weights are."""
    local: LocalBase | None
    """How the local base is made; None uses the published weights."""
    weights: str | None
    """Weights of this model that a run of r1lab made: its folder, or `artifact:policy/ADDRESS`; None starts anew."""
    compute_dtype: str
    """Type of matrix products: float32, bfloat16 (autocast, float32 weights), or auto: bfloat16 where it is fast."""

    @property
    def files(self) -> PretrainedPolicy | None:
        """The files that the model is read from; None where a local base is made first."""
        if self.weights is not None:
            return replace(self.published, source=self.weights, revision=None)
        return self.published if self.local is None else None

    @property
    def base(self) -> str | None:
        """The local base that it begins with, None where the weights are there."""
        return reference("policy", self.local.address) if self.files is None else None

    @property
    def origin(self) -> str:
        """Whose weights they are: an artifact by its name, wherever it lies, else a folder or the model's name."""
        if self.weights is None:
            return self.name
        folder = Path(self.weights)
        return reference(folder.parent.name, folder.name) if is_named_by_content(folder) else self.weights

    def faults(self) -> list[str]:
        """What cannot be loaded, seen before the slow load."""
        if self.compute_dtype not in COMPUTE_DTYPES:
            return [f"model.compute_dtype={self.compute_dtype!r}: choose one of {', '.join(COMPUTE_DTYPES)}."]
        if self.weights is None and self.local is not None and Path(self.published.source).is_dir():
            return [
                f"model.published.source={self.published.source} would not be used: at local scale model={self.name} "
                f"is trained here. Try model=folder model.published.source={self.published.source}"
            ]
        if self.files is None:
            return []
        return loading_faults("model.published" if self.weights is None else "model.weights", self.files)

    def too_long(self, key: str, tokens: float) -> list[str]:
        """Why texts of so many tokens, by `key`, do not fit the model, where its config.json is at hand."""
        most = None if self.files is None else self.files.known_positions
        if most is None or tokens <= most:
            return []
        return [
            f"{key}={tokens:g} is longer than the model's longest text, {most:,} tokens (max_position_embeddings). Try "
            f"{key}={most}, or ++model.published.positions={tokens:g} if it is to read longer ones."
        ]

    def digests(self) -> dict[str, str]:
        """The model's files by content: a folder's name may stay while another checkpoint comes to lie there.

        Empty for a local base, which the configuration describes whole, for an artifact, whose address does, and for a
        hub id, which its revision names.
        """
        if self.files is None or is_artifact(self.files.source):
            return {}
        return {f"model/{name}": digest for name, digest in self.files.digests().items()}

    def describe(self) -> str:
        """One line: what the model is, and whether it is the published one."""
        if self.weights is not None:
            return f"{self.name} as a run has left it: {self.origin}{self.code()}"
        if self.local is None:
            return f"{self.name}: {self.published.source}{self.code()}"
        return f"{self.name} at local scale: {self.local.describe()}; not the published {self.published.source}"

    def code(self) -> str:
        """For people: what becomes of Python code that comes with the model, where its files name some."""
        if self.files is None or not (named := named_code(self.files.source)):
            return ""
        if self.published.trust_remote_code:
            return f" (runs its own code: {named})"
        return f" (its own code is not run: {named}; transformers' own classes load it)"

    def prepare(self, context: Context, check: Callable[[], Any]) -> None:
        """Trains the local base, where that is what is missing, before a stage has started processes of its own.

        `check` raises what is wrong with the stage's data: it is called before anything is trained.
        """
        if self.files is None and context.first_rank and context.store.get("policy", self.local.address) is None:
            check()
            self.local.obtain(context)

    def obtain(self, context: Context) -> tuple[Any, Any]:
        """(transformers model, tokenizer), building and storing what is not there yet."""
        from transformers.utils.logging import disable_progress_bar

        from r1lab.models.policy import convert_gguf, load_model

        disable_progress_bar()
        if self.files is None:
            return load_model(self.local.obtain(context).path, "float32")
        if (gguf := self.files.gguf) is None:
            return self.files(None)
        key = address({"gguf": gguf.name, "bytes": gguf.stat().st_size})
        stored = context.store.get("policy", key)
        if stored is None:
            context.say(f"Converting {gguf.name}, once: about a minute")
            manifest = {"config": {"source": self.published.source}, "parents": {}}
            stored = context.store.put("policy", key, lambda folder: convert_gguf(gguf, folder), manifest)
        return self.files(stored.path)

    def sampling(self, model: Any, strategy: Strategy) -> CausalPolicy:
        """The policy where this process samples with it: on its own GPU, where the strategy has some."""
        from r1lab.models.causal import CausalPolicy

        if strategy.on_gpu:
            import torch

            # also where judges and reward models of this process go
            torch.cuda.set_device(rank(strategy.local_size) % strategy.local_size)
            model = model.to("cuda")
        return CausalPolicy(model.requires_grad_(False), self.compute())

    def compute(self):
        """The torch type of `compute_dtype`; auto asks the machine, for a CPU without bfloat16 units crawls on it."""
        import torch

        if self.compute_dtype != "auto":
            return getattr(torch, self.compute_dtype)
        on_cpu = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if torch.cuda.is_available() or on_cpu else torch.float32
