"""What the policy gradient descends: a per-token loss of ratio and advantage.

A surrogate is a frozen dataclass called as ``(logprobs, old_logprobs, advantages) -> (loss, clipped)``, of one shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.schedules import Points, Schedule, require, shown

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

    clip_low: float | Points | Schedule
    """At or above 1 never binds: a ratio is positive. The paper's first RL stage has 10 on both sides."""
    clip_high: float | Points | Schedule
    dual_clip: float | Points | Schedule | None = None
    """For negative advantages the loss is at most this many times -A (dual-clip PPO, Ye et al. 2020)."""

    def __post_init__(self) -> None:
        require("clip_low", self.clip_low, 0)
        require("clip_high", self.clip_high, 0)
        if self.dual_clip is not None:
            require("dual_clip", self.dual_clip, 1)

    def __call__(self, logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss [...] and bool [...]: where the clip binds and removes the gradient."""
        # logprobs, old_logprobs, advantages [...] -> [...], [...]
        assert logprobs.shape == advantages.shape
        rho = ratio(logprobs, old_logprobs)
        low, high = 1 - self.clip_low, 1 + self.clip_high
        loss = -(rho * advantages).minimum(rho.clamp(low, high) * advantages)
        clipped = ((rho > high) & (advantages > 0)) | ((rho < low) & (advantages < 0))
        if self.dual_clip is not None:
            far = (advantages < 0) & (rho > self.dual_clip)
            loss, clipped = loss.where(~far, -self.dual_clip * advantages), clipped | far
        return loss, clipped

    @property
    def formula(self) -> str:
        return f"-min(ratio A, clip(ratio, 1 - {shown(self.clip_low)}, 1 + {shown(self.clip_high)}) A)" + (
            "" if self.dual_clip is None else f", at most {shown(self.dual_clip)} |A| where A < 0"
        )


@dataclass(frozen=True)
class Weighted:
    """-clip(ratio) * A * logprob, the ratio a number without gradient: CISPO (MiniMax-M1, 2025, Eqs. 4 and 5).

    No token loses its gradient. Example, clip_high 0.2: ratio 1.5 and A = 1 give the gradient -1.2.
    """

    clip_low: float | Points | Schedule
    """At or above 1 never binds."""
    clip_high: float | Points | Schedule

    def __post_init__(self) -> None:
        require("clip_low", self.clip_low, 0)
        require("clip_high", self.clip_high, 0)

    def __call__(self, logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss [...] and bool [...]: where the weight was cut."""
        rho = ratio(logprobs, old_logprobs).detach()
        low, high = 1 - self.clip_low, 1 + self.clip_high
        return -rho.clamp(low, high) * advantages * logprobs, (rho > high) | (rho < low)

    @property
    def formula(self) -> str:
        return f"-clip(ratio, 1 - {shown(self.clip_low)}, 1 + {shown(self.clip_high)}) A log pi, the ratio a number"
