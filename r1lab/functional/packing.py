"""Several sequences in each row, so that padding is hardly ever computed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch
from torch import Tensor

from r1lab.types import PackedBatch, TrainingSample


def best_fit(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Return bins of indexes whose lengths sum to at most ``capacity``: best-fit decreasing, deterministic.

    A length above the capacity gets a bin of its own: nothing is ever cut.
    Example: lengths [4, 8, 1, 4, 2, 1] at capacity 10 -> [[1, 4], [0, 3, 2, 5]].
    """
    bins: list[list[int]] = []
    spaces: list[tuple[int, int]] = []  # sorted (free tokens, bin): the first that fits leaves the least behind
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        found = bisect_left(spaces, (lengths[index], 0))
        if found == len(spaces):
            space, number = capacity, len(bins)
            bins.append([])
        else:
            space, number = spaces.pop(found)
        bins[number].append(index)
        insort(spaces, (space - lengths[index], number))
    return bins


def plan(lengths: Sequence[int], row_tokens: int, max_tokens: int) -> list[list[list[int]]]:
    """Return microbatches of rows of indexes: rows of at most ``row_tokens``, microbatches of at most ``max_tokens``.

    Rows grow to the longest sequence where that is longer; a microbatch counts R * T, padding included, and holds
    at least one row. Every index appears once. Deterministic.
    """
    assert row_tokens > 0 and max_tokens > 0
    bins = best_fit(lengths, max(row_tokens, max(lengths, default=0)))
    used = [sum(lengths[index] for index in row) for row in bins]
    batches: list[list[list[int]]] = []
    width = 0
    # Longest first: rows of like length meet in one microbatch, and its first row is its width.
    for number in sorted(range(len(bins)), key=lambda number: (-used[number], number)):
        if not batches or (len(batches[-1]) + 1) * width > max_tokens:
            batches.append([])
            width = used[number]
        batches[-1].append(bins[number])
    return batches


def microbatches(samples: Sequence[TrainingSample], row_tokens: int, max_tokens: int, pad_id: int) -> list[PackedBatch]:
    """Return all samples as packed batches, laid out by ``plan``."""
    return [pack(samples, rows, pad_id) for rows in plan([s.num_tokens for s in samples], row_tokens, max_tokens)]


def pack(samples: Sequence[TrainingSample], rows: Sequence[Sequence[int]], pad_id: int) -> PackedBatch:
    """Return one microbatch whose row r holds the samples ``rows[r]``, padded on the right to the longest row.

    Segment s is the s-th index of ``rows`` read row by row. ``pack([], [[]], pad_id)`` is the empty microbatch
    [1, 1] that a rank with less work computes beside the others.
    """
    width = max([1, *(sum(samples[index].num_tokens for index in row) for row in rows)])
    shape = (len(rows), width)
    ids, positions = torch.full(shape, pad_id), torch.zeros(shape, dtype=torch.int64)
    segments, loss_mask = torch.full(shape, -1), torch.zeros(shape, dtype=torch.bool)
    old_logprobs, advantages = torch.zeros(shape), torch.zeros(shape)
    segment = 0
    for r, row in enumerate(rows):
        start = 0
        for index in row:
            sample = samples[index]
            first, end = start + len(sample.prompt_ids), start + sample.num_tokens
            # A sequence's first token has no state that predicts it, so it cannot count.
            assert first > start, "a sample needs a prompt of at least one token"
            ids[r, start:first], ids[r, first:end] = sample.prompt_ids, sample.completion_ids
            positions[r, start:end] = torch.arange(end - start)
            segments[r, start:end] = segment
            loss_mask[r, first:end] = True
            old_logprobs[r, first:end] = sample.old_logprobs
            advantages[r, first:end] = sample.advantage
            start, segment = end, segment + 1
    return PackedBatch(ids, positions, segments, loss_mask, old_logprobs, advantages, num_sequences=segment)


def unpack(values: Tensor, batch: PackedBatch) -> list[Tensor]:
    """Return the values of the counted tokens of each sequence: [R, T] -> S tensors [L_completion], by segment."""
    # values [R, T] -> S x [L_completion]
    assert values.shape == batch.loss_mask.shape
    # Segments ascend in reading order, so the counted tokens lie sequence by sequence.
    lengths = batch.segments[batch.loss_mask].bincount(minlength=batch.num_sequences)
    return list(values[batch.loss_mask].split(lengths.tolist()))


def attention_mask(segments: Tensor) -> Tensor:
    """Return who attends to whom, True = attends: [R, T] -> bool [R, 1, T, T], causal and within one sequence.

    Padding attends to the padding before it and to itself, so that its softmax stays finite; nothing else sees it.
    """
    # segments [R, T] -> [R, 1, T, T]
    assert segments.ndim == 2
    return (segments[:, None, :, None] == segments[:, None, None, :]).tril()
