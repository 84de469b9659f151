"""Answers to questions of reasoning-gym, by the scorer of the data set that made the question.

The scorers give parts of a point for answers that come near; as in the paper, only the whole point counts. Some of them
evaluate what they are given: each answer is scored in a locked-up fork of its own (confined_call), and such a scorer
sees nothing that could run as code. An answer on which a scorer fails, or for which it takes too long, scores 0. Some
scorers read the beginning of an answer and give the whole point to "right or wrong": an answer that hedges where the
gold answer does not is refused before they see it, and data sets whose scorer lets anything follow are judged by a rule
of ours. Data sets with wrong verdicts are refused by name: reasoning_gym_scorers.REFUSED.

Decoration around an answer (bold, a box, quotes, a full stop, "The answer is") is taken off where the scorer does not
accept the answer as it stands.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar

from r1lab.types import Question, Score, Status
from r1lab.verifiers.confined_call import CallError, confined_call
from r1lab.verifiers.program import Limits
from r1lab.verifiers.puzzle import PuzzleChecker, undecorated
from r1lab.verifiers.reasoning_gym_scorers import REFUSED, readable

KIND = "reasoning_gym"
"""``details["kind"]`` of its questions."""

_LIMITS = Limits(cpu_seconds=3.0, wall_seconds=4.0, memory_bytes=1 << 28, output_bytes=1 << 12)
_HEDGE = re.compile(r"\b(?:or|either|maybe|perhaps|possibly)\b|或|可能", re.IGNORECASE)


@dataclass(frozen=True)
class ReasoningGymChecker:
    """Checks answers to logic questions: those of reasoning-gym by its scorers, all others by `puzzles`."""

    puzzles: PuzzleChecker
    kinds: Mapping[str, str]
    """Data sets whose answers a rule of `puzzles` judges in the place of their own scorer, with its kind."""
    limits: Limits = _LIMITS
    """Of scoring one answer."""
    preload: ClassVar[str] = "r1lab.verifiers.reasoning_gym:warm_up"
    """Imports reasoning-gym, where it is installed, before workers are forked."""

    def cheap(self, answer: str, question: Question) -> Score | None:
        """The verdict where text decides, or where the question is not of reasoning-gym."""
        if question.details.get("kind") != KIND:
            return self.puzzles.cheap(answer, question)
        if kind := self.kinds.get(question.details["metadata"]["source_dataset"]):
            return self.puzzles.cheap(answer, replace(question, details={"kind": kind}))
        name = question.details["metadata"]["source_dataset"]
        if name in REFUSED:
            return Score(0.0, Status.BAD_GOLD, f"{name} is refused: {REFUSED[name]}")
        if answer.strip() == question.answer.strip() or undecorated(answer) == undecorated(question.answer) != "":
            return Score(1.0, reason="same text", extracted=answer[:200])
        if _HEDGE.search(answer) and not _HEDGE.search(question.answer):
            return Score(0.0, reason="no readable answer: a hedge", extracted=answer[:200])
        if not self._seen(answer, question):
            return Score(0.0, reason=f"no readable answer: not in the form of {name}", extracted=answer[:200])
        return None

    def __call__(self, answer: str, question: Question) -> Score:
        """The verdict of the scorer: 1 for its full point, else 0. Errors: SandboxError where nothing isolates."""
        if decided := self.cheap(answer, question):
            return decided
        name = question.details["metadata"]["source_dataset"]
        entry = {"question": question.text, "answer": question.answer, "metadata": question.details["metadata"]}
        score, texts = _scorer(name), [question.answer, *self._seen(answer, question)]
        try:
            gold, *found = confined_call(lambda: _points(score, entry, texts), self.limits)
        except CallError as error:
            return Score(0.0, reason=f"its scorer came to no end: {error}", extracted=answer[:200])
        if gold[0] < 1:
            return Score(0.0, Status.BAD_GOLD, f"{name} does not accept its own answer")
        points, fault = max(found)
        return Score(float(points >= 1), reason=fault or f"{points:g} of 1 point", extracted=answer[:200])

    @property
    def total_seconds(self) -> float:
        """How long a verdict may take; less than the reward's deadline."""
        return self.limits.wall_seconds

    def _seen(self, answer: str, question: Question) -> list[str]:
        """What the scorer sees of an answer: as it stands and without decoration, as far as it is readable."""
        name = question.details["metadata"]["source_dataset"]
        texts = dict.fromkeys([answer.strip(), undecorated(answer)])
        return [text for text in texts if readable(name, text, question.answer)]


@cache
def _scorer(name: str) -> Callable[[str, Mapping[str, Any]], float]:
    """The scorer of a data set, made once in each worker, where no answer can change it."""
    import reasoning_gym

    return reasoning_gym.get_score_answer_fn(name)


def _points(score: Callable[..., float], entry: Mapping[str, Any], texts: Sequence[str]) -> list[tuple[float, str]]:
    """The points of each text, and why there are none where the scorer fails on it."""
    found = []
    for text in texts:
        try:
            found.append((float(score(text, entry)), ""))
        except Exception as error:
            found.append((0.0, f"its scorer fails: {type(error).__name__}: {error}"[:200]))
    return found


def warm_up() -> None:
    """Import reasoning-gym; a machine without it can still judge all other puzzles."""
    if importlib.util.find_spec("reasoning_gym") is not None:
        import reasoning_gym  # noqa: F401
