"""Rewards that know nothing of the right answer: what a run gains with them, it did not gain by the truth."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import ClassVar

from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.rubric import Reward, Weight
from r1lab.types import Question, Response, Rollout, Score, Status
from r1lab.verifiers.math_answer import vote_key

TRIES = 64
"""Other golds that are tried for one question; where so many are as good as its own, there is hardly a wrong one."""
SHOWN_CHARS = 60
"""Of the gold that an answer was judged by."""


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
    """Accuracy against another question's gold, of the same domain and kind, which the own gold does not satisfy.

    A gold is an answer with what it is judged by - options, tests, rules -, so both are taken over. A question without
    a wrong gold to take gets BAD_GOLD.

    Example: golds 7, 9 and 7 in a batch: each 7 is judged against 9, and 9 against 7.
    """

    weight: Weight
    accuracy: AccuracyReward
    """Its weight is not used."""
    seed: int
    donors: Sequence[Question] = ()
    """Whose golds are taken: a stage tells them (`informed`); none: those of the other questions of a call."""
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        swapped = self._swapped(rollouts)
        scores: list[Score] = [Score(0.0, Status.BAD_GOLD, "no other gold answer to take")] * len(rollouts)
        places = [i for i, rollout in enumerate(rollouts) if rollout.question.id in swapped]
        judged = [replace(rollouts[i], question=swapped[rollouts[i].question.id]) for i in places]
        for i, rollout, score in zip(places, judged, self.accuracy(judged), strict=True):
            scores[i] = replace(score, reason=f"against {rollout.question.answer[:SHOWN_CHARS]!r}: {score.reason}")
        return scores

    def informed(self, questions: Sequence[Question]) -> ShuffledGold:
        return replace(self, donors=tuple(questions))

    def close(self) -> None:
        self.accuracy.close()

    def _swapped(self, rollouts: Sequence[Rollout]) -> dict[str, Question]:
        """By id the question with a wrong gold: the first, in its own hashed order, that its own gold fails."""
        asked = {rollout.question.id: rollout for rollout in rollouts}
        donors = self.donors or [rollout.question for rollout in asked.values()]
        candidates = {name: self._candidates(rollout.question, donors) for name, rollout in asked.items()}
        found: dict[str, Question] = {}
        for turn in range(TRIES):  # all questions at a time: the verifiers' workers share the load
            tried = {n: several[turn] for n, several in candidates.items() if n not in found and turn < len(several)}
            probes = [_with_gold(asked[name], question) for name, question in tried.items()]
            scores = zip(tried, self.accuracy(probes), strict=True)
            found |= {name: tried[name] for name, score in scores if score.judged and score.value == 0}
        return found

    def _candidates(self, question: Question, donors: Sequence[Question]) -> list[Question]:
        """The question with the golds of others, in its own hashed order."""
        fit = [q for q in donors if q.id != question.id and q.answer and _kind(q) == _kind(question)]
        fit.sort(key=lambda q: _hash(self.seed, question.id, q.answer, q.id))
        return [replace(question, answer=q.answer, details=q.details) for q in fit[:TRIES]]


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


def _kind(question: Question) -> tuple[str, object]:
    """What a gold must share with another to stand in its place."""
    return question.domain, question.details.get("kind")


def _with_gold(rollout: Rollout, question: Question) -> Rollout:
    """The rollout of somebody who knows the true gold and is asked another question."""
    gold = rollout.question.answer
    return replace(rollout, question=question, response=Response(gold, None, gold, well_formed=False))


def _vote(answer: str | None) -> Hashable | None:
    """What an answer is grouped by; None where there is nothing to read in it."""
    key = vote_key(answer) if answer is not None else None
    return None if key == ("text", "") else key


def _elected(vote: Hashable, ballot: Counter) -> Score:
    most = max(ballot.values())
    return Score(float(ballot[vote] == most), reason=f"{ballot[vote]} of {ballot.total()} votes, the most have {most}")


def _hash(*parts: object) -> int:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")
