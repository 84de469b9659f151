"""What the policy gradient descends: a per-token loss of ratio and advantage.

A surrogate is a frozen dataclass called as ``(logprobs, old_logprobs, advantages) -> (loss, clipped)``, of one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.schedules import Schedule, require

if TYPE_CHECKING:
    from torch import Tensor


def ratio(logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """Return pi_theta / pi_old per token, [...]; exactly 1 where the logprobs are equal."""
    assert logprobs.shape == old_logprobs.shape
    return (logprobs - old_logprobs).exp()


@dataclass(frozen=True)
class Clipped:
    """-min(ratio * A, clip(ratio, 1 - clip_low, 1 + clip_high) * A) per token (paper: v1 Eq. 1, Nature Eq. 1).

    Example, both clips 0.2: ratio 1.5 and A = 1 give loss -1.2 and no gradient; A = -1 gives 1.5 and a gradient.
    """

    clip_low: float | Mapping[int, float] | Schedule
    """At or above 1 never binds: a ratio is positive. The paper's first RL stage has 10 on both sides."""
    clip_high: float | Mapping[int, float] | Schedule

    def __post_init__(self) -> None:
        require("clip_low", self.clip_low, 0)
        require("clip_high", self.clip_high, 0)

    def __call__(self, logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss [...] and bool [...]: where the clip binds and removes the gradient."""
        # logprobs, old_logprobs, advantages [...] -> [...], [...]
        assert logprobs.shape == advantages.shape
        rho = ratio(logprobs, old_logprobs)
        low, high = 1 - self.clip_low, 1 + self.clip_high
        loss = -(rho * advantages).minimum(rho.clamp(low, high) * advantages)
        clipped = ((rho > high) & (advantages > 0)) | ((rho < low) & (advantages < 0))
        return loss, clipped
