"""Sums over completions, worked by hand."""

import torch

from r1lab.functional.segments import segment_lengths, segment_means, segment_sums, to_go

# prompt, completion 0 of three tokens, completion 1 of one; prompt, completion 2 of two, padding
VALUES = torch.tensor([[9.0, 1, 2, 4, 8], [9, 3, -5, 9, 9]])
SEGMENTS = torch.tensor([[-1, 0, 0, 0, 1], [-1, 2, 2, -1, -1]])
MASK = SEGMENTS >= 0


def test_by_hand():
    assert segment_sums(VALUES, MASK, SEGMENTS).tolist() == [[0, 7, 7, 7, 8], [0, -2, -2, 0, 0]]
    assert segment_lengths(VALUES, MASK, SEGMENTS).tolist() == [[1, 3, 3, 3, 1], [1, 2, 2, 1, 1]]
    assert segment_means(VALUES, MASK, SEGMENTS)[1].tolist() == [0, -1, -1, 0, 0]
    assert to_go(VALUES, MASK, SEGMENTS).tolist() == [[0, 7, 6, 4, 8], [0, -2, -5, 0, 0]]


def test_what_is_not_counted_does_not_matter():
    hostile = VALUES.where(MASK, float("nan"))
    assert torch.equal(to_go(hostile, MASK, SEGMENTS), to_go(VALUES, MASK, SEGMENTS))
    assert torch.equal(segment_sums(hostile, MASK, SEGMENTS), segment_sums(VALUES, MASK, SEGMENTS))
