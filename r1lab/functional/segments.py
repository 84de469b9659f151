"""Sums and means over each completion of a packed batch, without a wait for the device that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def segment_sums(values: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
    """Each token's completion summed: values [R, T], loss_mask bool, segments int64 -> [R, T]; 0 outside completions.

    Example, one row: values [9, 1, 3, 5], segments [-1, 0, 0, 1], counted from the second on -> [0, 4, 4, 5].
    """
    # values, loss_mask, segments [R, T] -> [R, T]
    assert values.shape == loss_mask.shape == segments.shape
    owners = segments.clamp(min=0)
    # there are not more completions than tokens; a size that is known waits for no device
    sums = values.new_zeros(values.numel()).index_add(0, owners.flatten(), values.where(loss_mask, 0).flatten())
    return sums[owners].where(loss_mask, 0)


def segment_means(values: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
    """Each token's completion averaged over its counted tokens: [R, T] -> [R, T]; 0 outside completions."""
    return segment_sums(values, loss_mask, segments) / segment_lengths(values, loss_mask, segments)


def segment_lengths(values: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
    """Counted tokens of each token's completion, in the type of values; 1 outside completions: [R, T] -> [R, T]."""
    return segment_sums(values.new_ones(values.shape), loss_mask, segments).clamp(min=1)


def to_go(values: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
    """Of each counted token the sum of its completion from it on: [R, T] -> [R, T]; 0 outside completions.

    A completion's tokens lie one behind the other. Example: values [1, 2, 4] of one completion -> [7, 6, 4].
    """
    masked = values.where(loss_mask, 0)
    earlier = masked.cumsum(dim=1) - masked
    # of the row before the completion began
    before = segment_sums(earlier.where(first_of(segments, loss_mask), 0), loss_mask, segments)
    return (segment_sums(masked, loss_mask, segments) - (earlier - before)).where(loss_mask, 0)


def decayed_to_go(values: Tensor, loss_mask: Tensor, segments: Tensor, decay: float) -> Tensor:
    """Of each counted token the sum of its completion from it on, every later token `decay` times less: [R, T].

    Example: values [1, 2, 4] of one completion, decay 0.5 -> [1 + 1 + 1, 2 + 2, 4] = [3, 4, 4].
    """
    sums, width = values.where(loss_mask, 0), values.shape[1]
    # each sum takes in the one that begins where it ends: sums of 1, 2, 4, ... tokens
    step = 1
    while step < width:
        same = loss_mask[:, :-step] & loss_mask[:, step:] & (segments[:, :-step] == segments[:, step:])
        further = sums[:, step:].where(same, 0) * decay**step
        sums = sums.clone()
        sums[:, :-step] += further
        step *= 2
    return sums


def following(values: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
    """Of each counted token the value of the next one of its completion, 0 behind the last: [R, T] -> [R, T].

    Example: values [1, 2, 4] of one completion -> [2, 4, 0].
    """
    found = values.new_zeros(values.shape)
    same = loss_mask[:, :-1] & loss_mask[:, 1:] & (segments[:, :-1] == segments[:, 1:])
    found[:, :-1] = values[:, 1:].where(same, 0)
    return found


def last_of(segments: Tensor, loss_mask: Tensor) -> Tensor:
    """bool [R, T]: the last token of each completion."""
    last = loss_mask.clone()
    last[:, :-1] &= segments[:, :-1] != segments[:, 1:]
    return last


def first_of(segments: Tensor, loss_mask: Tensor) -> Tensor:
    """bool [R, T]: the first token of each completion."""
    first = loss_mask.clone()
    first[:, 1:] &= segments[:, 1:] != segments[:, :-1]
    return first
