"""A packed batch cut into tiles of sequences of like length: none attends to what it may not see."""

from __future__ import annotations

import torch
from torch import Tensor

from r1lab.types import Tile, Tiles

PADDED = 1.5
"""The longest sequence of a tile is at most this many times its shortest."""
LARGEST_MASK = 2**24
"""Products of queries and keys of a tile; a sequence that has more is alone in its tile, and does without a mask."""


def tiles_of(branches: Tensor, segments: Tensor) -> Tiles:
    """Cut a packed batch, branches and segments [R, T] of a PackedBatch: each prompt and each completion is a sequence.

    A completion of t ids with a prompt of p costs t * (p + t) products instead of t times the length of its row.
    """
    # branches, segments [R, T] -> queries and keys into [R * T]
    assert branches.ndim == 2 and branches.shape == segments.shape
    branches, segments = branches.flatten(), segments.flatten()
    prompts = _runs(branches.where(segments < 0, -1))
    completions = _runs(segments)
    owners = branches[completions[0]]
    nothing = torch.zeros_like(prompts[1])
    tiles = _tiles(*prompts, nothing, nothing) + _tiles(*completions, *(values[owners] for values in prompts))
    if not tiles:  # a microbatch of padding alone: its first place attends to itself
        first = torch.zeros(1, dtype=torch.long)
        tiles = _tiles(first, first + 1, first, first)
    asked = torch.cat([tile.queries.where(real, -1).flatten() for tile, real in tiles])
    found = torch.zeros_like(branches)
    found[asked[asked >= 0]] = (asked >= 0).nonzero().squeeze(1)
    return Tiles([tile for tile, _ in tiles], found)


def _runs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Starts and lengths [N] of the runs labeled 0 to N-1; -1 is none."""
    places = (labels >= 0).nonzero().squeeze(1)
    lengths = labels[places].bincount()
    order = labels[places].argsort(stable=True)
    return places[order][lengths.cumsum(0) - lengths], lengths


def _tiles(starts: Tensor, lengths: Tensor, prompt_starts: Tensor, prompt_lengths: Tensor) -> list[tuple[Tile, Tensor]]:
    """Runs [N] behind their prompts as tiles of like lengths, and which of each tile's queries are real."""
    order = lengths.argsort(stable=True)
    order = order[lengths[order] > 0]
    tiles, begin, ordered = [], 0, lengths[order].tolist()
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end] > PADDED * ordered[begin]:
            alike = order[begin:end]
            products = ordered[end - 1] * (ordered[end - 1] + int(prompt_lengths[alike].max()))
            for part in alike.split(max(1, LARGEST_MASK // products)):
                tiles.append(_tile(starts[part], lengths[part], prompt_starts[part], prompt_lengths[part]))
            begin = end
    return tiles


def _tile(starts: Tensor, lengths: Tensor, prompt_starts: Tensor, prompt_lengths: Tensor) -> tuple[Tile, Tensor]:
    own, shared = (torch.arange(int(most.max())) for most in (lengths, prompt_lengths))
    real, seen = own < lengths[:, None], shared < prompt_lengths[:, None]
    # what is padding reads some place of its row, and no one looks at it
    queries = (starts[:, None] + own).where(real, starts[:, None])
    prompts = (prompt_starts[:, None] + shared).where(seen, prompt_starts[:, None])
    keys = torch.cat([prompts, queries], dim=1)
    if len(own) * keys.shape[1] > LARGEST_MASK:
        # one sequence, whose prompt asks along: little work, not looked at either, and it needs no mask
        return Tile(keys, keys, prompt_lengths), torch.cat([~seen, real], dim=1)
    return Tile(queries, keys, prompt_lengths), real
