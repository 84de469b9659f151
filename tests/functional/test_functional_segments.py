"""Sums over completions, worked by hand."""

import torch

from r1lab.functional.gae import gae
from r1lab.functional.segments import (
    decayed_to_go,
    first_of,
    following,
    last_of,
    segment_lengths,
    segment_means,
    segment_sums,
    to_go,
)

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
    assert torch.equal(decayed_to_go(hostile, MASK, SEGMENTS, 0.5), decayed_to_go(VALUES, MASK, SEGMENTS, 0.5))


def test_decayed_sums_and_neighbours_by_hand():
    # 1 + 2/2 + 4/4 = 3, 2 + 4/2 = 4; 3 - 5/2 = 0.5
    assert decayed_to_go(VALUES, MASK, SEGMENTS, 0.5).tolist() == [[0, 3, 4, 4, 8], [0, 0.5, -5, 0, 0]]
    assert torch.equal(decayed_to_go(VALUES, MASK, SEGMENTS, 1.0), to_go(VALUES, MASK, SEGMENTS))
    assert torch.equal(decayed_to_go(VALUES, MASK, SEGMENTS, 0.0), VALUES.where(MASK, 0))
    assert following(VALUES, MASK, SEGMENTS).tolist() == [[0, 2, 4, 0, 0], [0, -5, 0, 0, 0]]
    assert first_of(SEGMENTS, MASK).int().tolist() == [[0, 1, 0, 0, 1], [0, 1, 0, 0, 0]]
    assert last_of(SEGMENTS, MASK).int().tolist() == [[0, 0, 0, 1, 1], [0, 0, 1, 0, 0]]


def test_a_decayed_sum_of_a_long_completion_is_its_definition():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(1, 37, generator=generator, dtype=torch.float64)
    segments = torch.tensor([[0] * 21 + [1] * 16])
    found = decayed_to_go(values, segments >= 0, segments, 0.9)[0]
    for t in range(37):
        end = 21 if t < 21 else 37
        assert abs(found[t] - sum(0.9 ** (k - t) * values[0, k] for k in range(t, end))) < 1e-12


def test_gae_by_hand():
    rewards = torch.tensor([[9.0, 0, 0, 1, -1], [9, 0, 2, 9, 9]])
    values = torch.tensor([[9.0, 0.5, 0.25, 0, 1], [9, 1, 1, 9, 9]])
    # errors: 0 + 0.25 - 0.5, 0 + 0 - 0.25, 1 - 0; -1 - 1; 0 + 1 - 1, 2 - 1
    expected = [[0, -0.25 - 0.125 + 0.25, -0.25 + 0.5, 1, -2], [0, 0.5, 1, 0, 0]]
    assert gae(rewards, values, MASK, SEGMENTS, 0.5).tolist() == expected
    # lambda 1: what is still to come, less what was expected
    assert gae(rewards, values, MASK, SEGMENTS, 1.0)[0].tolist() == [0, 0.5, 0.75, 1, -2]
