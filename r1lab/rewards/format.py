"""Is the completion laid out as the template asks: reasoning in think tags, then the answer in answer tags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.spans import format_fault
from r1lab.types import Rollout, Score


@dataclass(frozen=True)
class FormatReward(Reward):
    """1 for a completed, well-formed response, else 0 with what is wrong as the reason. Source: Nature, Eq. 4.

    Example: ``<think>a</think><answer>7</answer> bye`` gets 0, "text after </answer>".
    """

    weight: Weight

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        return [self._score(rollout) for rollout in rollouts]

    def _score(self, rollout: Rollout) -> Score:
        if rollout.completion.truncated:
            return Score(0.0, reason="cut at the length limit")
        if rollout.response.well_formed:
            return Score(1.0, reason="well formed")
        return Score(0.0, reason=format_fault(rollout.response.text))
