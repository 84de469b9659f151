"""Rewards that know nothing of the right answer: what a run gains with them, it did not gain by the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import ClassVar

from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.rubric import Reward, Weight
from r1lab.types import Rollout, Score, Status
from r1lab.verifiers.math_answer import same, vote_key


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


@dataclass(frozen=True)
class MajorityVote(Reward):
    """1 if the answer equals the most frequent answer to its question, else 0: agreement in place of truth.

    Equal numbers are one answer, as in cons@k. Answers that tie for the most all win, so that where no two agree
    nothing is preferred. A completion without an answer has no vote and never wins.

    Example: the answers 7, 8, 7.0 and none get 1, 0, 1 and 0.
    """

    weight: Weight
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        votes = [_vote(rollout.response.answer) for rollout in rollouts]
        ballots: dict[str, Counter] = defaultdict(Counter)
        for rollout, vote in zip(rollouts, votes, strict=True):
            if vote is not None:
                ballots[rollout.question.id][vote] += 1
        return [
            Score(0.0, reason="no answer") if vote is None else _elected(vote, ballots[rollout.question.id])
            for rollout, vote in zip(rollouts, votes, strict=True)
        ]


def _vote(answer: str | None) -> Hashable | None:
    """What an answer is grouped by; None where there is nothing to read in it."""
    key = vote_key(answer) if answer is not None else None
    return None if key == ("text", "") else key


def _elected(vote: Hashable, ballot: Counter) -> Score:
    most = max(ballot.values())
    return Score(float(ballot[vote] == most), reason=f"{ballot[vote]} of {ballot.total()} votes, the most have {most}")


def _hash(*parts: object) -> int:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")
