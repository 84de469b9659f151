"""Is the final answer right: one checker per domain, cheap verdicts here, the rest in processes that can be killed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from r1lab.errors import ConfigError
from r1lab.rewards.rubric import Reward, Weight
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

    def __post_init__(self):
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
        """Scores in order. Errors: ConfigError when a question's domain has no checker."""
        pending: dict[tuple[str, ...], Future[Outcome]] = {}
        judged = [self._start(rollout, pending) for rollout in rollouts]
        return [score if isinstance(score, Score) else _finish(score.result()) for score in judged]

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

    def _checker(self, question: Question) -> Checker:
        if question.domain in self.checkers:
            return self.checkers[question.domain]
        raise ConfigError(
            f"No checker for the domain {question.domain} of question {question.id}.",
            f"checkers of: {', '.join(sorted(self.checkers))}",
            f"Add checkers.{question.domain} to the accuracy reward, or take these questions out of the mix.",
        )


def _finish(outcome: Outcome) -> Score:
    if outcome.status is Status.OK:
        return replace(outcome.value, ms=outcome.ms)
    return Score(0.0, outcome.status, outcome.reason, outcome.ms)
