"""A question with options: how they are written, and in which order - one that nobody can learn."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from string import ascii_uppercase
from typing import Literal

from r1lab.data.cells import RowFault, answer_of, cell, described
from r1lab.data.problem import VERDICTS
from r1lab.data.questions import Fields
from r1lab.data.rows import Row
from r1lab.types import Question

BOUND = re.compile(
    r"\b(?:above|below|preceding|following)\b|\b(?:[A-H],? )+(?:and|or|nor) [A-H]\b"
    r"|\b(?:[Bb]oth|[Ee]ither|[Nn]either|[Oo]nly|[Oo]ptions?|[Cc]hoices?) [A-H]\b|^[A-H] only\b"
)
"""An option that speaks of the others by their letters or their place: then all stay where they are."""


def with_options(text: str, choices: Sequence[str]) -> str:
    r"""The question and its options, a line each.

    >>> with_options("What is 2+3?", ["4", "5"])
    'What is 2+3?\nA. 4\nB. 5'
    """
    return "\n".join((text, *(f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, choices))))


def considered(choices: Sequence[str], letter: str, language: str) -> list[str]:
    """The options in turn, up to the one that is taken.

    >>> considered(["4", "5", "6"], "B", "en")
    ['A: 4 no', 'B: 5 ok']
    """
    number, said = ascii_uppercase.index(letter), VERDICTS[language]
    return [f"{ascii_uppercase[n]}: {choices[n]} {said[n == number]}" for n in range(number + 1)]


def shuffled(choices: Sequence[str], rng: random.Random) -> list[int]:
    """The new order of the options, as their old places; the old order where an option speaks of the others."""
    order = list(range(len(choices)))
    if not any(BOUND.search(choice) for choice in choices):
        rng.shuffle(order)
    return order


@dataclass(frozen=True, kw_only=True)
class ChoiceFields(Fields):
    """Rows of multiple-choice questions: options are shuffled by seed and question id, and written below the text.

    Example: ``ChoiceFields(text="question", answer="answer", choices="choices", answer_is="number", seed=0)``.
    """

    choices: str
    """The column with the list of options."""
    answer_is: Literal["number", "letter", "text"]
    """What the answer's column holds of the right option: its number from 0, its letter, or its text."""
    seed: int
    """Of the options' order: evaluations are compared at the same one."""

    @cached_property
    def names(self) -> set[str]:
        """The columns that must be there."""
        return {name for column in self.columns.values() for name in column.names} | {*self.details, self.choices}

    def __call__(self, row: Row, place: str, source: str) -> Question:
        """The row's Question: the answer is a letter, ``details["choices"]`` are the options in their new order."""
        question, choices = super().__call__(row, place, source), self._choices(row)
        right = self._number(question.answer, choices)
        order = shuffled(choices, random.Random(f"{self.seed}/{question.id}"))
        choices = [choices[number] for number in order]
        return replace(
            question,
            text=with_options(question.text, choices),
            answer=ascii_uppercase[order.index(right)],
            details={**question.details, "choices": choices},
        )

    def _choices(self, row: Row) -> list[str]:
        """The options as they stand. Raises RowFault: there is no list, or one of them is no text and no number."""
        found = cell(row, self.choices)
        if not isinstance(found, (list, tuple)):
            raise RowFault(f"{self.choices} is {described(found)}, not a list of options")
        choices = [answer_of(choice, f"{self.choices}.{number}") for number, choice in enumerate(found)]
        if "" in choices:
            raise RowFault(f"option {choices.index('') + 1} of {self.choices} is empty")
        return choices

    def _number(self, answer: str, choices: Sequence[str]) -> int:
        """The right option's number from 0."""
        known = {
            "number": [str(number) for number in range(len(choices))],
            "letter": list(ascii_uppercase[: len(choices)]),
            "text": list(choices),
        }[self.answer_is]
        if answer not in known:
            raise RowFault(f"the answer {answer!r} is the {self.answer_is} of none of {len(choices)} options")
        return known.index(answer)
