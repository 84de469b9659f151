"""How good a completion is beside the others of its group.

Each function takes the judged rewards of one group, [G], and returns [G]; groups may differ in size. A group whose
rewards are all equal, or of one member, teaches nothing: its advantages are zeros, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from r1lab.functional.schedules import Points, Schedule, require, shown

if TYPE_CHECKING:
    from torch import Tensor


class Advantage(Protocol):
    """A choice of conf/objective: rewards [G] of one group -> advantages [G]."""

    smallest_group: int
    """Completions of a question without which nothing can be compared; 1 where nothing is."""

    def __call__(self, rewards: Tensor) -> Tensor: ...

    @property
    def formula(self) -> str:
        """As `stage=explain` prints it."""
        ...


def group_centered(rewards: Tensor) -> Tensor:
    """Return rewards - mean: [G] -> [G] (Dr. GRPO: without the division by the standard deviation).

    Example: [1, 0, 0, 1] -> [0.5, -0.5, -0.5, 0.5].
    """
    # rewards [G] -> [G]
    assert rewards.ndim == 1 and rewards.is_floating_point()
    # Three times 0.1 have a mean that is not 0.1: without this, rounding errors would be divided by their own size.
    if len(rewards) < 2 or bool((rewards == rewards[0]).all()):
        return rewards.new_zeros(len(rewards))
    return rewards - rewards.mean()


def group_normalized(rewards: Tensor, eps: float, correction: int) -> Tensor:
    """Return (rewards - mean) / (std + eps): [G] -> [G] (paper: v1 Eq. 3, Nature Eq. 3, which do not print eps).

    ``correction`` 0 is the population's standard deviation, 1 the sample's.
    Example, eps 0, correction 0: [1, 0, 0, 1] -> [1, -1, -1, 1].
    """
    centered = group_centered(rewards)
    if not centered.any():
        return centered
    return centered / (rewards.std(correction=correction) + eps)


def leave_one_out(rewards: Tensor) -> Tensor:
    """Return each reward minus the mean of the others: [G] -> [G] (RLOO, Ahmadian et al. 2024).

    Example: [1, 0, 0, 1] -> [2/3, -2/3, -2/3, 2/3].
    """
    # reward - (sum - reward) / (G - 1) = (reward - mean) * G / (G - 1)
    return group_centered(rewards) * (len(rewards) / max(1, len(rewards) - 1))


def leave_one_out_normalized(rewards: Tensor, eps: float) -> Tensor:
    """Return (reward - mean of the others) / (the others' sample standard deviation + eps): [G] -> [G] (NeMo-RL).

    Where the others are all equal, or one, nothing is divided. Example, eps 0: [4, 2, 0] -> [3/sqrt(2), 0, -3/sqrt(2)].
    """
    centered, size = leave_one_out(rewards), len(rewards)
    if size < 3 or not centered.any():
        return centered
    others = rewards.expand(size, size)[rewards.new_ones(size, size).fill_diagonal_(0).bool()].view(size, size - 1)
    # equal by themselves, for the deviation of three times 0.1 is a rounding error, not 0
    equal = (others == others[:, :1]).all(dim=1)
    return centered.where(equal, centered / (others.std(dim=1, correction=1) + eps))


@dataclass(frozen=True)
class GroupNormalized:
    """``group_normalized`` as a component: GRPO."""

    smallest_group: ClassVar[int] = 2

    eps: float | Points | Schedule
    """Added to the standard deviation."""
    correction: int
    """0 for the population's standard deviation, 1 for the sample's."""

    def __post_init__(self) -> None:
        require("eps", self.eps, 0)
        if self.correction not in (0, 1):
            raise ValueError(f"correction must be 0 or 1, not {self.correction}")

    def __call__(self, rewards: Tensor) -> Tensor:
        return group_normalized(rewards, self.eps, self.correction)

    @property
    def formula(self) -> str:
        return f"(r - mean(r)) / (std(r) + {shown(self.eps)})"


@dataclass(frozen=True)
class GroupCentered:
    """``group_centered`` as a component: Dr. GRPO."""

    smallest_group: ClassVar[int] = 2

    def __call__(self, rewards: Tensor) -> Tensor:
        return group_centered(rewards)

    @property
    def formula(self) -> str:
        return "r - mean(r)"


@dataclass(frozen=True)
class LeaveOneOut:
    """``leave_one_out`` as a component: RLOO."""

    smallest_group: ClassVar[int] = 2

    def __call__(self, rewards: Tensor) -> Tensor:
        return leave_one_out(rewards)

    @property
    def formula(self) -> str:
        return "r - mean(r of the others)"


@dataclass(frozen=True)
class LeaveOneOutNormalized:
    """``leave_one_out_normalized`` as a component: NeMo-RL's GRPO."""

    smallest_group: ClassVar[int] = 2

    eps: float | Points | Schedule
    """Added to the standard deviation."""

    def __post_init__(self) -> None:
        require("eps", self.eps, 0)

    def __call__(self, rewards: Tensor) -> Tensor:
        return leave_one_out_normalized(rewards, self.eps)

    @property
    def formula(self) -> str:
        return f"(r - mean(r of the others)) / (std(r of the others) + {shown(self.eps)})"


@dataclass(frozen=True)
class PlainRewards:
    """The rewards themselves, for a critic (PPO) or to be whitened over the whole batch (REINFORCE++)."""

    smallest_group: ClassVar[int] = 1

    def __call__(self, rewards: Tensor) -> Tensor:
        return rewards

    @property
    def formula(self) -> str:
        return "r"
