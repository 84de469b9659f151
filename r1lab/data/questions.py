"""Rows of a file or of a hub data set -> Questions, by a field mapping that is written in YAML."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from r1lab.data.cells import RowFault, answer_of, cell, head, json_text, text_of
from r1lab.data.messages import Message, before_of, is_messages, joined, listed, messages_of
from r1lab.data.rows import Row, compiled, read_rows
from r1lab.errors import ConfigError
from r1lab.types import Question


@dataclass(frozen=True)
class Column:
    """How one field is read from a row: take the text, pick a part of it, drop what disturbs.

    Example: ``Column("answer", pick=r"#### (.+)", drop=",")`` reads "1080" from "12 * 90 = 1080 #### 1,080".
    """

    of: str
    """A column's name, a path below it (``reward_model.ground_truth``), or a text with such in braces."""
    pick: str | None = None
    """Regular expression whose one group is kept; a text that does not match is a fault of the row."""
    drop: str | None = None
    """Regular expression; whatever matches is removed."""

    def __post_init__(self):
        for pattern, groups in ((self.pick, 1), (self.drop, None)):
            compiled(pattern or "", f"column {self.of!r}", groups if pattern else None)

    @cached_property
    def names(self) -> list[str]:
        """The columns that must be there."""
        return re.findall(r"\{([^{}]+)\}", self.of) or [self.of]

    def __call__(self, row: Row, read: Callable[[Any, str], str] = text_of) -> str:
        """The field's text, stripped; "" where the row has nothing. `read` makes text of a cell. Raises RowFault."""
        values = {name: read(cell(row, name), name) for name in self.names}
        if "{" in self.of:  # one pass over the mapping's text, so that braces inside the data stay as they are
            text = re.sub(r"\{([^{}]+)\}", lambda match: values[match[1]], self.of).strip()
        else:
            text = values[self.of]
        return self.cut(text)

    def cut(self, text: str) -> str:
        """The part of a text that is picked, without what is dropped, stripped. Raises RowFault."""
        if self.pick and text:
            match = re.search(self.pick, text)
            if match is None:
                raise RowFault(f"{self.of} {head(text)} does not match {self.pick!r}")
            text = match[1]
        return re.sub(self.drop, "", text).strip() if self.drop else text.strip()


@dataclass(frozen=True)
class Fields:
    """Which columns make a Question; a bare string is ``Column(of=string)``.

    Example: ``Fields(text="{Body} {Question}", answer="Answer")`` for SVAMP.
    """

    text: Column | str
    """Text, or messages: the last one is the user's question, those before it go to ``details["turns"]``, behind what
    the columns `system` and `history` hold, where the row has them."""
    answer: Column | str | None
    """None for prompts that have no right answer, as those for helpfulness and harmlessness."""
    solution: Column | str | None = None
    level: Column | str | None = None
    """Its text must be a whole number from 1 to 5."""
    id: Column | str | None = None
    """None: the file's name and the row's number."""
    details: tuple[str, ...] = ()
    """Columns kept as they are, under their own names; a cell without a value gives no detail."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Details that are the same for all rows: ``{"kind": "roles"}`` names the rule of a puzzle's answer."""
    domain: str = "math"
    """The same for all rows."""
    language: Column | str = "en"
    """A bare string is the language of all rows, a Column is read."""
    system: bool = True
    """False leaves out system prompts, for which plain templates have no place."""

    def __post_init__(self):
        if "turns" in self.details:
            raise ConfigError(
                "A detail cannot be named turns: the messages before a question have that name.",
                f"details={list(self.details)}",
                "Rename the column.",
            )

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The fields that are read, by name."""
        given = {name: getattr(self, name) for name in ("text", "answer", "solution", "level", "id")}
        given["language"] = self.language if isinstance(self.language, Column) else None
        return {name: Column(c) if isinstance(c, str) else c for name, c in given.items() if c is not None}

    @cached_property
    def names(self) -> set[str]:
        """The columns that must be there."""
        return {name for column in self.columns.values() for name in column.names} | set(self.details)

    def __call__(self, row: Row, place: str, source: str) -> Question:
        """The row's Question; `place` ("train:17") names it within its source where no column does."""
        columns = {name: column for name, column in self.columns.items() if name != "text"}
        read = {name: column(row, _READ.get(name, text_of)) for name, column in columns.items()}
        turns, text = self._asked(row)
        if not text:
            raise RowFault("the question's text is empty")
        if self.domain in ("math", "stem") and (found := json_text(read.get("answer", ""))):
            raise RowFault(f"the answer is JSON: {found}. Name the key or place in it: {self.columns['answer'].of}.KEY")
        if read.get("answer") == "":
            raise RowFault(f"the question has no answer: {head(text)}")
        level = read.get("level") or None
        if level is not None and level not in tuple("12345"):
            raise RowFault(f"level {level!r} is not a whole number from 1 to 5")
        return Question(
            id=f"{source}/{read.get('id') or place}" if source else read.get("id") or place,
            text=text,
            answer=read.get("answer", ""),
            domain=self.domain,
            language=read.get("language") or str(self.language),
            level=int(level) if level else None,
            source=source,
            solution=read.get("solution") or None,
            details={
                **self.constants,
                **{name: value for name in self.details if (value := cell(row, name)) is not None},
                **({"turns": turns} if turns else {}),
            },
        )

    def asked(self, row: Row) -> list[Message]:
        """The messages of the question, its own the last; none where it is a text. Raises RowFault."""
        of = self.columns["text"].of
        value = listed(cell(row, of), of) if "{" not in of else None
        return messages_of(value, of) if is_messages(value) else []

    def before(self, row: Row) -> list[Message]:
        """What columns that the mapping does not name say before the question. Raises RowFault."""
        return before_of(row, [name.partition(".")[0] for name in self.names])

    def _asked(self, row: Row) -> tuple[list[Message], str]:
        """The messages before the question, and the question's text."""
        column, turns = self.columns["text"], self.asked(row)
        if turns and turns[-1]["role"] != "user":
            role = turns[-1]["role"]
            raise RowFault(f"{column.of} ends with a message of the {role}; the last one must be the user's")
        text = column.cut(turns.pop()["content"]) if turns else column(row)
        turns = joined(self.before(row), turns, column.of)
        return [turn for turn in turns if self.system or turn["role"] != "system"], text


_NUMBERS = partial(text_of, numbers=True)
_READ = {"answer": answer_of, "level": _NUMBERS, "id": _NUMBERS}
"""How fields are read that may be numbers."""


def read_questions(
    path: str | Path, fields: Fields, source: str = "", where: Mapping[str, str] | None = None
) -> list[Question]:
    """All questions of a file or of a split of the hub, in the order of the rows; see `read_rows`. Raises DataError."""
    return read_rows(path, fields, source, where)[0]


def is_heldout(text: str, share: float) -> bool:
    """Whether a question belongs to the held-out `share` of its data set, by a hash of its words.

    Case and spaces do not count, so a question that stands twice stands on one side; nothing but the text counts,
    so the side never changes with order, seed or machine.
    """
    words = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") < share * 2**64
