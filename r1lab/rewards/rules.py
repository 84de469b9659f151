"""Rules in the place of judges: where no model is at hand that could tell a good response from a bad one.

Generated prompts state what is asked, so a program can say whether a response keeps to it. As a judge of training data
it errs now and then, as models do; as a held-out judge it does not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from r1lab.errors import ConfigError
from r1lab.functional.schedules import is_number, require_integer
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
class Slips:
    """A judge that knows what is right, is asked several times, and says anything at all now and then.

    Example: ``Slips(share=0.2, rounds=2, seed=0)`` is asked four times, of which 0.8 have its own verdict on average.
    """

    share: float
    """Of its verdicts are drawn at random."""
    rounds: int
    """Each asks twice."""
    seed: int

    def __post_init__(self):
        require_integer("slips.rounds", self.rounds, 1)
        if not (is_number(self.share) and 0 <= self.share <= 1):
            raise ConfigError("slips.share is not between 0 and 1.", f"slips.share={self.share}", "slips.share=0.2")

    def __call__(self, value: float, values: Sequence[float], contradict: Callable, *asked: str) -> Score:
        """What the askings come to where `value` is right and `values` are the verdicts there are."""
        rng = random.Random("/".join([str(self.seed), *asked]))
        said = [rng.choice(values) if rng.random() < self.share else value for _ in range(2 * self.rounds)]
        return settled([Score(verdict, reason=f"{verdict:g}") for verdict in said], contradict)


@dataclass(frozen=True)
class RulePairJudge:
    """Compares as `PairJudge` does: the response that keeps the rules is much better than one that does not."""

    checker: Checker
    slips: Slips

    def faults(self) -> list[str]:
        """None: nothing is loaded."""
        return []

    def __call__(self, pairs: Sequence[tuple[Question, str, str]]) -> list[Score]:
        """By how much, from -2 to 2, the first response is better than the second: (question, first, second)."""
        return [self._compared(*pair) for pair in pairs]

    def _compared(self, question: Question, first: str, second: str) -> Score:
        known = [self.checker.cheap(text, question) for text in (first, second)]
        if fault := next((score for score in known if not score.judged), None):
            return fault
        verdicts = tuple(PAIR_VALUES.values())
        better = max(verdicts) * (known[0].value - known[1].value)
        return self.slips(better, verdicts, opposed, question.id, first, second)


@dataclass(frozen=True)
class RulePointJudge:
    """Judges one response as `PointJudge` does: 1 where it keeps the rules, else 0."""

    checker: Checker
    slips: Slips

    def faults(self) -> list[str]:
        """None: nothing is loaded."""
        return []

    def __call__(self, responses: Sequence[tuple[Question, str]]) -> list[Score]:
        """Values from 0 to 1 of (question, response), in order."""
        known = [self.checker.cheap(text, question) for question, text in responses]
        return [
            self.slips(score.value, (0.0, 1.0), unlike, question.id, text) if score.judged else score
            for score, (question, text) in zip(known, responses)
        ]
