"""The objective: small choices made in conf/objective - advantage, ratio, surrogate, correction, KL, aggregate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from r1lab.functional.advantages import Advantage
from r1lab.functional.aggregate import Counts
from r1lab.functional.corrections import Uncorrected
from r1lab.functional.kl import KL
from r1lab.functional.ratios import TokenRatio
from r1lab.functional.schedules import as_schedule
from r1lab.functional.segments import last_of, to_go
from r1lab.training.baseline import ValueBaseline
from r1lab.types import PackedBatch

if TYPE_CHECKING:
    from torch import Tensor

Stats = dict[str, "Tensor"]
"""Sums over the counted tokens of a microbatch, without gradient."""


@dataclass(frozen=True)
class Objective:
    """Eq. 1 of the paper as a composition; a variant is another file that names other parts.

    loss = aggregate( correction * surrogate(pi_theta / pi_old, A) + kl.coef * KL(pi_theta || pi_ref) )
    """

    advantage: Advantage
    surrogate: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    """(logprobs, old_logprobs, advantages) [R, T] -> (loss, clipped) [R, T]."""
    kl: KL
    aggregate: Callable[[Tensor, Tensor, Tensor, Counts], Tensor]
    """(loss, loss_mask, segments) [R, T] and the counts of the whole optimizer step -> scalar."""
    ratio: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = field(default_factory=TokenRatio)
    """(logprobs, old_logprobs, loss_mask, segments) [R, T] -> the old logprobs [R, T] that make the ratio it means."""
    correction: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] = field(default_factory=Uncorrected)
    """(old_logprobs, sampler_logprobs, loss_mask, segments) [R, T] -> (weights of the surrogate, cut) [R, T]."""
    critic: ValueBaseline | None = None
    """Makes advantages of `advantage`, which is then the reward that the last token of a completion has (PPO)."""
    whiten: bool = False
    """Whether advantages are centred and scaled over all counted tokens of the phase, on all ranks (REINFORCE++)."""

    @property
    def uses_reference(self) -> bool:
        """Whether a reference policy is needed at any step."""
        return as_schedule(self.kl.coef).bounds != (0, 0)

    @property
    def corrects(self) -> bool:
        """Whether it weighs what sampled against the old policy."""
        return not isinstance(self.correction, Uncorrected)

    def token_advantages(self, batch: PackedBatch) -> Tensor:
        """Advantages [R, T], less what the KL of a token and those behind it costs, where it stands in the reward."""
        if not (self.uses_reference and self.kl.in_reward):
            return batch.advantages
        return batch.advantages - to_go(self.penalty(batch), batch.loss_mask, batch.segments)

    def token_rewards(self, batch: PackedBatch) -> Tensor:
        """Rewards [R, T] for a critic: the completion's at its last token, less what the KL of each token costs."""
        rewards = batch.advantages * last_of(batch.segments, batch.loss_mask)
        return rewards - self.penalty(batch) if self.uses_reference and self.kl.in_reward else rewards

    def penalty(self, batch: PackedBatch) -> Tensor:
        """What the KL of each token costs [R, T]."""
        return self.kl.coef * self.kl(batch.old_logprobs, batch.ref_logprobs) * batch.loss_mask

    def __call__(self, logprobs: Tensor, batch: PackedBatch, counts: Counts) -> tuple[Tensor, Stats]:
        """This microbatch's share of the loss, and sums over its counted tokens.

        logprobs [R, T] of the policy; counts of the whole optimizer step over all microbatches and ranks, so that
        shares add up to the loss for any split.
        """
        assert logprobs.shape == batch.ids.shape
        mask, segments = batch.loss_mask, batch.segments
        old = self.ratio(logprobs, batch.old_logprobs, mask, segments)
        loss, clipped = self.surrogate(logprobs, old, batch.advantages)
        weights, cut = self.correction(batch.old_logprobs, batch.sampler_logprobs, mask, segments)
        loss = loss * weights
        stats = {
            "clip_share": (clipped & mask).sum(),
            "correction": (weights * mask).sum(),
            "correction_cut_share": (cut & mask).sum(),
        }
        if self.uses_reference:
            kl = self.kl(logprobs, batch.ref_logprobs)
            stats["kl"] = (kl.detach() * mask).sum()
            if not self.kl.in_reward:
                loss = loss + self.kl.coef * kl
        return self.aggregate(loss, mask, segments, counts), stats
