"""Generalized advantage estimation over packed completions (Schulman et al. 2016), without a discount: gamma = 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from r1lab.functional.segments import decayed_to_go, following

if TYPE_CHECKING:
    from torch import Tensor


def gae(rewards: Tensor, values: Tensor, loss_mask: Tensor, segments: Tensor, lam: float) -> Tensor:
    """Advantages [R, T] of rewards and values [R, T]; 0 outside completions, behind whose last token nothing comes.

    A_t = sum over k >= t of lam^(k - t) * (r_k + V_{k+1} - V_k). With lam = 1 it is the reward to go less V_t.
    Example: rewards [0, 1], values [0.5, 0.25], lam 0.5 -> errors [-0.25, 0.75] -> [0.125, 0.75].
    """
    # rewards, values, loss_mask, segments [R, T] -> [R, T]
    errors = rewards + following(values, loss_mask, segments) - values
    return decayed_to_go(errors, loss_mask, segments, lam)
