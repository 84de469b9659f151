"""KL estimators against sums done by hand, and in expectation against the true divergence."""

import math

import pytest
import torch

from r1lab.functional.kl import KL, estimator, k1, k2, k3

# policy gives the token 1/2, the reference 1/4: log ratio policy/reference = ln 2
LOGPROBS, REF_LOGPROBS = torch.tensor([math.log(1 / 2)]).double(), torch.tensor([math.log(1 / 4)]).double()


def test_by_hand():
    assert k1(LOGPROBS, REF_LOGPROBS).item() == pytest.approx(0.6931471806)  # ln 2
    assert k2(LOGPROBS, REF_LOGPROBS).item() == pytest.approx(0.2402265070)  # (ln 2)^2 / 2
    assert k3(LOGPROBS, REF_LOGPROBS).item() == pytest.approx(0.1931471806)  # 1/2 - (-ln 2) - 1
    assert k3(REF_LOGPROBS, LOGPROBS).item() == pytest.approx(0.3068528194)  # 2 - ln 2 - 1


def test_gradient_of_k3():
    # d/dlp (exp(ref - lp) - ref + lp - 1) = 1 - ref/policy = 1 - 1/2
    logprobs = LOGPROBS.clone().requires_grad_()
    assert torch.autograd.grad(k3(logprobs, REF_LOGPROBS).sum(), logprobs)[0].item() == pytest.approx(0.5)


def test_expectation_under_the_policy_is_the_divergence():
    policy, reference = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.25, 0.25, 0.5]).double()
    # 0.5 ln 2 + 0.3 ln 1.2 + 0.2 ln 0.4 = 0.3465736 + 0.0546965 - 0.1832581
    for unbiased in (k1, k3):
        assert (policy * unbiased(policy.log(), reference.log())).sum().item() == pytest.approx(0.2180119, abs=1e-7)


def test_k3_is_zero_at_the_reference_and_keeps_its_digits_beside_it():
    logprobs = torch.tensor([-2.0, -2.0])
    assert torch.equal(k3(logprobs, logprobs), torch.zeros(2))
    # x = 1e-3: exp(x) - x - 1 = x^2/2 + x^3/6 = 5.001667e-7; plain float32 arithmetic gives 4.77e-7
    found = k3(torch.tensor([0.0]), torch.tensor([1e-3]))
    assert found.item() == pytest.approx(5.001667e-7, rel=1e-3)


def test_lookup():
    assert estimator("k2") is k2
    with pytest.raises(ValueError, match=r"'k4'.*k1, k2, k3"):
        estimator("k4")


def cut(gap, **limits):
    """Estimate and gradient of one token whose log(policy / reference) is gap."""
    logprobs = torch.tensor([gap], requires_grad=True)
    found = KL(coef=1.0, **limits)(logprobs, torch.zeros(1))
    return found.item(), torch.autograd.grad(found.sum(), logprobs)[0].item()


def test_log_ratios_and_estimates_are_cut_on_both_sides_and_give_no_gradient_beyond():
    assert cut(3.0, estimator="k1", largest_log_ratio=2.0) == (2.0, 0.0)
    assert cut(-3.0, estimator="k1", largest_log_ratio=2.0) == (-2.0, 0.0)
    assert cut(1.5, estimator="k1", largest_log_ratio=2.0) == (1.5, 1.0)
    # 3^2 / 2 = 4.5 and 2^2 / 2 = 2; the log ratio is cut first: 2 of it is 2, which 1 cuts again
    assert cut(3.0, estimator="k2", largest=4.0) == (4.0, 0.0)
    assert cut(2.0, estimator="k2", largest=4.0) == (2.0, 2.0)
    assert cut(3.0, estimator="k2", largest_log_ratio=2.0) == (2.0, 0.0)
    assert cut(3.0, estimator="k2", largest_log_ratio=2.0, largest=1.0) == (1.0, 0.0)
    assert cut(-3.0, estimator="k1", largest=2.0) == (-2.0, 0.0)


def test_component():
    assert KL(coef=0.001, estimator="k1")(LOGPROBS, REF_LOGPROBS).item() == pytest.approx(0.6931471806)
    with pytest.raises(ValueError, match="k1, k2, k3"):
        KL(0.001, "kl")
    with pytest.raises(ValueError, match="-1"):
        KL(-1, "k3")
