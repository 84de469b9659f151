"""What a judge makes of completions, as a reward: compared with each other, or each by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from r1lab.errors import ConfigError
from r1lab.rewards.judge import PairJudge, PointJudge
from r1lab.rewards.preference import SHOWN_CHARS, Scope
from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.verdicts import PAIR_VALUES
from r1lab.types import Question, Rollout, Score, Status

EVEN = 0.5
"""Value of a comparison that nobody wins, and of a completion with none to be compared with."""


@dataclass(frozen=True)
class PairJudgeReward(Reward):
    """How often and how clearly a completion wins over others of its question: 0 loses all, 1 wins all by far.

    Against "group" each completion is compared with the next one of its group, in a ring, so that all have two
    comparisons; against "answer", with the question's own answer. A completion that says nothing gets 0.

    Example: A>>B in one order and A=B in the other is 1 of -2 to 2: the value is 0.75.
    """

    weight: Weight
    compare: PairJudge
    scope: Scope
    against: Literal["group", "answer"]
    knows_gold: ClassVar[bool] = False

    def __post_init__(self):
        if self.against not in ("group", "answer"):
            raise ConfigError("against is not known.", f"against={self.against!r}", "Choose group or answer.")

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        scores, texts = self.scope(rollouts)
        questions = {place: rollouts[place].question for place in texts}
        for place in texts:
            scores[place] = (
                Score(EVEN, reason="no other completion to be compared with")
                if self.against == "group"
                else Score(0.0, Status.BAD_GOLD, "the question has no answer to be compared with")
            )
        for place, outcomes in self._outcomes(questions, texts).items():
            scores[place] = _standing(outcomes, texts[place])
        return scores

    @property
    def aspect(self) -> str:
        return self.scope.aspect

    def faults(self) -> list[str]:
        """A judge that cannot be loaded."""
        return [f"compare.{fault}" for fault in self.compare.faults()]

    def _outcomes(self, questions: Mapping[int, Question], texts: Mapping[int, str]) -> dict[int, list[Score]]:
        """By place the comparisons of its text, seen from its side; equal texts are not asked about."""
        if self.against == "group":
            meetings = [(a, b, texts[a], texts[b]) for a, b in _ring({i: q.id for i, q in questions.items()})]
        else:
            meetings = [(i, None, texts[i], question.answer) for i, question in questions.items() if question.answer]
        asked = [(questions[a], mine, other) for a, _, mine, other in meetings if mine != other]
        found = iter(self.compare(asked) if asked else [])
        outcomes: dict[int, list[Score]] = defaultdict(list)
        for a, b, mine, other in meetings:
            score = next(found) if mine != other else Score(0.0, reason="equal")
            outcomes[a].append(score)
            if b is not None:
                outcomes[b].append(replace(score, value=-score.value))
        return outcomes


@dataclass(frozen=True)
class PointJudgeReward(Reward):
    """What a judge says of each response by itself."""

    weight: Weight
    judged: PointJudge
    scope: Scope
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        scores, texts = self.scope(rollouts)
        found = self.judged([(rollouts[i].question, text) for i, text in texts.items()]) if texts else []
        for (place, text), score in zip(texts.items(), found):
            scores[place] = replace(score, extracted=text[:SHOWN_CHARS])
        return scores

    @property
    def aspect(self) -> str:
        return self.scope.aspect

    def faults(self) -> list[str]:
        """A judge that cannot be loaded."""
        return [f"judged.{fault}" for fault in self.judged.faults()]


def _ring(names: Mapping[int, str]) -> list[tuple[int, int]]:
    """Each place with the next one of the same name, the last with the first; two meet once, one alone never."""
    groups: dict[str, list[int]] = defaultdict(list)
    for place, name in names.items():
        groups[name].append(place)
    return [
        pair
        for places in groups.values()
        for pair in list(zip(places, places[1:] + places[:1]))[: len(places) if len(places) > 2 else len(places) - 1]
    ]


def _standing(outcomes: Sequence[Score], text: str) -> Score:
    """The value of a completion by its comparisons, those that were judged; a fault where none was."""
    ms, judged = sum(score.ms for score in outcomes), [score for score in outcomes if score.judged]
    if not judged:
        return replace(outcomes[0], value=0.0, ms=ms, extracted=text[:SHOWN_CHARS])
    mean = sum(score.value for score in judged) / len(judged)
    reason = "; ".join(score.reason for score in judged)
    most = max(PAIR_VALUES.values())
    return Score((mean / most + 1) / 2, reason=reason, ms=ms, extracted=text[:SHOWN_CHARS])
