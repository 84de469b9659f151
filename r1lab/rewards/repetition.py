"""Does the completion say new things, or the same again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from r1lab.errors import ConfigError
from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.repetition import repetition
from r1lab.types import Rollout, Score


@dataclass(frozen=True)
class RepetitionReward(Reward):
    """1 minus the share of the response's n-grams that occurred in it before; a short response gets 1.

    Source: ours; the paper detects repetition in its cold-start data and does not say how.

    Example: "no no no no no" with n = 2 gets 0.25.
    """

    weight: Weight
    n: int
    """Words, numbers, Chinese characters and signs of one n-gram."""
    knows_gold: ClassVar[bool] = False
    """A solution with large matrices repeats itself and is right."""

    def __post_init__(self):
        if self.n < 1:
            raise ConfigError("An n-gram has at least one word.", f"n={self.n}", "n=20")

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        return [self._score(rollout) for rollout in rollouts]

    def _score(self, rollout: Rollout) -> Score:
        found = repetition(rollout.response.text, self.n)
        if found.share == 0:
            return Score(1.0, reason="nothing is repeated")
        start = " ".join(found.first.split())[:60]
        return Score(1 - found.share, reason=f"{found.share:.0%} was said before, first: {start!r}")
