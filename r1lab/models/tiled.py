"""Attention of a packed batch tile by tile, within the layers of transformers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from r1lab.errors import ModelError
from r1lab.types import Tiles

NAME = "r1lab_tiled"
WITHOUT = ("nemotron",)
"""Families whose layers do not hand further arguments on to their attention."""


def take_tiles(model: nn.Module) -> bool:
    """Lets the model's layers take ``tiles`` from now on, beside masks; False where its attention cannot."""
    able = model._supports_attention_backend and model.config._attn_implementation in ("sdpa", NAME)
    able = able and model.config.get_text_config().model_type not in WITHOUT
    if able:
        model.config._attn_implementation = NAME
    return able


def attend(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
           tiles: Tiles | None = None, masks: Sequence[Tensor | None] = (),
           **options) -> tuple[Tensor, None]:  # fmt: skip
    """Attention of a packed batch, query [R, H, T, D], key and value [R, H', T, ...] -> [R, T, H, D'].

    ``masks`` are those of the tiles, made once for all layers. Without tiles it is that of transformers, by the mask.
    Raises ModelError where a layer has lost the tiles: every token would see all others.
    """
    attention = ALL_ATTENTION_FUNCTIONS["sdpa"]
    if tiles is None:
        if attention_mask is not None and attention_mask.shape[-1] < key.shape[2]:
            raise ModelError(
                "The layers of this model do not hand on which tokens see each other.",
                type(module).__name__,
                "model.published.attn_implementation=eager",
            )
        return attention(module, query, key, value, attention_mask, **options)
    rows, width = query.shape[0], query.shape[2]
    query, key, value = (states.transpose(1, 2).flatten(0, 1) for states in (query, key, value))
    mixed = []
    for tile, mask in zip(tiles.tiles, masks, strict=True):
        taken = (_take(query, tile.queries), _take(key, tile.keys), _take(value, tile.keys))
        mixed.append(attention(module, *taken, mask, **options)[0].flatten(0, 1))
    return torch.cat(mixed).index_select(0, tiles.found).unflatten(0, (rows, width)), None


def _take(states: Tensor, places: Tensor) -> Tensor:
    """States [N, H, D] at places [S, T] -> [S, H, T, D]."""
    return states.index_select(0, places.flatten()).unflatten(0, places.shape).transpose(1, 2)


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
