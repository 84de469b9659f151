"""The clipped surrogate against sums done by hand, loss, gradient and clip report."""

import math

import pytest
import torch

from r1lab.functional.surrogates import Clipped, Weighted, ratio

# (ratio, advantage, loss, d loss / d logprob, clipped) with clip_low 0.2 and clip_high 0.28
CASES = [
    (1.0, 2.0, -2.0, -2.0, False),  # on policy: -A, gradient -A
    (1.1, 2.0, -2.2, -2.2, False),  # inside
    (1.5, 2.0, -2.56, 0.0, True),  # good and already likelier: -1.28 * 2
    (0.5, 2.0, -1.0, -1.0, False),  # good but less likely: min keeps 0.5 * 2
    (1.5, -2.0, 3.0, 3.0, False),  # bad and likelier: min(-3, -2.56) = -3
    (0.5, -2.0, 1.6, 0.0, True),  # bad and already less likely: min(-1, 0.8 * -2) = -1.6
    (1.5, 0.0, 0.0, 0.0, False),
]


def evaluate(surrogate, rho, advantage):
    logprobs = torch.tensor([math.log(rho) - 1.0], dtype=torch.float64, requires_grad=True)
    loss, clipped = surrogate(logprobs, torch.tensor([-1.0], dtype=torch.float64), torch.tensor([advantage]).double())
    (grad,) = torch.autograd.grad(loss.sum(), logprobs)
    return loss.item(), grad.item(), clipped.item()


@pytest.mark.parametrize(("rho", "advantage", "loss", "grad", "clipped"), CASES)
def test_by_hand(rho, advantage, loss, grad, clipped):
    found = evaluate(Clipped(clip_low=0.2, clip_high=0.28), rho, advantage)
    assert found == (pytest.approx(loss, abs=1e-12), pytest.approx(grad, abs=1e-12), clipped)


def test_ten_is_legal_and_never_binds_below():
    # 1 - 10 = -9 is below any ratio; 1 + 10 = 11 binds at 12
    surrogate = Clipped(10, 10)
    assert evaluate(surrogate, 1e-6, -1.0) == (pytest.approx(1e-6), pytest.approx(1e-6), False)
    assert evaluate(surrogate, 10.9, 1.0) == (pytest.approx(-10.9), pytest.approx(-10.9), False)
    assert evaluate(surrogate, 12.0, 1.0) == (pytest.approx(-11.0), 0.0, True)


# dual clip 3, both clips 0.2
DUAL_CASES = [
    (2.5, -2.0, 5.0, 5.0, False),  # bad and likelier, not too far: 2.5 * 2
    (4.0, -2.0, 6.0, 0.0, True),  # too far: at most 3 * 2
    (0.5, -2.0, 1.6, 0.0, True),  # the lower clip stays: 0.8 * 2
    (4.0, 2.0, -2.4, 0.0, True),  # good: the upper clip, 1.2 * 2
    (4.0, 0.0, 0.0, 0.0, False),
]


@pytest.mark.parametrize(("rho", "advantage", "loss", "grad", "clipped"), DUAL_CASES)
def test_dual_clip_by_hand(rho, advantage, loss, grad, clipped):
    found = evaluate(Clipped(0.2, 0.2, dual_clip=3.0), rho, advantage)
    assert found == (pytest.approx(loss, abs=1e-12), pytest.approx(grad, abs=1e-12), clipped)


# log pi = ln rho - 1; the weight is a number, so the gradient is -weight * A; clip_low 0.2, clip_high 0.28
WEIGHTED_CASES = [
    (1.0, 2.0, 2.0, -2.0, False),  # -1 * 2 * -1
    (1.5, 2.0, -1.28 * 2 * (math.log(1.5) - 1), -2.56, True),
    (1.5, -2.0, 1.28 * 2 * (math.log(1.5) - 1), 2.56, True),  # cut whatever the sign of A
    (0.5, 2.0, -0.8 * 2 * (math.log(0.5) - 1), -1.6, True),
    (0.5, -2.0, 0.8 * 2 * (math.log(0.5) - 1), 1.6, True),
    (0.9, 2.0, -0.9 * 2 * (math.log(0.9) - 1), -1.8, False),
]


@pytest.mark.parametrize(("rho", "advantage", "loss", "grad", "clipped"), WEIGHTED_CASES)
def test_weighted_by_hand(rho, advantage, loss, grad, clipped):
    found = evaluate(Weighted(clip_low=0.2, clip_high=0.28), rho, advantage)
    assert found == (pytest.approx(loss, abs=1e-12), pytest.approx(grad, abs=1e-12), clipped)


def test_first_update_has_ratio_exactly_one():
    logprobs = -10 * torch.rand(2, 100)
    advantages = torch.randn(2, 100)
    assert torch.equal(ratio(logprobs, logprobs), torch.ones(2, 100))
    loss, clipped = Clipped(0.0, 0.0)(logprobs, logprobs, advantages)
    assert torch.equal(loss, -advantages) and not clipped.any()


def test_negative_clips_are_refused():
    with pytest.raises(ValueError, match="clip_low must be >= 0"):
        Clipped(-0.1, 0.2)
