"""Weights for what sampled is not quite what trains: pi_old / pi_sampler, cut, masked, or judged by the completion.

A correction is a frozen dataclass called as ``(old_logprobs, sampler_logprobs, loss_mask, segments)``, which gives
``(weights, cut)`` [R, T]: the surrogate is multiplied by the weights; where `cut`, they are not the ratio any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.schedules import Points, Schedule, require, shown
from r1lab.functional.segments import segment_sums

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Uncorrected:
    """The sampler is trusted: every weight is 1."""

    def __call__(
        self, old_logprobs: Tensor, sampler_logprobs: Tensor, loss_mask: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        return old_logprobs.new_ones(old_logprobs.shape), loss_mask.new_zeros(loss_mask.shape)

    @property
    def formula(self) -> str:
        return "1"


@dataclass(frozen=True)
class Truncated:
    """min(pi_old / pi_sampler, highest) of each token (truncated importance sampling, Yao et al. 2025).

    Example, highest 2: ratios [0.5, 1, 3] weigh [0.5, 1, 2].
    """

    highest: float | Points | Schedule

    def __post_init__(self) -> None:
        require("highest", self.highest, 0, above=True)

    def __call__(
        self, old_logprobs: Tensor, sampler_logprobs: Tensor, loss_mask: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        weights = (old_logprobs - sampler_logprobs).exp()
        return weights.clamp(max=self.highest), weights > self.highest

    @property
    def formula(self) -> str:
        return f"min(pi_old / pi_sampler, {shown(self.highest)})"


@dataclass(frozen=True)
class Masked:
    """pi_old / pi_sampler of each token where it lies within the bounds, else 0 (IcePop).

    Example, bounds 0.5 and 2: ratios [0.4, 1, 3] weigh [0, 1, 0].
    """

    lowest: float | Points | Schedule
    highest: float | Points | Schedule

    def __post_init__(self) -> None:
        require("lowest", self.lowest, 0)
        require("highest", self.highest, 0, above=True)

    def __call__(
        self, old_logprobs: Tensor, sampler_logprobs: Tensor, loss_mask: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        weights = (old_logprobs - sampler_logprobs).exp()
        kept = (weights >= self.lowest) & (weights <= self.highest)
        return weights.where(kept, 0), ~kept

    @property
    def formula(self) -> str:
        return f"pi_old / pi_sampler between {shown(self.lowest)} and {shown(self.highest)}, else 0"


@dataclass(frozen=True)
class SequenceMasked:
    """The product of a completion's ratios on each of its tokens where it is at most `highest`, else 0.

    Example, highest 3: token ratios [2, 1.4] weigh 2.8 both, [2, 1.6] weigh 0.
    """

    highest: float | Points | Schedule

    def __post_init__(self) -> None:
        require("highest", self.highest, 0, above=True)

    def __call__(
        self, old_logprobs: Tensor, sampler_logprobs: Tensor, loss_mask: Tensor, segments: Tensor
    ) -> tuple[Tensor, Tensor]:
        weights = segment_sums(old_logprobs - sampler_logprobs, loss_mask, segments).exp()
        kept = weights <= self.highest
        return weights.where(kept, 0), ~kept

    @property
    def formula(self) -> str:
        return f"the completion's pi_old / pi_sampler where it is at most {shown(self.highest)}, else 0"
