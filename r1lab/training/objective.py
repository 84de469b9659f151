"""The objective: advantage + surrogate + KL + aggregate, four small choices made in conf/objective."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.aggregate import Counts
from r1lab.functional.kl import KL
from r1lab.functional.schedules import as_schedule
from r1lab.types import PackedBatch

if TYPE_CHECKING:
    from torch import Tensor

Stats = dict[str, "Tensor"]
"""Sums over the counted tokens of a microbatch, without gradient."""


@dataclass(frozen=True)
class Objective:
    """Eq. 1 of the paper as a composition; a variant is another file that names other parts.

    loss = aggregate( surrogate(pi_theta / pi_old, A) + kl.coef * KL(pi_theta || pi_ref) )
    """

    advantage: Callable[[Tensor], Tensor]
    """rewards [G] of one group -> advantages [G]."""
    surrogate: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
    """(logprobs, old_logprobs, advantages) [R, T] -> (loss, clipped) [R, T]."""
    kl: KL
    aggregate: Callable[[Tensor, Tensor, Tensor, Counts], Tensor]
    """(loss, loss_mask, segments) [R, T] and the counts of the whole optimizer step -> scalar."""

    @property
    def uses_reference(self) -> bool:
        """Whether a reference policy is needed at any step."""
        return as_schedule(self.kl.coef).bounds != (0, 0)

    def __call__(self, logprobs: Tensor, batch: PackedBatch, counts: Counts) -> tuple[Tensor, Stats]:
        """This microbatch's share of the loss, and sums over its counted tokens.

        logprobs [R, T] of the policy; counts of the whole optimizer step over all microbatches and ranks, so that
        shares add up to the loss for any split.
        """
        assert logprobs.shape == batch.ids.shape
        loss, clipped = self.surrogate(logprobs, batch.old_logprobs, batch.advantages)
        mask = batch.loss_mask
        stats = {"clip_share": (clipped & mask).sum()}
        if self.uses_reference:
            kl = self.kl(logprobs, batch.ref_logprobs)
            loss = loss + self.kl.coef * kl
            stats["kl"] = (kl.detach() * mask).sum()
        return self.aggregate(loss, mask, batch.segments, counts), stats
