"""What the generators of STEM and logic questions make: a question with its answer, worked steps and usual slips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SPLIT_BY = "split_by"
"""The detail by which training and held-out questions are told apart, where that is not the text: the same puzzle in
another order, with other options or in another language is the same question."""
SLIPS = "slips"
"""The detail that lists wrong answers of the right form, as somebody gives them who slips."""

VERDICTS = {"en": {True: "ok", False: "no"}, "zh": {True: "对", False: "错"}}
"""How worked steps say that something tried fits or does not."""


@dataclass(frozen=True)
class Problem:
    """A generated question before it has a name.

    >>> Problem("Decode: khoor", "hello", ("k-3=h",), ("ifmmp",), "logic", {"kind": "text"}).details["kind"]
    'text'
    """

    text: str
    answer: str
    work: Sequence[str]
    """The worked solution in short steps, without commas."""
    slips: Sequence[str]
    """Wrong answers of the right form."""
    domain: str
    facts: Mapping[str, Any]
    """What the checker needs."""
    split_by: str = ""
    """What training and held-out questions are told apart by; "" for the text."""

    def steps(self) -> Sequence[str]:
        """The worked steps, as those of a ``Task``."""
        return self.work

    @property
    def details(self) -> dict[str, Any]:
        """The details of the question."""
        split_by = {SPLIT_BY: self.split_by} if self.split_by else {}
        return {**self.facts, SLIPS: list(self.slips), **split_by}
