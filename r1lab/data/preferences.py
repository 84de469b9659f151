"""Rows of a file -> what reward models learn from: chosen and rejected responses, or responses with a label.

Both are drawn by a `Mix` as questions are, so that several sets are mixed, filtered and resumed in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from r1lab.data.cells import RowFault, cell, head, text_of
from r1lab.data.messages import Message, is_messages, joined, listed, messages_of
from r1lab.data.questions import Column, Fields
from r1lab.data.rows import LeftOut, Row
from r1lab.types import LabeledResponse, PreferencePair, Question

HELPFUL, HARMLESS = "helpful", "harmless"
ASPECTS = (HELPFUL, HARMLESS)
"""What a general prompt is for, in ``Question.details["aspect"]``: each takes the reward of its own set (paper 6.3)."""
SIDES = ("chosen", "rejected")


@dataclass(frozen=True)
class PairFields:
    """Which columns make a PreferencePair; a bare string is ``Column(of=string)``.

    A side may be messages: the last one is the response. Messages before it are a whole dialogue; `prompt` reads its
    prompt from the same column, or from one that holds the last messages before the response.

    Example: ``PairFields(prompt=Fields("prompt", None), chosen="better", rejected="worse")``.
    """

    prompt: Fields
    chosen: Column | str
    rejected: Column | str
    rejected_prompt: Column | str | None = None
    """The prompt as the rejected side has it, where each side is a whole dialogue; a pair must have one prompt."""
    margin: Column | str | None = None
    """A number."""

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The fields that are read beside the prompt's, by name."""
        given = {name: getattr(self, name) for name in ("chosen", "rejected", "rejected_prompt", "margin")}
        return {name: Column(c) if isinstance(c, str) else c for name, c in given.items() if c is not None}

    @cached_property
    def names(self) -> set[str]:
        """The columns that must be there."""
        return self.prompt.names | {name for column in self.columns.values() for name in column.names}

    def __call__(self, row: Row, place: str, source: str) -> PreferencePair:
        """The row's pair. Raises RowFault; LeftOut: the row is sound and no pair, and says why."""
        question = _asked(self.prompt, row, [self.columns[side] for side in SIDES], place, source)
        read = {name: column(row, _READ.get(name, text_of)) for name, column in self.columns.items()}
        for side in SIDES:
            if not read[side]:
                raise LeftOut(question.id, f"the {side} response is empty")
        if read["chosen"] == read["rejected"]:
            raise LeftOut(question.id, "both responses are the same")
        if read.get("rejected_prompt", question.text) != question.text:
            raise LeftOut(question.id, "the two sides have different prompts")
        margin = read.get("margin")
        return PreferencePair(question, read["chosen"], read["rejected"], _number(margin) if margin else None)


@dataclass(frozen=True)
class PointFields:
    """Which columns make a LabeledResponse; a bare string is ``Column(of=string)``.

    Example: ``PointFields(Fields("prompt", None), "reply", label="verdict", labels={"safe": 1, "unsafe": 0})``.
    """

    prompt: Fields
    response: Column | str
    label: Column | str | float
    """A number is the label of all rows."""
    labels: Mapping[str, float] | None = None
    """What the label's texts stand for; None: they are numbers."""

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The fields that are read beside the prompt's, by name."""
        given = {"response": self.response} | ({} if isinstance(self.label, (int, float)) else {"label": self.label})
        return {name: Column(c) if isinstance(c, str) else c for name, c in given.items()}

    @cached_property
    def names(self) -> set[str]:
        """The columns that must be there."""
        return self.prompt.names | {name for column in self.columns.values() for name in column.names}

    def __call__(self, row: Row, place: str, source: str) -> LabeledResponse:
        """The row's response. Raises RowFault; LeftOut: there is no response."""
        question = _asked(self.prompt, row, [self.columns["response"]], place, source)
        read = {name: column(row, _READ.get(name, text_of)) for name, column in self.columns.items()}
        if not read["response"]:
            raise LeftOut(question.id, "the response is empty")
        label = self._value(read["label"]) if "label" in read else float(self.label)
        if not 0 <= label <= 1:
            raise RowFault(f"the label {label:g} is not between 0 and 1")
        return LabeledResponse(question, read["response"], label)

    def _value(self, label: str) -> float:
        if self.labels is None:
            return _number(label)
        if label not in self.labels:
            raise RowFault(f"the label {head(label)} is none of {', '.join(self.labels)}")
        return float(self.labels[label])


def response_of(value: Any, path: str) -> str:
    """A response, which may be the last of several messages. Raises RowFault."""
    if value is None:
        raise RowFault(f"{path} is nothing")
    value = listed(value, path)
    if not is_messages(value):
        return text_of(value, path)
    last = messages_of(value, path)[-1]
    if last["role"] != "assistant":
        raise RowFault(f"{path} ends with a message of the {last['role']}; the last one must be the assistant's")
    return last["content"]


def _asked(prompt: Fields, row: Row, sides: Sequence[Column], place: str, source: str) -> Question:
    """The row's prompt, with the messages before it where a side is a whole dialogue. Raises RowFault, LeftOut."""
    question = prompt(_prompts(row, prompt), place, source)
    dialogues = [turns for side in sides if (turns := _before(row, side))]
    if any(turns != dialogues[0] for turns in dialogues):
        raise LeftOut(question.id, "the two sides have different prompts")
    if not dialogues:
        return question
    *turns, last = dialogues[0]
    turns = [turn for turn in turns if prompt.system or turn["role"] != "system"]
    # a system prompt in a column of its own is that of the sides, too
    apart = [turn for turn in prompt.before(row)[:1] if prompt.system and turn["role"] == "system"]
    whole = _longer(question.turns[len(apart) :], turns[len(apart) :] if turns[:1] == apart else turns)
    if whole is None or prompt.columns["text"].cut(last["content"]) != question.text:
        raise LeftOut(question.id, f"the prompt is not that of {'the two sides' if len(sides) > 1 else 'the response'}")
    whole = joined(apart, whole, sides[0].of)
    return replace(question, details={**question.details, "turns": whole}) if whole else question


def _longer(one: Sequence[Message], other: Sequence[Message]) -> list[Message] | None:
    """The longer of two, which ends with the shorter one; None where it does not."""
    shorter, longer = sorted((list(one), list(other)), key=len)
    return longer if longer[len(longer) - len(shorter) :] == shorter else None


def _before(row: Row, column: Column) -> list[Message]:
    """The messages before a response; none where it is a text."""
    value = listed(cell(row, column.of), column.of) if "{" not in column.of else None
    return messages_of(value, column.of)[:-1] if is_messages(value) else []


def _prompts(row: Row, prompt: Fields) -> Row:
    """The row as its prompt is read: of a whole dialogue all but the response."""
    turns, of = prompt.asked(row), prompt.columns["text"].of
    return {**row, of: turns[:-1]} if turns and turns[-1]["role"] == "assistant" else row


def _label(value: Any, path: str) -> str:
    """A label as text: a number, a bool as 1 or 0, or a word. Raises RowFault."""
    return str(int(value)) if isinstance(value, bool) else text_of(value, path, numbers=True)


_READ = {"chosen": response_of, "rejected": response_of, "response": response_of, "label": _label,
         "margin": partial(text_of, numbers=True)}  # fmt: skip
"""How fields are read that are no plain text."""


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise RowFault(f"{head(text)} is no number") from None
    if not math.isfinite(number):
        raise RowFault(f"{head(text)} is no number")
    return number
