"""A causal language model seen as what reinforcement learning needs: next-token logits and logprobs of given tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from inspect import signature
from typing import TYPE_CHECKING, Any, Self

import torch
from torch import Tensor, nn

from r1lab.errors import ModelError
from r1lab.functional.logprobs import token_logprobs
from r1lab.functional.packing import attention_mask
from r1lab.models.families import check_config
from r1lab.models.tiled import NAME, take_tiles
from r1lab.types import PackedBatch

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule


SHORT = (torch.bfloat16, torch.float16)
"""Types that products are computed in while weights keep a longer one."""
ATTENTION = ("sdpa", "eager", NAME)
"""Implementations of attention that take a mask for every pair of tokens."""


class CausalPolicy(nn.Module):
    """Wraps a transformers causal LM; one forward serves sampling and training, so that sharding hooks see every call.

    compute_dtype: torch.bfloat16 runs matrix products in bfloat16 under autocast; parameters keep their own type.
    """

    def __init__(self, model: nn.Module, compute_dtype: torch.dtype | None = None):
        super().__init__()
        self.model = model
        self.compute_dtype = compute_dtype
        check_config(model.config)
        check_attention(model.config._attn_implementation)
        self.takes_tiles = take_tiles(model)
        without_dropout(model)
        self.train(self.training)
        # transformers renames it in 5.24 and takes the old name with a warning
        known = signature(self.body.forward).parameters
        self.cache_name = "cache" if "cache" in known else "past_key_values"

    @property
    def config(self):
        """The transformers config of the model."""
        return self.model.config

    def train(self, mode: bool = True) -> Self:
        """Sets the flag of the wrapper; the model itself always computes as in evaluation.

        So there is no dropout, no skipped layer and no router noise in training, wherever a family keeps them: what
        samples must be what trains, or no ratio would begin at 1. Only where activations are recomputed do the modules
        that do it know that they train.
        """
        self.model.eval()
        self.training = mode
        for module in self.model.modules():
            if getattr(module, "gradient_checkpointing", False):
                module.training = mode
        return self

    @property
    def body(self) -> nn.Module:
        """The model without its head; some families do not name it as the rest of transformers does."""
        named = self.model.base_model
        return named if named is not self.model else self.model.model

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def product_dtype(self) -> torch.dtype:
        """The type of matrix products: the compute type where it is a short one, else the parameters' own."""
        return self.compute_dtype if self.compute_dtype in SHORT else self.model.dtype

    def precision(self):
        """The autocast context of one forward. Never held over an optimizer step: its cast weights would be stale."""
        if self.compute_dtype not in SHORT:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=self.compute_dtype)

    @contextmanager
    def as_transformers(self) -> Iterator[None]:
        """A context in which the model attends without tiles, as it does where r1lab has not touched it."""
        config = self.model.config
        own = config._attn_implementation
        config._attn_implementation = "sdpa" if own == NAME else own
        try:
            yield
        finally:
            config._attn_implementation = own

    def casts_kept(self):
        """A context in which `precision` converts each weight once, not once a forward; weights must not change in it.

        Autocast forgets what it has cast when its outermost context ends; this one is outermost and casts nothing.
        """
        return torch.autocast(self.device.type, enabled=False)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor,
        mask: Tensor,
        read: Callable[[Tensor, nn.Module], Any],
        cache=None,
        **options,
    ):
        """What ``read`` makes of the hidden states [B, T, D] and the head; `next_logits` and `score` call it so.

        ids, positions [B, T]; mask [B, 1, T, T_past + T], True = attend. ``options`` go to the layers.
        """
        cached = {} if cache is None else {self.cache_name: cache}
        hidden = self.body(
            input_ids=ids, position_ids=positions, attention_mask=self.as_taken(mask, len(ids)),
            use_cache=cache is not None, **cached, **options,
        ).last_hidden_state  # fmt: skip
        return read(hidden, self.model.get_output_embeddings())

    def as_taken(self, mask: Tensor, num_rows: int) -> Tensor:
        """A bool mask as the model's attention takes it: eager attention adds it to its scores, the others read it."""
        if self.model.config._attn_implementation != "eager":
            return mask
        numbers = torch.zeros(mask.shape, dtype=self.model.dtype, device=mask.device)
        numbers.masked_fill_(~mask, torch.finfo(self.product_dtype).min)
        return numbers.expand(num_rows, -1, -1, -1)  # some families compare its shape with that of their scores

    def next_logits(self, ids: Tensor, positions: Tensor, mask: Tensor, cache, last: Tensor | None = None) -> Tensor:
        """Logits [B, V] float32 behind the last id of each row; last [B] is its place, T - 1 unless given."""

        def read(hidden: Tensor, head: nn.Module) -> Tensor:
            rows = torch.arange(len(ids), device=ids.device)
            return head(hidden[:, -1] if last is None else hidden[rows, last]).float()

        return self(ids, positions, mask, read, cache=cache)

    def score(self, batch: PackedBatch, temperature: float) -> tuple[Tensor, Tensor]:
        """Logprobs and entropy [R, T] of a packed batch's counted tokens, 0 elsewhere; the batch is on our device."""
        ids = batch.ids.flatten()[batch.counted]

        def read(hidden: Tensor, head: nn.Module) -> tuple[Tensor, Tensor]:
            return token_logprobs(hidden, head.weight, ids, temperature, bias=head.bias)

        with self.precision():
            logprobs, entropy = self.at_predictors(batch, read)
        return batch.grid(logprobs), batch.grid(entropy)

    def trained_outputs(self, batch: PackedBatch) -> Tensor:
        """What a loss is made of: logprobs [R, T]."""
        return self.score(batch, temperature=1.0)[0]

    def at_predictors(self, batch: PackedBatch, read: Callable[[Tensor, nn.Module], Any]) -> Any:
        """What ``read`` makes of the hidden states [M, D] that predict the counted tokens, and the head."""
        width = batch.ids.shape[1]

        def predicting(hidden: Tensor, head: nn.Module) -> Any:
            # a token's predictor is in its own row
            predictors = batch.counted // width * width + batch.predictors.flatten()[batch.counted]
            return read(hidden.flatten(0, 1)[predictors], head)

        return self.over(batch, predicting)

    def over(self, batch: PackedBatch, read: Callable[[Tensor, nn.Module], Any]) -> Any:
        """What ``read`` makes of the hidden states [R, T, D] of a packed batch, and the head."""
        if self.takes_tiles:
            # what has the shape of a mask keeps transformers from making one
            mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=batch.ids.device)
            options = {"tiles": batch.tiles, "masks": [tile.mask for tile in batch.tiles.tiles]}
        else:
            mask, options = attention_mask(batch.branches, batch.segments), {}
        return self(batch.ids, batch.positions, mask, read, **options)


def check_attention(implementation: str | None) -> None:
    """Refuses attention that does not take a mask of which token sees which. Raises ModelError."""
    if implementation not in ATTENTION:
        raise ModelError(
            "This attention cannot be used here: sequences share rows, and it takes no mask that keeps them apart.",
            f"attn_implementation={implementation}",
            "model.published.attn_implementation=sdpa",
        )


def without_dropout(model: nn.Module) -> None:
    """Takes dropout out of a model: modules of it, and rates that modules keep as plain numbers."""
    for module in model.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.p = 0.0
        for name, value in vars(module).items():
            if "drop" in name.lower() and isinstance(value, float):
                setattr(module, name, 0.0)


def shards_of(policy: CausalPolicy) -> list[FSDPModule]:
    """The modules that FSDP2 manages; none in a policy that is whole."""
    from torch.distributed.fsdp import FSDPModule

    return [module for module in policy.modules() if isinstance(module, FSDPModule)]


def is_sharded(policy: CausalPolicy) -> bool:
    """Whether FSDP2 manages the policy: its root is a shard then. Asked for every microbatch, so no walk."""
    from torch.distributed.fsdp import FSDPModule

    return isinstance(policy, FSDPModule)


def reshard(policy: CausalPolicy) -> None:
    """Frees the full parameters that a forward without backward leaves behind, where the policy is sharded."""
    for shard in shards_of(policy):
        shard.reshard()


@contextmanager
def gathered(policy: CausalPolicy) -> Iterator[None]:
    """Holds the full parameters of an FSDP2-sharded policy on every rank for the length of the context.

    Ranks finish sampling at different tokens; with the parameters gathered once no forward inside needs a collective.
    A policy that is not sharded passes through untouched.
    """
    shards = shards_of(policy)
    for shard in shards:
        shard.set_reshard_after_forward(False, recurse=False)
        shard.unshard()
    try:
        yield
    finally:
        for shard in shards:
            # the root keeps its parameters from forward to backward, as FSDP2 sets it up
            shard.set_reshard_after_forward(shard is not policy, recurse=False)
            shard.reshard()
