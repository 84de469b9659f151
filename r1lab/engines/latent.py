"""Multi-head latent attention while sampling: the latents of the past are attended to as they lie in the cache.

A forward as in training expands the latents of the whole past to keys and values of every head, again for each token.
Here the one new token's query is brought into the space of the latents instead, and the result back out of it (Eqs. 1
to 11 of the DeepSeek-V2 report; the same product, bracketed otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

NAME = "r1lab_latent"


@contextmanager
def latent_attention(model: nn.Module) -> Iterator[None]:
    """Within it the model's latent attention layers, if it has any, do not expand the past for one new token."""
    layers = [module for module in model.modules() if hasattr(type(module), "expand_kv")]
    configs = {id(layer.config): layer.config for layer in layers if layer.config._attn_implementation == "sdpa"}
    layers = [layer for layer in layers if id(layer.config) in configs]
    for layer in layers:
        layer.expand_kv = unexpanded
    for config in configs.values():
        config._attn_implementation = NAME
    try:
        yield
    finally:
        for layer in layers:
            del layer.expand_kv
        for config in configs.values():
            config._attn_implementation = "sdpa"


def unexpanded(latents: Tensor, rotary: Tensor) -> tuple[Tensor, Tensor]:
    """What the attention below takes for keys and values: latents [B, 1, L, R] and rotary keys [B, 1, L, P]."""
    return torch.cat([latents, rotary], dim=-1), latents


def attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
           scaling: float, **options) -> tuple[Tensor, None]:  # fmt: skip
    """Attention of query [B, H, T, N + P] to key [B, 1, L, R + P], whose first R entries are the latents ``value``.

    Returns [B, T, H, V] as every attention of transformers.
    """
    rank, width = value.shape[-1], module.qk_nope_head_dim
    if query.shape[2] > 1:
        key, value = type(module).expand_kv(module, value, key[..., rank:])
        attention = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return attention(module, query, key, value, attention_mask, scaling=scaling, **options)
    weight = module.kv_b_proj.weight.view(query.shape[1], -1, rank)
    plain, rotary = query[:, :, 0].split([width, query.shape[-1] - width], dim=-1)
    absorbed = torch.einsum("bhn,hnr->bhr", plain, weight[:, :width])
    # [B, 1, H, R + P]: all heads attend to the same keys, and their rotary part goes along to the result unread
    query = torch.cat([absorbed, rotary], dim=-1)[:, None]
    mixed = nn.functional.scaled_dot_product_attention(query, key, key, attn_mask=attention_mask, scale=scaling)
    return torch.einsum("bhr,hvr->bhv", mixed[:, 0, :, :rank], weight[:, width:])[:, None], None


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
