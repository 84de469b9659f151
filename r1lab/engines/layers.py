"""The parts of a decoder layer as sampling computes them: one new token a row, weights on the left of each product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, rms_norm, silu

from r1lab.engines.groups import GroupCache

BLOCK = 2048
"""Outputs of a wide product that are turned at a time."""
SMALL = 2**17
"""Weights of fewer numbers are multiplied as they are: to fill up columns costs as much as it saves."""


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
        product = torch.mm(self.weight, self._filled(states).T).T[: len(states)]
        return product if self.bias is None else product.add_(self.bias)

    def by_row(self, states: Tensor, out: Tensor) -> Tensor:
        """Writes many outputs [N, O] row by row; turned block by block, while a cache holds it."""
        filled = self._filled(states).T
        for block in range(0, len(self.weight), BLOCK):
            part = slice(block, block + BLOCK)
            out[:, part] = torch.mm(self.weight[part], filled).T[: len(states)]
        return out if self.bias is None else out.add_(self.bias)

    def _filled(self, states: Tensor) -> Tensor:
        """The states with rows of zeros behind them, as many as make a CPU's product faster."""
        more = 0 if states.is_cuda or self.weight.numel() < SMALL else fast_columns(len(states)) - len(states)
        return pad(states, (0, 0, 0, more)) if more else states


@dataclass(frozen=True, eq=False)
class Norm:
    """Root-mean-square norm over the last dimension, computed in float32, as the families do; gives `dtype`."""

    weight: Tensor
    eps: float
    dtype: torch.dtype

    @classmethod
    def of(cls, layer: nn.Module, dtype: torch.dtype) -> Norm:
        return cls(layer.weight.float(), layer.variance_epsilon, dtype)

    def __call__(self, states: Tensor) -> Tensor:
        states = states.float()
        if states.is_cuda:  # one kernel there, eight operations here
            return rms_norm(states, self.weight.shape, self.weight, self.eps).to(self.dtype)
        scale = states.square().mean(dim=-1, keepdim=True).add_(self.eps).rsqrt_()
        return (states * scale).mul_(self.weight).to(self.dtype)


@dataclass(frozen=True, eq=False)
class Step:
    """What all layers are told of the ids that the rows read now."""

    cos: Tensor
    sin: Tensor
    """[N, 1, D], of each row's position; the first half of the sines is negative."""
    mask: Tensor
    """[N, 1, 1, L], numbers added to the scores: -inf where a row does not attend."""
    cache: GroupCache


class Attention(Protocol):
    """The attention of one layer; it writes to the step's cache."""

    def __call__(self, states: Tensor, step: Step) -> Tensor:
        """states [N, hidden] -> [N, hidden]."""
        ...


@dataclass(frozen=True, eq=False)
class GroupedQueryAttention:
    """H heads of keys and values, each for R heads of queries, of width D: Llama, Qwen2, Qwen3."""

    read: Product
    """Queries, keys and values, (H * R + 2 * H) * D outputs."""
    query_norm: Norm | None
    key_norm: Norm | None
    out: Product
    num_heads: int
    """H."""
    width: int
    """D."""
    layer: int

    @classmethod
    def of(cls, attention: nn.Module, dtype: torch.dtype) -> GroupedQueryAttention:
        norms = (getattr(attention, name, None) for name in ("q_norm", "k_norm"))
        return cls(
            Product.of(attention.q_proj, attention.k_proj, attention.v_proj, dtype=dtype),
            *(None if norm is None else Norm.of(norm, dtype) for norm in norms),
            Product.of(attention.o_proj, dtype=dtype),
            attention.config.num_key_value_heads,
            attention.head_dim,
            attention.layer_idx,
        )

    def __call__(self, states: Tensor, step: Step) -> Tensor:
        heads = self.read(states).contiguous().unflatten(1, (-1, self.width))
        turned, values = heads.tensor_split([heads.shape[1] - self.num_heads], dim=1)
        if self.query_norm is not None:
            queries, keys = turned.tensor_split([turned.shape[1] - self.num_heads], dim=1)
            turned = torch.cat([self.query_norm(queries), self.key_norm(keys)], dim=1)
        queries, keys = rotated(turned, step).tensor_split([turned.shape[1] - self.num_heads], dim=1)
        step.cache.update(keys, values, self.layer)
        queries = queries.unflatten(1, (self.num_heads, -1))
        return self.out(step.cache.attended(queries, step.mask, self.width**-0.5, self.layer).flatten(1))


@dataclass(frozen=True, eq=False)
class GatedMLP:
    """down(silu(gate(x)) * up(x))."""

    gate: Product
    up: Product
    down: Product

    @classmethod
    def of(cls, mlp: nn.Module, dtype: torch.dtype) -> GatedMLP:
        return cls(*(Product.of(linear, dtype=dtype) for linear in (mlp.gate_proj, mlp.up_proj, mlp.down_proj)))

    def __call__(self, states: Tensor) -> Tensor:
        return self.down(silu(self.gate(states), inplace=True).mul_(self.up(states)))


def fast_columns(num: int) -> int:
    """The number of columns from `num` on for which a product takes the least time on a CPU.

    Measured with MKL on two AVX2 cores, all products of SmolLM2-135M: 15 columns take 132 ms and 16 take 68,
    30 take 138 and 32 take 96, 62 take 215 and 64 take 172.

    >>> [fast_columns(num) for num in (1, 2, 3, 7, 16, 17, 62, 65)]
    [2, 2, 4, 16, 16, 24, 64, 65]
    """
    if num > 64:
        return num
    return next((few for few in (2, 4, 5, 6, 16) if num <= few), -(-num // 8) * 8)


def rotated(states: Tensor, step: Step) -> Tensor:
    """Rotary position embedding of states [N, heads, D], the second half of which turns with the first."""
    first, second = states.chunk(2, dim=-1)
    return torch.addcmul(states * step.cos, torch.cat([second, first], dim=-1), step.sin).to(states.dtype)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)
