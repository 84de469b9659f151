"""Advantages against sums done by hand."""

import pytest
import torch

from r1lab.functional.advantages import (
    GroupCentered,
    GroupNormalized,
    LeaveOneOut,
    LeaveOneOutNormalized,
    group_centered,
    group_normalized,
    leave_one_out,
    leave_one_out_normalized,
)


def close(found, expected):
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


# mean (2 + 0 + 1 + 1) / 4 = 1, deviations 1 -1 0 0, squares sum to 2
REWARDS = torch.tensor([2.0, 0.0, 1.0, 1.0], dtype=torch.float64)


def test_centered():
    close(group_centered(REWARDS), [1.0, -1.0, 0.0, 0.0])


def test_normalized_by_the_population():
    # std = sqrt(2/4) = 0.70710678, 1 / std = 1.41421356
    close(group_normalized(REWARDS, 0.0, 0), [2**0.5, -(2**0.5), 0.0, 0.0])


def test_normalized_by_the_sample_with_eps():
    # std = sqrt(2/3) = 0.81649658; 1 / (0.81649658 + 0.1) = 1.09111154
    assert group_normalized(REWARDS, 0.1, 1).tolist() == pytest.approx([1.09111154, -1.09111154, 0, 0], abs=1e-8)


def test_leave_one_out():
    # others' means: (0+1+1)/3 = 2/3, (2+1+1)/3 = 4/3, (2+0+1)/3 = 1, 1
    close(leave_one_out(REWARDS), [4 / 3, -4 / 3, 0.0, 0.0])
    # two members: each against the other
    close(leave_one_out(torch.tensor([1.0, 0.0], dtype=torch.float64)), [1.0, -1.0])


def test_leave_one_out_divided_by_the_sample_deviation_of_the_others():
    def found(*rewards, eps=0.0):
        return leave_one_out_normalized(torch.tensor(rewards, dtype=torch.float64), eps)

    # of 2 and 0 the mean is 1 and the sample variance (1 + 1) / 1 = 2; of 4 and 0 they are 2 and 8; of 4 and 2, 3 and 2
    close(found(4.0, 2.0, 0.0), [3 / 2**0.5, 0.0, -3 / 2**0.5])
    # of 0, 1, 2 the mean is 1 and the sample variance 2 / 2 = 1: (5 - 1) / (1 + 1)
    close(found(5.0, 0.0, 1.0, 2.0, eps=1.0)[0], 2.0)
    # the others of the first are equal, and a single other has no deviation: nothing is divided
    close(found(1.0, 0.1, 0.1, 0.1)[0], 0.9)
    close(found(1.0, 0.0), [1.0, -1.0])


@pytest.mark.parametrize(
    "advantage",
    [GroupNormalized(0.0, 1), GroupNormalized(1e-4, 0), GroupCentered(), LeaveOneOut(), LeaveOneOutNormalized(0.0)],
)
@pytest.mark.parametrize("rewards", [[], [1.0], [0.0, 0.0], [0.1] * 3, [0.7] * 7, [1.1] * 16])
def test_nothing_to_learn_is_exactly_zero(advantage, rewards):
    # 0.1 has no exact binary form: the float mean of equal rewards may differ from them by a rounding
    for dtype in (torch.float32, torch.float64):
        found = advantage(torch.tensor(rewards, dtype=dtype))
        assert torch.equal(found, torch.zeros(len(rewards), dtype=dtype))


def test_components_are_the_functions():
    assert torch.equal(GroupNormalized(eps=0.1, correction=1)(REWARDS), group_normalized(REWARDS, 0.1, 1))
    assert torch.equal(GroupCentered()(REWARDS), group_centered(REWARDS))
    assert torch.equal(LeaveOneOut()(REWARDS), leave_one_out(REWARDS))
    assert torch.equal(LeaveOneOutNormalized(eps=0.1)(REWARDS), leave_one_out_normalized(REWARDS, 0.1))


def test_bad_values_are_refused():
    with pytest.raises(ValueError, match="eps must be >= 0, found -1"):
        GroupNormalized(-1, 1)
    with pytest.raises(ValueError, match="correction must be 0 or 1, not 2"):
        GroupNormalized(0.0, 2)
    with pytest.raises(AssertionError):
        group_centered(REWARDS.view(2, 2))
