"""Multi-head latent attention while sampling: the latents of the past are attended to as they lie in the cache.

A forward as in training expands the latents of the whole past to keys and values of every head, again for each token.
Here the one new token's query is brought into the space of the latents instead, and the result back out of it (Eqs. 1
to 11 of the DeepSeek-V2 report; the same product, bracketed otherwise).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from r1lab.engines.layers import Norm, Product, Step, rotated
from r1lab.engines.rows import KEYS as LATENTS
from r1lab.engines.rows import VALUES as ROTARY


@dataclass(frozen=True, eq=False)
class LatentAttention:
    """H heads that attend to one latent of R numbers and one rotary key of P numbers a token: DeepSeek-V3."""

    query: tuple[Product, Norm, Product] | tuple[Product]
    """H * (N + P) outputs; through a latent of its own where the model has one."""
    read: Product
    """The new latent and rotary key, R + P outputs."""
    norm: Norm
    """Of the new latent."""
    absorb: Tensor
    """[H, N, R], a query's N numbers into the space of the latents."""
    expand: Tensor
    """[H, R, V], out of it."""
    out: Product
    interleaved: bool
    """Whether rotary pairs lie side by side."""
    scale: float
    layer: int

    @classmethod
    def of(cls, attention: nn.Module, dtype: torch.dtype) -> LatentAttention:
        if attention.q_lora_rank is None:
            query = (Product.of(attention.q_proj, dtype=dtype),)
        else:
            inner, outer = (Product.of(layer, dtype=dtype) for layer in (attention.q_a_proj, attention.q_b_proj))
            query = (inner, Norm.of(attention.q_a_layernorm, dtype), outer)
        heads = attention.kv_b_proj.weight.to(dtype).unflatten(0, (attention.num_heads, -1))
        absorb, expand = heads.tensor_split([attention.qk_nope_head_dim], dim=1)
        return cls(
            query,
            Product.of(attention.kv_a_proj_with_mqa, dtype=dtype),
            Norm.of(attention.kv_a_layernorm, dtype),
            absorb,
            expand.transpose(1, 2),
            Product.of(attention.o_proj, dtype=dtype),
            attention.config.rope_interleave,
            attention.scaling,
            attention.layer_idx,
        )

    def __call__(self, states: Tensor, step: Step) -> Tensor:
        latents, key = self.read(states).tensor_split([self.absorb.shape[2]], dim=1)
        for part in self.query:
            states = part(states)
        plain, turned = states.unflatten(1, (len(self.absorb), -1)).tensor_split([self.absorb.shape[1]], dim=2)
        turned = torch.cat([turned, key[:, None]], dim=1)
        queries, keys = (rotated_pairs if self.interleaved else rotated)(turned, step).tensor_split([-1], dim=1)
        step.cache.update(self.norm(latents)[:, None], keys, self.layer)
        absorbed = torch.bmm(plain.transpose(0, 1), self.absorb).transpose(0, 1)
        # all heads are queries of one head of keys
        scores = step.cache.scores((absorbed * self.scale)[:, None], self.layer, LATENTS)
        scores += step.cache.scores((queries * self.scale)[:, None], self.layer, ROTARY)
        mixed = step.cache.mixed(scores.add_(step.mask).softmax(dim=-1), self.layer, LATENTS).squeeze(1)
        return self.out(torch.bmm(mixed.transpose(0, 1), self.expand).transpose(0, 1).flatten(1))


def rotated_pairs(states: Tensor, step: Step) -> Tensor:
    """Rotary position embedding of states [N, heads, P] whose pairs lie side by side; the result has them apart."""
    apart = torch.cat([states[..., 0::2], states[..., 1::2]], dim=-1)
    return rotated(apart, step)
