"""What training takes of a device's memory: forecast by two small probes, and what is done where it is too much."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import lightning as L
import torch
from torch import Tensor

from r1lab.errors import ConfigError
from r1lab.functional.logprobs import WORKING_BYTES
from r1lab.functional.packing import pack
from r1lab.models.causal import CausalPolicy, reshard
from r1lab.training.updates import UpdatingModule
from r1lab.types import PackedBatch, TrainingSample

PROBES = (8, 24)
"""Tokens of a prompt with one completion in the two probes: what a forward keeps is a line over its tokens."""
USABLE = 0.85
"""Share of the memory that is planned with; the allocator and everything small have the rest."""
MOST_TOKENS = 65_536
"""A microbatch that is chosen here has at most so many tokens, or the longest sequence: beyond, nothing gets faster."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Forecast:
    """Bytes that training takes on one device."""

    fixed: int
    """Weights, gradients, two moments of the optimizer, the reference, one chunk of logits."""
    per_token: float
    """Activations of a microbatch's token that wait for the backward."""
    per_token_checkpointed: float
    """The same where each layer keeps its input alone, and one layer at a time is computed again."""

    def bytes(self, tokens: int, checkpointing: bool) -> int:
        """Memory of a microbatch of so many tokens, padding included."""
        return int(self.fixed + tokens * (self.per_token_checkpointed if checkpointing else self.per_token))

    def most_tokens(self, room: int, checkpointing: bool) -> int:
        """Tokens of the largest microbatch that fits; 0 or less where none does."""
        per_token = self.per_token_checkpointed if checkpointing else self.per_token
        return int((room - self.fixed) // max(per_token, 1.0))


@dataclass(frozen=True)
class Layout:
    """How a microbatch is computed."""

    tokens: int
    checkpointing: bool
    """Whether activations are recomputed in the backward, layer by layer."""


def layout(forecast: Forecast, room: int, shape: Shape, microbatch_tokens: int, checkpointing: str | bool) -> Layout:
    """The layout that fits into `room` bytes: as large as asked, or as large as fits where 0 tokens are asked for.

    Recomputing costs a forward more, so it is done where nothing else fits. Raises ConfigError where it does not
    either; who sets checkpointing himself is believed.

    >>> row = Rows(20, "row_tokens")
    >>> layout(Forecast(100, 10.0, 1.0), room=400, shape=row, microbatch_tokens=0, checkpointing="auto")
    Layout(tokens=30, checkpointing=False)
    >>> layout(Forecast(100, 10.0, 1.0), room=400, shape=row, microbatch_tokens=80, checkpointing="auto")
    Layout(tokens=80, checkpointing=True)
    """
    longest, place = shape.longest, shape.place
    asked = max(microbatch_tokens, longest)
    for recomputed in (False, True) if checkpointing == "auto" else (checkpointing,):
        fits = forecast.most_tokens(room, recomputed)
        if asked <= fits or checkpointing != "auto":
            return Layout(microbatch_tokens or max(longest, min(fits, MOST_TOKENS)), recomputed)
    raise ConfigError(
        "A microbatch does not fit into memory, not even with activations recomputed.",
        f"{asked:,} tokens need {forecast.bytes(asked, True) / 1e9:.1f} GB, {room / 1e9:.1f} GB can be used; "
        f"{forecast.fixed / 1e9:.1f} GB are weights, gradients, optimizer and reference",
        (f"{place}.microbatch_tokens={fits} fits." if fits >= longest else
         f"The longest sequence alone does not fit: lower {place}.{shape.limit}, take more devices with "
         "strategy=fsdp, or a smaller model.")
        + f" {place}.activation_checkpointing=true goes on without this check.",
    )  # fmt: skip


class FitMemory(L.Callback):
    """Chooses the layout of a module's microbatches once its weights lie where they train."""

    def __init__(self, shape: Shape, microbatch_tokens: int, checkpointing: str | bool, say: Callable[[str], None]):
        self.shape, self.microbatch_tokens, self.checkpointing, self.say = shape, microbatch_tokens, checkpointing, say

    def on_fit_start(self, trainer: L.Trainer, module: UpdatingModule) -> None:
        room = int(USABLE * device_bytes(module.policy.device, trainer.num_devices))
        others = [model for name, model in module.models.items() if name != "policy"]
        found = forecast(module.policy, self.shape, others)
        chosen = layout(found, room, self.shape, self.microbatch_tokens, self.checkpointing)
        if chosen.checkpointing:
            for model, _ in module.trained.values():
                recompute(model)
        if chosen.checkpointing or not self.microbatch_tokens:
            recomputed = ", activations are recomputed in the backward" if chosen.checkpointing else ""
            need = found.bytes(chosen.tokens, chosen.checkpointing)
            self.say(f"Microbatches of {chosen.tokens:,} tokens: {need / 1e9:.1f} of {room / 1e9:.1f} GB{recomputed}")
        module.take_microbatches(chosen.tokens)


def recompute(policy: CausalPolicy) -> None:
    """Has each layer of the model keep its input alone, and compute the rest again in the backward."""
    # transformers renames it in 5.24 and takes the old name with a warning
    name = "activation_checkpointing_enable"
    enable = getattr(policy.model, name, None) or policy.model.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    policy.train(policy.training)  # tells it to the modules that recompute


def forecast(policy: CausalPolicy, shape: Shape, others: Iterable[CausalPolicy] = ()) -> Forecast:
    """The forecast of a policy that trains beside others; computes two short forwards, on all ranks alike."""
    config = policy.config.get_text_config()
    models = (policy, *others)
    # weights, gradients and two moments
    weights = sum(local_bytes(p) * (4 if p.requires_grad else 1) for model in models for p in model.parameters())
    probes = [shape.probe(tokens).to(policy.device) for tokens in PROBES]
    few, many = (saved_bytes(policy, probe) for probe in probes)
    reshard(policy)
    per_token = (many - few) / (probes[1].num_tokens - probes[0].num_tokens)
    kept = config.num_hidden_layers * config.hidden_size * policy.model.dtype.itemsize
    # what does not grow with the tokens: weights converted for the products, where autocast does that
    converted = max(0, many - per_token * probes[1].num_tokens)
    return Forecast(int(weights + converted) + WORKING_BYTES, per_token, kept + per_token / config.num_hidden_layers)


class Shape(Protocol):
    """What is trained on, as far as memory goes."""

    place: str
    """Where the settings stand that decide its size."""
    limit: str
    """The setting that bounds its longest sequence."""

    @property
    def longest(self) -> int:
        """Tokens of what no microbatch parts."""
        ...

    def probe(self, tokens: int) -> PackedBatch:
        """A small batch in these proportions."""
        ...


@dataclass(frozen=True)
class Rows:
    """Rows of texts, each read once: what supervised training sees."""

    longest: int
    limit: str
    place: ClassVar[str] = "stage"

    def probe(self, tokens: int) -> PackedBatch:
        """A text of so many tokens, of which all but the first count.

        >>> Rows(256, "row_tokens").probe(8).num_tokens
        8
        """
        ids = torch.zeros(tokens, dtype=torch.long)
        return pack([[[TrainingSample(ids[:1], ids[1:], ids[1:].float(), 1.0)]]], pad_id=0)


@dataclass(frozen=True)
class GroupShape:
    """Completions behind one prompt, each of which attends to its keys by a copy of its own."""

    prompt_tokens: int
    new_tokens: int
    size: int
    place: ClassVar[str] = "stage.plan"
    limit: ClassVar[str] = "max_new_tokens"

    @property
    def longest(self) -> int:
        return self.prompt_tokens + self.new_tokens

    def probe(self, tokens: int) -> PackedBatch:
        """A group in these proportions whose prompt and completion have so many tokens together.

        >>> GroupShape(prompt_tokens=300, new_tokens=100, size=16).probe(8).num_tokens  # 6 + 16 * 2
        38
        """
        new = min(max(1, round(tokens * self.new_tokens / self.longest)), tokens - 1)
        ids = torch.zeros(tokens, dtype=torch.long)
        prompt, completion = ids[new:], ids[:new]
        return pack([[[TrainingSample(prompt, completion, completion.float(), 1.0)] * self.size]], pad_id=0)


def saved_bytes(policy: CausalPolicy, batch: PackedBatch) -> int:
    """Bytes that a forward over a packed batch keeps for its backward, weights not counted."""
    held: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        origin = tensor if tensor._base is None else tensor._base
        if not (origin.is_leaf and origin.requires_grad):
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = policy.trained_outputs(batch)
    # the graph has kept every tensor alive until here, so no two had one address
    del outputs
    return sum(held.values())


def local_bytes(parameter: Tensor) -> int:
    """Bytes that this rank holds of a parameter."""
    shard = parameter.to_local() if hasattr(parameter, "to_local") else parameter
    return shard.nbytes


def device_bytes(device: torch.device, processes: int) -> int:
    """Memory of a GPU, or of the machine (or what its container allows) for each of the processes on it."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if CGROUP_LIMIT.exists() and (limit := CGROUP_LIMIT.read_text(encoding="utf-8").strip()).isdigit():
        total = min(total, int(limit))
    return total // processes
