"""Rows of a file -> what reward models learn from: chosen and rejected responses, or responses with a label.

Both are drawn by a `Mix` as questions are, so that several sets are mixed, filtered and resumed in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from r1lab.data.questions import Column, Fields
from r1lab.data.rows import LeftOut, Row, RowFault, head
from r1lab.types import LabeledResponse, PreferencePair

HELPFUL, HARMLESS = "helpful", "harmless"
ASPECTS = (HELPFUL, HARMLESS)
"""What a general prompt is for, in ``Question.details["aspect"]``: each takes the reward of its own set (paper 6.3)."""


@dataclass(frozen=True)
class PairFields:
    """Which columns make a PreferencePair; a bare string is ``Column(of=string)``.

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
        question = self.prompt(row, place, source)
        read = {name: column(row) for name, column in self.columns.items()}
        for side in ("chosen", "rejected"):
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
        question = self.prompt(row, place, source)
        read = {name: column(row) for name, column in self.columns.items()}
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


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RowFault(f"{head(text)} is no number") from None
