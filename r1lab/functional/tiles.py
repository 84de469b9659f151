"""A packed batch cut into tiles of sequences of like length: none attends to what it may not see."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from r1lab.types import Tile, Tiles

PADDED = 1.5
"""The longest sequence of a tile is at most this many times its shortest."""
LARGEST_MASK = 2**24
"""Products of queries and keys, of all sequences of a tile, that have a mask; longer sequences do without, alone."""


def tiles_of(branches: Tensor, segments: Tensor) -> Tiles:
    """Cut a packed batch, branches and segments [R, T] of a PackedBatch: each prompt and each completion is a sequence.

    A completion of t ids with a prompt of p costs t * (p + t) products instead of t times the length of its row.
    """
    # branches, segments [R, T] -> queries and keys into [R * T]
    assert branches.ndim == 2 and branches.shape == segments.shape
    branches, segments = branches.flatten(), segments.flatten()
    prompt_starts, prompt_lengths = _runs(branches.where(segments < 0, -1))
    starts, lengths = _runs(segments)
    owners = branches[starts]
    tiles = [_tile(prompt_starts[part], prompt_lengths[part]) for part in _alike(prompt_lengths, 0 * prompt_lengths)]
    for part in _alike(lengths, prompt_lengths[owners]):
        owner = owners[part]
        tiles.append(_tile(starts[part], lengths[part], prompt_starts[owner], prompt_lengths[owner]))
    if not tiles:  # a microbatch of padding alone: its first place attends to itself
        tiles = [_tile(torch.zeros_like(branches[:1]), torch.ones_like(branches[:1]))]
    found = torch.zeros_like(branches)
    offset = 0
    for tile, (size, width) in [(tile, tile.queries.shape) for tile in tiles]:
        inside = tile.queries >= 0
        found[tile.queries[inside]] = offset + torch.arange(size * width, device=found.device).view(size, width)[inside]
        tile.queries.clamp_(min=0)
        offset += size * width
    return Tiles(tiles, found)


def _runs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Starts and lengths [N] of the runs labeled 0 to N-1; -1 is none."""
    places = (labels >= 0).nonzero().squeeze(1)
    lengths = labels[places].bincount()
    order = labels[places].argsort(stable=True)
    return places[order][lengths.cumsum(0) - lengths], lengths


def _alike(lengths: Tensor, before: Tensor) -> list[Tensor]:
    """Indexes of like lengths, the shortest first; one by one where what they see, with `before`, is too large."""
    order = lengths.argsort(stable=True)
    parts, begin, ordered = [], 0, lengths[order].tolist()
    for end in range(1, len(ordered) + 1):
        if end == len(ordered) or ordered[end] > PADDED * ordered[begin]:
            part = order[begin:end]
            keys = ordered[end - 1] + int(before[part].max())
            parts += part.split(1) if len(part) * ordered[end - 1] * keys > LARGEST_MASK else [part]
            begin = end
    return parts


def _tile(starts: Tensor, lengths: Tensor, prompt_starts: Tensor | None = None, prompt_lengths: Tensor | None = None):
    """The tile of some runs behind their prompts; its queries are -1 where a run is shorter than the tile."""
    own = torch.arange(int(lengths.max()), device=starts.device)
    queries = starts[:, None] + own
    inside = own < lengths[:, None]
    keys = queries.where(inside, starts[:, None])
    if prompt_starts is not None:
        shared = torch.arange(int(prompt_lengths.max()), device=starts.device)
        seen = shared < prompt_lengths[:, None]
        keys = torch.cat([(prompt_starts[:, None] + shared).where(seen, prompt_starts[:, None]), keys], 1)
    queries = queries.where(inside, -1)
    if len(own) * keys.shape[1] > LARGEST_MASK:
        # the prompt asks along, which is little work and is not looked at
        return Tile(nn.functional.pad(queries, (keys.shape[1] - len(own), 0), value=-1), keys, None)
    mask = torch.ones(len(own), len(own), dtype=torch.bool, device=starts.device).tril().expand(len(starts), -1, -1)
    if prompt_starts is not None:
        mask = torch.cat([seen[:, None].expand(-1, len(own), -1), mask], 2)
    return Tile(queries, keys, mask[:, None])
