"""Per-token estimators of KL(policy || reference) from tokens that the policy drew (Schulman 2020).

With x = ref_logprobs - logprobs: k1 = -x (unbiased, may be negative), k2 = x^2 / 2 (biased, of low variance),
k3 = exp(x) - x - 1 (unbiased, never negative; the paper's).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.schedules import Points, Schedule, require

if TYPE_CHECKING:
    from torch import Tensor


def k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Return logprobs - ref_logprobs, [...]."""
    assert logprobs.shape == ref_logprobs.shape
    return logprobs - ref_logprobs


def k2(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Return (logprobs - ref_logprobs)^2 / 2, [...]."""
    assert logprobs.shape == ref_logprobs.shape
    return (logprobs - ref_logprobs).square() / 2


def k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Return ref/policy - log(ref/policy) - 1, [...] (paper: v1 Eq. 2, Nature Eq. 2)."""
    assert logprobs.shape == ref_logprobs.shape
    log_ratio = ref_logprobs - logprobs
    # expm1 keeps the digits that exp(x) - 1 loses near zero, where a policy close to its reference lives.
    return log_ratio.expm1() - log_ratio


PLACES = ("loss", "reward")
ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def estimator(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the estimator of that name; ValueError with the names otherwise."""
    if name not in ESTIMATORS:
        raise ValueError(f"Unknown KL estimator {name!r}. Known: {', '.join(ESTIMATORS)}.")
    return ESTIMATORS[name]


@dataclass(frozen=True)
class KL:
    """The penalty that keeps the policy near its reference; the call gives the estimate per token, without coef."""

    coef: float | Points | Schedule
    """Weight of the penalty in the loss (the paper's beta), or its schedule; 0 needs no reference policy."""
    estimator: str
    """k1, k2 or k3."""
    place: str = "loss"
    """loss: added to it; reward: taken from the reward of each token, so that earlier tokens answer for later ones."""
    largest_log_ratio: float | None = None
    """Log-ratios to the reference are cut at it on both sides, and give no gradient beyond."""
    largest: float | None = None
    """The estimate of a token is cut at it, likewise."""

    def __post_init__(self) -> None:
        estimator(self.estimator)
        require("kl.coef", self.coef, 0)
        if self.place not in PLACES:
            raise ValueError(f"kl.place must be one of {', '.join(PLACES)}, not {self.place!r}")

    @property
    def formula(self) -> str:
        written = {"k1": "log(pi / pi_ref)", "k2": "log(pi / pi_ref)^2 / 2", "k3": "pi_ref / pi - log(pi_ref / pi) - 1"}
        return f"{written[self.estimator]} of each token ({self.estimator})"

    @property
    def in_reward(self) -> bool:
        return self.place == "reward"

    def __call__(self, logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
        """The estimate per token, [...]."""
        assert logprobs.shape == ref_logprobs.shape
        log_ratio = cut(logprobs - ref_logprobs, self.largest_log_ratio)
        return cut(estimator(self.estimator)(log_ratio, log_ratio.new_zeros(log_ratio.shape)), self.largest)


def cut(values: Tensor, largest: float | None) -> Tensor:
    """Values between -largest and largest; as they are where there is no limit."""
    return values if largest is None else values.clamp(-largest, largest)
