"""Is the final answer right: one checker per domain, cheap verdicts here, the rest in processes that can be killed.

A domain without a rule may have a judge instead.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

from r1lab.errors import ConfigError
from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.spans import summary
from r1lab.types import Question, Rollout, Score, Status
from r1lab.verifiers.pool import Call, Outcome, VerifierPool


class Checker(Protocol):
    """Judges the answers of one domain; picklable, because it travels to the worker."""

    preload: str
    """"module" or "module:function" that a worker loads before it is forked."""

    def cheap(self, answer: str, question: Question) -> Score | None:
        """A verdict that takes microseconds and cannot hang; None where only ``__call__`` can tell."""
        ...

    def __call__(self, answer: str, question: Question) -> Score:
        """The full verdict, in a worker."""
        ...


class Referee(Protocol):
    """Judges the answers of a domain without a rule, many at a time (rewards/judge.py, `AnswerJudge`)."""

    def __call__(self, answers: Sequence[tuple[Question, str]]) -> list[Score]:
        """One score of each (question, answer), in order."""
        ...

    def faults(self) -> list[str]:
        """What cannot work, seen before anything is loaded: "key: why"."""
        ...


@dataclass(frozen=True)
class AccuracyReward(Reward):
    """1 if the response's answer matches the question's, else 0 (Nature, Methods, reward design).

    Example: answer "0.5" to a question with the answer "1/2" gets 1, "same number".
    """

    weight: Weight
    checkers: Mapping[str, Checker]
    """Checker of each domain."""
    num_workers: int
    timeout_seconds: float
    """Deadline of one verdict, from the start of work on it."""
    memory_bytes: int | None
    """What one verdict may hold beyond an idle worker; None for no bound."""
    judges: Mapping[str, Referee] = field(default_factory=dict)
    """Judge of each domain that has no checker; it reads all that a response says behind its reasoning."""

    def __post_init__(self):
        if twice := sorted(self.checkers.keys() & self.judges.keys()):
            raise ConfigError(
                f"The domain {twice[0]} has a checker and a judge.",
                f"checkers of {', '.join(self.checkers)}; judges of {', '.join(self.judges)}",
                f"~rewards.accuracy.checkers.{twice[0]} leaves the judge.",
            )
        slow = {domain: getattr(c, "total_seconds", 0) for domain, c in self.checkers.items()}
        if slow := {domain: s for domain, s in slow.items() if s >= self.timeout_seconds}:
            domain, seconds = max(slow.items(), key=lambda item: item[1])
            raise ConfigError(
                f"The {domain} checker may take as long as the deadline: slow answers would be faults, not wrong.",
                f"checkers.{domain}.total_seconds={seconds:g}, timeout_seconds={self.timeout_seconds:g}",
                f"timeout_seconds={seconds + 1:g}",
            )

    @cached_property
    def pool(self) -> VerifierPool:
        """Started when first needed."""
        preload = {checker.preload for checker in self.checkers.values()}
        return VerifierPool(self.num_workers, self.timeout_seconds, self.memory_bytes, sorted(preload))

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        """Scores in order. Errors: ConfigError when a question's domain has neither checker nor judge."""
        pending: dict[tuple[str, ...], Future[Outcome]] = {}
        checked = {
            place: self._start(rollout, pending)
            for place, rollout in enumerate(rollouts)
            if rollout.question.domain not in self.judges
        }
        judged = self._judged({place: r for place, r in enumerate(rollouts) if place not in checked})
        scores = {place: s if isinstance(s, Score) else _finish(s.result()) for place, s in checked.items()} | judged
        return [scores[place] for place in range(len(rollouts))]

    def faults(self) -> list[str]:
        """A judge that cannot be loaded."""
        return [f"judges.{domain}.{fault}" for domain, judge in self.judges.items() for fault in judge.faults()]

    def close(self) -> None:
        """End the worker processes; a later call starts new ones."""
        pool = self.__dict__.pop("pool", None)
        if pool is not None:
            pool.close()

    def _start(self, rollout: Rollout, pending: dict[tuple[str, ...], Future[Outcome]]) -> Score | Future[Outcome]:
        """A verdict, or the promise of one; the same answer to the same question is judged once."""
        question, answer = rollout.question, rollout.response.answer
        checker = self._checker(question)
        if answer is None:
            return Score(0.0, reason="no answer")
        start = time.perf_counter()
        if (score := checker.cheap(answer, question)) is not None:
            return replace(score, ms=1000 * (time.perf_counter() - start))
        key = (question.domain, question.id, question.answer, answer)
        if key not in pending:
            pending[key] = self.pool.submit(Call(checker, (answer, question)))
        return pending[key]

    def _judged(self, rollouts: Mapping[int, Rollout]) -> dict[int, Score]:
        """What the judges say, by place; the same answer to the same question is judged once."""
        answers = {place: (r.question, summary(r.response.text)) for place, r in rollouts.items()}
        different = {(question.id, text): (question, text) for question, text in answers.values() if text is not None}
        known: dict[tuple[str, str], Score] = {}
        for domain, judge in self.judges.items():
            asked = {key: answer for key, answer in different.items() if answer[0].domain == domain}
            known.update(zip(asked, judge(list(asked.values()))))
        nothing = Score(0.0, reason="no answer")
        return {place: known.get((question.id, text), nothing) for place, (question, text) in answers.items()}

    def _checker(self, question: Question) -> Checker:
        if question.domain in self.checkers:
            return self.checkers[question.domain]
        raise ConfigError(
            f"No checker for the domain {question.domain} of question {question.id}.",
            f"checkers of: {', '.join(sorted(self.checkers))}; judges of: {', '.join(sorted(self.judges)) or 'none'}",
            f"Add checkers.{question.domain} to the accuracy reward, or a judge "
            f"(+judge/answers@rewards.accuracy.judges.{question.domain}=paper), or leave these questions out.",
        )


def _finish(outcome: Outcome) -> Score:
    if outcome.status is Status.OK:
        return replace(outcome.value, ms=outcome.ms)
    return Score(0.0, outcome.status, outcome.reason, outcome.ms)
