"""From per-token losses to one number: each microbatch's share of the minibatch loss.

The one division is by the count over all microbatches and all ranks of the optimizer step, so the shares of any split
add up to the same loss and their gradients to the same gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.functional.schedules import Points, Schedule, require, shown
from r1lab.functional.segments import segment_lengths

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Counts:
    """What a whole minibatch holds, over all microbatches and ranks."""

    sequences: int
    tokens: int
    """Tokens that count in the loss."""


@dataclass(frozen=True)
class SequenceMean:
    """Mean over sequences of the mean over their counted tokens (GRPO: DeepSeekMath Eq. 3, 1/G of 1/|o_i|).

    Example: token losses [1, 3] and [5] give (2 + 5) / 2 = 3.5.
    """

    def __call__(self, loss: Tensor, loss_mask: Tensor, segments: Tensor, counts: Counts) -> Tensor:
        """Return the share, a scalar, of loss [R, T] with loss_mask [R, T] bool and segments [R, T] int64."""
        # loss, loss_mask, segments [R, T] -> []
        return (loss.where(loss_mask, 0) / segment_lengths(loss, loss_mask, segments)).sum() / counts.sequences

    @property
    def formula(self) -> str:
        return "the mean over completions of the mean over their tokens"


@dataclass(frozen=True)
class TokenMean:
    """Mean over all counted tokens, so that long sequences weigh more (DAPO, Yu et al. 2025).

    Example: token losses [1, 3] and [5] give 9 / 3 = 3.
    """

    def __call__(self, loss: Tensor, loss_mask: Tensor, segments: Tensor, counts: Counts) -> Tensor:
        """Return the share, a scalar, of loss [R, T] with loss_mask [R, T] bool; segments are not read."""
        assert loss.shape == loss_mask.shape
        return loss.where(loss_mask, 0).sum() / counts.tokens

    @property
    def formula(self) -> str:
        return "the mean over all tokens"


@dataclass(frozen=True)
class ConstantLength:
    """Sum over tokens, over sequences times one constant length (Dr. GRPO, Liu et al. 2025): no length bias.

    Example: token losses [1, 3] and [5] with length 10 give 9 / (2 * 10) = 0.45.
    """

    length: int | Points | Schedule
    """The constant that stands for every sequence's length, often the length limit."""

    def __post_init__(self) -> None:
        require("length", self.length, 1)

    def __call__(self, loss: Tensor, loss_mask: Tensor, segments: Tensor, counts: Counts) -> Tensor:
        """Return the share, a scalar, of loss [R, T] with loss_mask [R, T] bool; segments are not read."""
        assert loss.shape == loss_mask.shape
        return loss.where(loss_mask, 0).sum() / (counts.sequences * self.length)

    @property
    def formula(self) -> str:
        return f"the sum over tokens / ({shown(self.length)} x completions)"
