"""What a critic is for: advantages token by token, where there is no group to compare with (PPO)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.aggregate import Counts, TokenMean
from r1lab.functional.gae import gae
from r1lab.functional.schedules import Points, Schedule, as_schedule, require
from r1lab.training.optim import AdamW
from r1lab.types import PackedBatch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ValueBaseline:
    """Advantages by GAE over a critic's values, and the loss that the critic learns from (paper v2, A.3)."""

    lam: float | Points | Schedule
    """Lambda: 1 trusts the rewards alone, less trusts the critic more."""
    optim: AdamW
    """Of the critic."""
    clip: float | Points | Schedule
    """How far a value may move from that of the phase's start before its loss stops falling."""

    def __post_init__(self):
        require("critic.lam", self.lam, 0)
        require("critic.clip", self.clip, 0, above=True)
        if (highest := as_schedule(self.lam).bounds[1]) > 1:
            raise ValueError(f"critic.lam must be <= 1, found {highest}")

    def advantages(self, rewards: Tensor, values: Tensor, batch: PackedBatch) -> Tensor:
        """Advantages [R, T] of rewards and values [R, T]."""
        return gae(rewards, values, batch.loss_mask, batch.segments, self.lam)

    def loss(self, values: Tensor, batch: PackedBatch, counts: Counts) -> Tensor:
        """This microbatch's share: half the squared error, of the clipped value where that one is larger."""
        moved = batch.old_values + (values - batch.old_values).clamp(-self.clip, self.clip)
        error = (values - batch.returns).square().maximum((moved - batch.returns).square())
        return TokenMean()(error / 2, batch.loss_mask, batch.segments, counts)
