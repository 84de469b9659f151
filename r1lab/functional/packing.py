"""Several sequences in each row, and a shared prompt once: hardly any padding, nothing computed twice."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

import torch
from torch import Tensor

from r1lab.functional.tiles import tiles_of
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

    A longer sequence has a row of its own; a microbatch counts R * T, padding included, and holds at least one row.
    Every index appears once. Deterministic.
    """
    assert row_tokens > 0 and max_tokens > 0
    bins = best_fit(lengths, row_tokens)
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


def bundles(samples: Sequence[TrainingSample], row_tokens: int) -> list[list[int]]:
    """Return the indexes of samples that share their prompt (the same tensor), as many as fit in a row of that size.

    Example: prompt of 4 tokens, four completions of 3 and rows of 10 give two bundles of two, 4 + 2 * 3 tokens each.
    """
    found: dict[int, list[list[int]]] = {}
    used: dict[int, int] = {}
    for index, sample in enumerate(samples):
        prompt, length = id(sample.prompt_ids), len(sample.completion_ids)
        if prompt not in found or used[prompt] + length > row_tokens:
            found.setdefault(prompt, []).append([])
            used[prompt] = len(sample.prompt_ids)
        found[prompt][-1].append(index)
        used[prompt] += length
    return [bundle for group in found.values() for bundle in group]


def microbatches(samples: Sequence[TrainingSample], row_tokens: int, max_tokens: int, pad_id: int) -> list[PackedBatch]:
    """Return all samples as packed batches, laid out by ``plan``; bundles are never parted."""
    whole = bundles(samples, row_tokens)
    lengths = [bundle_tokens([samples[index] for index in bundle]) for bundle in whole]
    layout = plan(lengths, row_tokens, max_tokens)
    return [pack([[[samples[i] for i in whole[b]] for b in row] for row in rows], pad_id) for rows in layout]


def bundle_tokens(bundle: Sequence[TrainingSample]) -> int:
    """Return the tokens of completions and the prompt they share."""
    return len(bundle[0].prompt_ids) + sum(len(sample.completion_ids) for sample in bundle)


def pack(rows: Sequence[Sequence[Sequence[TrainingSample]]], pad_id: int) -> PackedBatch:
    """Return one microbatch whose rows hold bundles of samples that share a prompt, padded to the longest row.

    Completions are numbered row by row. ``pack([[]], pad_id)`` is the empty microbatch [1, 1] that a rank with less
    work computes beside the others.
    """
    width = max([1, *(sum(bundle_tokens(bundle) for bundle in row) for row in rows)])
    shape = (len(rows), width)
    ids, positions, predictors = torch.full(shape, pad_id), *torch.zeros(2, *shape, dtype=torch.int64)
    branches, segments = torch.full((2, *shape), -1)
    loss_mask = torch.zeros(shape, dtype=torch.bool)
    old_logprobs, advantages = torch.zeros(2, *shape)
    branch = segment = 0
    for r, row in enumerate(rows):
        at = 0
        for bundle in row:
            prompt = bundle[0].prompt_ids
            # A sequence's first token has no state that predicts it, so it cannot count.
            assert len(prompt), "a sample needs a prompt of at least one token"
            end, last = at + len(prompt), at + len(prompt) - 1
            ids[r, at:end], positions[r, at:end] = prompt, torch.arange(len(prompt))
            branches[r, at : at + bundle_tokens(bundle)] = branch
            for sample in bundle:
                at, end = end, end + len(sample.completion_ids)
                ids[r, at:end], segments[r, at:end], loss_mask[r, at:end] = sample.completion_ids, segment, True
                positions[r, at:end] = len(prompt) + torch.arange(end - at)
                predictors[r, at:end] = torch.arange(at - 1, end - 1)
                predictors[r, at : at + 1] = last
                old_logprobs[r, at:end], advantages[r, at:end] = sample.old_logprobs, sample.advantage
                segment += 1
            at, branch = end, branch + 1
    return PackedBatch(
        ids, positions, branches, segments, predictors, loss_mask, old_logprobs, old_logprobs, advantages,
        num_sequences=segment,
        num_tokens=int((branches >= 0).sum()),
        counted=loss_mask.flatten().nonzero().squeeze(1),
        tiles=tiles_of(branches, segments),
    )  # fmt: skip


def unpack(values: Tensor, batch: PackedBatch) -> list[Tensor]:
    """Return the values of the counted tokens of each sequence: [R, T] -> S tensors [L_completion], by segment."""
    # values [R, T] -> S x [L_completion]
    assert values.shape == batch.loss_mask.shape
    # Segments ascend in reading order, so the counted tokens lie sequence by sequence.
    lengths = batch.segments[batch.loss_mask].bincount(minlength=batch.num_sequences)
    return list(values[batch.loss_mask].split(lengths.tolist()))


def attention_mask(branches: Tensor, segments: Tensor) -> Tensor:
    """Return who attends to whom, True = attends: [R, T] -> bool [R, 1, T, T].

    A token sees what comes before it of its own completion and of the prompt it hangs on, never another completion.
    Padding attends to the padding before it and to itself, so that its softmax stays finite; nothing else sees it.
    """
    # branches, segments [R, T] -> [R, 1, T, T]
    assert branches.ndim == 2 and branches.shape == segments.shape
    same_branch = branches[:, None, :, None] == branches[:, None, None, :]
    key = segments[:, None, None, :]
    return (same_branch & ((key == segments[:, None, :, None]) | (key < 0))).tril()
