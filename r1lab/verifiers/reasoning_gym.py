"""Answers to questions of reasoning-gym, by the scorer of the data set that made the question.

The scorers give parts of a point for answers that come near; as in the paper, only the whole point counts. Some of them
evaluate what they are given, so they run in workers alone. Some read the beginning of an answer and give the whole
point to "right or wrong": an answer that hedges where the gold answer does not is refused before they see it, and data
sets whose scorer lets anything follow are judged by a rule of ours.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from r1lab.types import Question, Score, Status
from r1lab.verifiers.puzzle import PuzzleChecker

KIND = "reasoning_gym"
"""``details["kind"]`` of its questions."""

_HEDGE = re.compile(r"\b(?:or|either|maybe|perhaps|possibly)\b|或|可能", re.IGNORECASE)


@dataclass(frozen=True)
class ReasoningGymChecker:
    """Checks answers to logic questions: those of reasoning-gym by its scorers, all others by `puzzles`."""

    puzzles: PuzzleChecker
    kinds: Mapping[str, str]
    """Data sets whose answers a rule of `puzzles` judges in the place of their own scorer, with its kind."""
    preload: ClassVar[str] = "r1lab.verifiers.reasoning_gym:warm_up"
    """Imports reasoning-gym, where it is installed, before workers are forked."""

    def cheap(self, answer: str, question: Question) -> Score | None:
        """The verdict where text decides, or where the question is not of reasoning-gym."""
        if question.details.get("kind") != KIND:
            return self.puzzles.cheap(answer, question)
        if kind := self.kinds.get(question.details["metadata"]["source_dataset"]):
            return self.puzzles.cheap(answer, replace(question, details={"kind": kind}))
        if answer.strip() == question.answer.strip():
            return Score(1.0, reason="same text", extracted=answer[:200])
        if _HEDGE.search(answer) and not _HEDGE.search(question.answer):
            return Score(0.0, reason="no readable answer: a hedge", extracted=answer[:200])
        return None

    def __call__(self, answer: str, question: Question) -> Score:
        """The verdict of the scorer: 1 for its full point, else 0."""
        if decided := self.cheap(answer, question):
            return decided
        import reasoning_gym

        name = question.details["metadata"]["source_dataset"]
        score = reasoning_gym.get_score_answer_fn(name)
        entry = {"question": question.text, "answer": question.answer, "metadata": question.details["metadata"]}
        if score(question.answer, entry) < 1:
            return Score(0.0, Status.BAD_GOLD, f"{name} does not accept its own answer")
        points = score(answer.strip(), entry)
        return Score(float(points >= 1), reason=f"{points:g} of 1 point", extracted=answer[:200])


def warm_up() -> None:
    """Import reasoning-gym; a machine without it can still judge all other puzzles."""
    if importlib.util.find_spec("reasoning_gym") is not None:
        import reasoning_gym  # noqa: F401
