"""One token a row for models of the Llama, Qwen2 and Qwen3 families: their layers written out for sampling.

The layers of transformers copy keys and values for every query head. Here the queries that share a key attend to it
together. A product has its weight on the left: a CPU multiplies a large matrix by a few columns faster than a few rows
by a large matrix. Weights are the policy's own, converted where it computes in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, silu

from r1lab.engines.groups import GroupCache
from r1lab.models.causal import CausalPolicy

FAMILIES = ("llama", "qwen2", "qwen3")
BLOCK = 2048
"""Outputs of a wide product that are turned at a time."""


def is_written_out(model: nn.Module) -> bool:
    """Whether a transformers model is of one of the families, with plain attention in every layer."""
    config = model.config
    plain = set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
    return config.model_type in FAMILIES and plain and config.hidden_act == "silu"


class Decoder:
    """Next-token logits of rows that read one id each; to be made anew when the weights have changed."""

    def __init__(self, policy: CausalPolicy):
        model = policy.model.base_model
        dtype = policy.product_dtype
        self.embed, self.rotary, self.dtype = model.embed_tokens, model.rotary_emb, dtype
        self.layers = [Layer.of(layer, policy.config.num_key_value_heads, dtype) for layer in model.layers]
        self.norm = Norm.of(model.norm)
        self.head = Product.of(policy.model.get_output_embeddings(), dtype=dtype)
        self._logits = torch.empty(0, device=policy.device)

    def __call__(self, ids: Tensor, positions: Tensor, mask: Tensor, cache: GroupCache) -> Tensor:
        """ids [N] -> logits [N, V] float32, which the next call overwrites.

        positions [N, 1] and mask [N, 1, 1, L] are as `GroupCache.advance` gives them.
        """
        states = self.embed(ids).to(self.dtype)
        cos, sin = self.rotary(states, positions)
        # numbers from here on: no layer converts it again
        mask = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
        for number, layer in enumerate(self.layers):
            states = layer(states, cos, sin, mask, cache, number)
        if len(self._logits) < len(ids):
            self._logits = self._logits.new_empty(len(ids), len(self.head.weight))
        return self.head.by_row(self.norm(states), self._logits[: len(ids)])


@dataclass(frozen=True, eq=False)
class Product:
    """A linear layer: states [N, I] -> [N, O], of which the columns lie together."""

    weight: Tensor
    """[O, I]."""
    bias: Tensor | None
    """[O]."""

    @classmethod
    def of(cls, *layers: nn.Linear, dtype: torch.dtype) -> Product:
        """One product for all the layers, which read the same: their outputs lie one behind the other."""
        weights, biases = ([getattr(layer, name) for layer in layers] for name in ("weight", "bias"))
        return cls(_joined(weights).to(dtype), None if biases[0] is None else _joined(biases).to(dtype))

    def __call__(self, states: Tensor) -> Tensor:
        product = torch.mm(self.weight, states.T).T
        return product if self.bias is None else product.add_(self.bias)

    def by_row(self, states: Tensor, out: Tensor) -> Tensor:
        """Writes many outputs [N, O] row by row; turned block by block, while a cache holds it."""
        for block in range(0, len(self.weight), BLOCK):
            part = slice(block, block + BLOCK)
            out[:, part] = torch.mm(self.weight[part], states.T).T
        return out if self.bias is None else out.add_(self.bias)


@dataclass(frozen=True, eq=False)
class Norm:
    """Root-mean-square norm over the last dimension, computed in float32, as the families do."""

    weight: Tensor
    eps: float

    @classmethod
    def of(cls, layer: nn.Module) -> Norm:
        return cls(layer.weight.float(), layer.variance_epsilon)

    def __call__(self, states: Tensor) -> Tensor:
        return rms_norm(states.float(), self.weight.shape, self.weight, self.eps).to(states.dtype)


@dataclass(frozen=True, eq=False)
class Layer:
    """One decoder layer; H heads of keys and values, each for R heads of queries, of width D."""

    attention_norm: Norm
    read: Product
    """Queries, keys and values, (H * R + 2 * H) * D outputs."""
    query_norm: Norm | None
    key_norm: Norm | None
    out: Product
    mlp_norm: Norm
    gate: Product
    up: Product
    down: Product
    num_heads: int
    """H."""
    width: int
    """D."""

    @classmethod
    def of(cls, layer: nn.Module, num_heads: int, dtype: torch.dtype) -> Layer:
        attention, mlp = layer.self_attn, layer.mlp
        by_head = (getattr(attention, name, None) for name in ("q_norm", "k_norm"))
        return cls(
            Norm.of(layer.input_layernorm),
            Product.of(attention.q_proj, attention.k_proj, attention.v_proj, dtype=dtype),
            *(None if norm is None else Norm.of(norm) for norm in by_head),
            Product.of(attention.o_proj, dtype=dtype),
            Norm.of(layer.post_attention_layernorm),
            *(Product.of(linear, dtype=dtype) for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj)),
            num_heads,
            attention.head_dim,
        )

    def __call__(
        self, states: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, cache: GroupCache, number: int
    ) -> Tensor:
        """states [N, hidden] -> the same behind the layer; cos and sin [N, 1, D]."""
        heads = self.read(self.attention_norm(states)).contiguous().unflatten(1, (-1, self.width))
        turned, values = heads.tensor_split([heads.shape[1] - self.num_heads], dim=1)
        if self.query_norm is not None:
            queries, keys = turned.tensor_split([turned.shape[1] - self.num_heads], dim=1)
            turned = torch.cat([self.query_norm(queries), self.key_norm(keys)], dim=1)
        queries, keys = rotated(turned, cos, sin).tensor_split([turned.shape[1] - self.num_heads], dim=1)
        mixed = cache.attend(queries.unflatten(1, (self.num_heads, -1)), keys, values, mask, number)
        states = states + self.out(mixed.flatten(1))
        read = self.mlp_norm(states)
        gated = silu(self.gate(read), inplace=True).mul_(self.up(read))
        return states + self.down(gated.contiguous())


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding of states [N, heads, D] by cos and sin [N, 1, D]."""
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat([-second, first], dim=-1) * sin
