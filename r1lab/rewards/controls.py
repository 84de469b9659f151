"""Rewards that know nothing of the right answer: what a run gains with them, it did not gain by the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import ClassVar

from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.rubric import Reward, Weight
from r1lab.types import Rollout, Score, Status
from r1lab.verifiers.math_answer import same


@dataclass(frozen=True)
class RandomReward(Reward):
    """0 or 1 with equal chance, a function of seed, question, sample and completion: the same in every replay."""

    weight: Weight
    seed: int
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        return [Score(float(self._coin(rollout)), reason="coin") for rollout in rollouts]

    def _coin(self, rollout: Rollout) -> int:
        ids = rollout.completion.ids.tolist()
        return _hash(self.seed, rollout.question.id, rollout.sample, ids) % 2


@dataclass(frozen=True)
class ShuffledGold(Reward):
    """Accuracy against another question's gold answer, never an equal one.

    The other golds are ``golds``, or else those of the same domain in the batch; a question without any gets BAD_GOLD.

    Example: golds 7, 9 and 7 in a batch: each 7 is judged against 9, and 9 against 7.
    """

    weight: Weight
    accuracy: AccuracyReward
    """Its weight is not used."""
    seed: int
    golds: Sequence[str] | None
    """Set it where ranks must agree on the wrong gold of a question: a batch holds only the rank's own questions."""
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        wrong = self._wrong_golds(rollouts)
        scores: list[Score] = [Score(0.0, Status.BAD_GOLD, "no other gold answer to take")] * len(rollouts)
        places = [i for i, rollout in enumerate(rollouts) if wrong[rollout.question.id] is not None]
        swapped = [
            replace(rollouts[i], question=replace(rollouts[i].question, answer=wrong[rollouts[i].question.id]))
            for i in places
        ]
        for i, score in zip(places, self.accuracy(swapped), strict=True):
            scores[i] = score
        return scores

    def close(self) -> None:
        self.accuracy.close()

    def _wrong_golds(self, rollouts: Sequence[Rollout]) -> dict[str, str | None]:
        """Question id -> the first gold, in the question's own hashed order, that is not equal to its own."""
        questions = {rollout.question.id: rollout.question for rollout in rollouts}
        wrong: dict[str, str | None] = {}
        for question in questions.values():
            golds = self.golds or {q.answer for q in questions.values() if q.domain == question.domain}
            others = (gold for gold in golds if not same(gold, question.answer))
            wrong[question.id] = min(others, key=lambda gold: (_hash(self.seed, question.id, gold), gold), default=None)
        return wrong


def _hash(*parts: object) -> int:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")
