"""Rules in the place of judges: where no model is at hand that could tell a good response from a bad one.

Generated prompts state what is asked, so a program can say whether a response keeps to it. As a judge of training data
it errs now and then, as models do; as a held-out judge it does not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from r1lab.functional.schedules import require, require_integer
from r1lab.rewards.accuracy import Checker
from r1lab.rewards.judge import opposed, settled, unlike
from r1lab.rewards.preference import SHOWN_CHARS, Scope
from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.verdicts import PAIR_VALUES
from r1lab.types import Question, Rollout, Score


@dataclass(frozen=True)
class RuleReward(Reward):
    """1 where a response keeps the rules of its prompt, else 0; for the prompts of one aspect.

    With weight 0 among an evaluation's rewards it is a judge that no reward model has learned from.
    """

    weight: Weight
    checker: Checker
    """Whose every verdict is cheap."""
    scope: Scope
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        scores, texts = self.scope(rollouts)
        for place, text in texts.items():
            scores[place] = replace(self.checker.cheap(text, rollouts[place].question), extracted=text[:SHOWN_CHARS])
        return scores

    @property
    def aspect(self) -> str:
        return self.scope.aspect


@dataclass(frozen=True)
class RulePairJudge:
    """Compares as `PairJudge` does: the response that keeps the rules is much better than one that does not."""

    checker: Checker
    rounds: int
    """Each asks twice, once in each order."""
    slips: float
    """Share of askings whose verdict is drawn at random."""
    seed: int

    def __post_init__(self):
        _check(self.rounds, self.slips)

    def __call__(self, pairs: Sequence[tuple[Question, str, str]]) -> list[Score]:
        """By how much, from -2 to 2, the first response is better than the second: (question, first, second)."""
        return [self._compared(*pair) for pair in pairs]

    def _compared(self, question: Question, first: str, second: str) -> Score:
        known = [self.checker.cheap(text, question) for text in (first, second)]
        if fault := next((score for score in known if not score.judged), None):
            return fault
        rng = random.Random(f"pair/{self.seed}/{question.id}/{first}/{second}")
        better = max(PAIR_VALUES.values()) * (known[0].value - known[1].value)
        drawn = [_asked(rng, self.slips, better, tuple(PAIR_VALUES.values())) for _ in range(2 * self.rounds)]
        return settled([Score(value, reason=f"{value:+g}") for value in drawn], opposed)


@dataclass(frozen=True)
class RulePointJudge:
    """Judges one response as `PointJudge` does: 1 where it keeps the rules, else 0."""

    checker: Checker
    rounds: int
    """Each asks twice."""
    slips: float
    """Share of askings whose verdict is drawn at random."""
    seed: int

    def __post_init__(self):
        _check(self.rounds, self.slips)

    def __call__(self, responses: Sequence[tuple[Question, str]]) -> list[Score]:
        """Values from 0 to 1 of (question, response), in order."""
        return [self._judged(*asked) for asked in responses]

    def _judged(self, question: Question, response: str) -> Score:
        known = self.checker.cheap(response, question)
        if not known.judged:
            return known
        rng = random.Random(f"point/{self.seed}/{question.id}/{response}")
        drawn = [_asked(rng, self.slips, known.value, (0.0, 1.0)) for _ in range(2 * self.rounds)]
        return settled([Score(value, reason=f"{value:g}") for value in drawn], unlike)


def _asked(rng: random.Random, slips: float, value: float, values: Sequence[float]) -> float:
    return rng.choice(values) if rng.random() < slips else value


def _check(rounds: int, slips: float) -> None:
    require_integer("rounds", rounds, 1)
    require("slips", slips, 0)
    if slips > 1:
        raise ValueError(f"slips is a share, from 0 to 1, found {slips}")
