"""Aggregation against sums done by hand, and over any split into microbatches."""

import itertools

import pytest
import torch

from r1lab.functional.aggregate import ConstantLength, Counts, SequenceMean, TokenMean

# sequence 0 counts 1 and 3, sequence 1 counts 5, sequence 2 counts 2 4 6; 99 stands on prompts and padding
LOSS = torch.tensor([[99.0, 1, 3, 99, 5, 99], [99, 2, 4, 6, 99, 99]], dtype=torch.float64)
MASK = LOSS < 99
SEGMENTS = torch.tensor([[0, 0, 0, 1, 1, -1], [2, 2, 2, 2, -1, -1]])
COUNTS = Counts(sequences=3, tokens=6)
AGGREGATES = [SequenceMean(), TokenMean(), ConstantLength(10)]


def test_by_hand():
    # (2 + 5 + 4) / 3
    assert SequenceMean()(LOSS, MASK, SEGMENTS, COUNTS).item() == pytest.approx(3.6666666667)
    # (1 + 3 + 5 + 2 + 4 + 6) / 6
    assert TokenMean()(LOSS, MASK, SEGMENTS, COUNTS).item() == pytest.approx(3.5)
    # 21 / (3 * 10)
    assert ConstantLength(10)(LOSS, MASK, SEGMENTS, COUNTS).item() == pytest.approx(0.7)


def test_gradient_of_the_sequence_mean():
    loss = LOSS.clone().requires_grad_()
    SequenceMean()(loss, MASK, SEGMENTS, COUNTS).backward()
    # 1 / (3 sequences * own length): 1/6 1/6, 1/3, 1/9 1/9 1/9
    expected = torch.tensor([[0, 1 / 6, 1 / 6, 0, 1 / 3, 0], [0, 1 / 9, 1 / 9, 1 / 9, 0, 0]], dtype=torch.float64)
    torch.testing.assert_close(loss.grad, expected)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_any_split_gives_the_same_sum(aggregate):
    g = torch.Generator().manual_seed(0)
    rows = []
    for _ in range(12):
        length = int(torch.randint(1, 9, (), generator=g))
        rows.append(torch.randn(length, generator=g, dtype=torch.float64))
    counts = Counts(sequences=12, tokens=sum(map(len, rows)))

    def share(part):
        loss = torch.full((len(part), 10), float("nan"), dtype=torch.float64)  # whatever is not counted must not matter
        mask, segments = torch.zeros(loss.shape, dtype=torch.bool), torch.full(loss.shape, -1)
        for i, values in enumerate(part):
            loss[i, 1 : 1 + len(values)], mask[i, 1 : 1 + len(values)] = values, True
            segments[i, : 1 + len(values)] = i
        return aggregate(loss, mask, segments, counts)

    whole = share(rows)
    for cuts in ([3], [1, 2, 3, 4, 5, 6], [11], [4, 8], [0, 6]):
        edges = [0, *cuts, 12]
        parts = [share(rows[a:b]) for a, b in itertools.pairwise(edges) if b > a]
        torch.testing.assert_close(sum(parts), whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_packed_equals_padded(aggregate):
    padded = torch.tensor([[99.0, 1, 3, 99], [99, 5, 99, 99], [99, 2, 4, 6]], dtype=torch.float64)
    segments = torch.tensor([[0, 0, 0, -1], [1, 1, -1, -1], [2, 2, 2, 2]])
    found = aggregate(padded, padded < 99, segments, COUNTS)
    torch.testing.assert_close(found, aggregate(LOSS, MASK, SEGMENTS, COUNTS))


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_an_empty_microbatch_adds_nothing_but_stays_in_the_graph(aggregate):
    loss = torch.zeros(1, 1, requires_grad=True)
    share = aggregate(loss, torch.zeros(1, 1, dtype=torch.bool), torch.full((1, 1), -1), COUNTS)
    share.backward()
    assert share.item() == 0 and loss.grad.item() == 0


def test_length_must_be_positive():
    with pytest.raises(ValueError, match="0"):
        ConstantLength(0)
