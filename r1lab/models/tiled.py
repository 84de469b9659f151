"""Attention of a packed batch tile by tile, within the layers of transformers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from r1lab.functional.tiles import Tiles

NAME = "r1lab_tiled"


@contextmanager
def tiled_attention(model: nn.Module) -> Iterator[bool]:
    """Within it the model's layers take ``tiles``; yields whether they can."""
    config = model.config
    able = model._supports_attention_backend and config._attn_implementation == "sdpa"
    if able:
        config._attn_implementation = NAME
    try:
        yield able
    finally:
        if able:
            config._attn_implementation = "sdpa"


def attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: None,
           tiles: Tiles, **options) -> tuple[Tensor, None]:  # fmt: skip
    """Attention of a packed batch, query [R, H, T, D], key and value [R, H', T, ...] -> [R, T, H, D']."""
    attention = ALL_ATTENTION_FUNCTIONS["sdpa"]
    rows, width = query.shape[0], query.shape[2]
    query, key, value = (states.transpose(1, 2).flatten(0, 1) for states in (query, key, value))
    mixed = []
    for tile in tiles.tiles:
        taken = (_take(query, tile.queries), _take(key, tile.keys), _take(value, tile.keys))
        mixed.append(attention(module, *taken, tile.mask, **options)[0].flatten(0, 1))
    return torch.cat(mixed).index_select(0, tiles.found).unflatten(0, (rows, width)), None


def _take(states: Tensor, places: Tensor) -> Tensor:
    """States [N, H, D] at places [S, T] -> [S, H, T, D]."""
    return states.index_select(0, places.flatten()).unflatten(0, places.shape).transpose(1, 2)


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, lambda *_, **__: None)
