"""What a ratio compares: each token by itself, or the completion as a whole.

A ratio is a frozen dataclass called as ``(logprobs, old_logprobs, loss_mask, segments) -> old_logprobs``: what it gives
makes exp(logprobs - old_logprobs) the ratio it means, with the gradient of each token's own logprob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.segments import segment_means

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TokenRatio:
    """pi_theta / pi_old of each token: GRPO, PPO."""

    def __call__(self, logprobs: Tensor, old_logprobs: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
        return old_logprobs

    @property
    def formula(self) -> str:
        return "pi / pi_old of each token"


@dataclass(frozen=True)
class SequenceRatio:
    """The geometric mean of a completion's ratios, on each of its tokens (GSPO, Zheng et al. 2025, Eqs. 7 and 13).

    Example: log-ratios [0.2, -0.4] have the ratio exp(-0.1) on both tokens.
    """

    def __call__(self, logprobs: Tensor, old_logprobs: Tensor, loss_mask: Tensor, segments: Tensor) -> Tensor:
        fixed = logprobs.detach()
        return fixed - segment_means(fixed - old_logprobs, loss_mask, segments)

    @property
    def formula(self) -> str:
        return "the geometric mean of pi / pi_old over the completion"
