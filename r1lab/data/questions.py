"""Rows of a file or of a hub data set -> Questions, by a field mapping that is written in YAML."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from r1lab.data.hub import HUB, hub_rows
from r1lab.errors import DataError
from r1lab.types import Question

SHOWN_FAULTS = 10
SHOWN_CHARS = 60

Row = Mapping[str, Any]


class RowFault(Exception):
    """What is wrong with one row; collected and reported together with the others."""


@dataclass(frozen=True)
class Column:
    """How one field is read from a row: take the text, pick a part of it, drop what disturbs.

    Example: ``Column("answer", pick=r"#### (.+)", drop=",")`` reads "1080" from "12 * 90 = 1080 #### 1,080".
    """

    of: str
    """A column's name, or a text with columns in braces: ``"{Body} {Question}"``."""
    pick: str | None = None
    """Regular expression whose one group is kept; a text that does not match is a fault of the row."""
    drop: str | None = None
    """Regular expression; whatever matches is removed."""

    def __post_init__(self):
        for pattern, groups in ((self.pick, 1), (self.drop, None)):
            _compiled(pattern or "", f"column {self.of!r}", groups if pattern else None)

    @cached_property
    def names(self) -> list[str]:
        """The columns that must be there."""
        return re.findall(r"\{([^{}]+)\}", self.of) or [self.of]

    def __call__(self, row: Row) -> str:
        """The field's text, stripped; "" where the row has nothing."""
        values = {name: _as_text(row[name]) for name in self.names}
        if "{" in self.of:  # one pass over the mapping's text, so that braces inside the data stay as they are
            text = re.sub(r"\{([^{}]+)\}", lambda match: values[match[1]], self.of).strip()
        else:
            text = values[self.of]
        if self.pick and text:
            match = re.search(self.pick, text)
            if match is None:
                raise RowFault(f"{self.of} {_head(text)} does not match {self.pick!r}")
            text = match[1]
        return re.sub(self.drop, "", text).strip() if self.drop else text.strip()


@dataclass(frozen=True)
class Fields:
    """Which columns make a Question; a bare string is ``Column(of=string)``.

    Example: ``Fields(text="{Body} {Question}", answer="Answer")`` for SVAMP.
    """

    text: Column | str
    answer: Column | str
    solution: Column | str | None = None
    level: Column | str | None = None
    """Its text must be a whole number from 1 to 5."""
    id: Column | str | None = None
    """None: the file's name and the row's number."""
    details: tuple[str, ...] = ()
    """Columns kept as they are, under their own names."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Details that are the same for all rows: ``{"kind": "roles"}`` names the rule of a puzzle's answer."""
    domain: str = "math"
    """The same for all rows."""
    language: str = "en"
    """The same for all rows."""

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The fields that are read, by name."""
        given = {name: getattr(self, name) for name in ("text", "answer", "solution", "level", "id")}
        return {name: Column(c) if isinstance(c, str) else c for name, c in given.items() if c is not None}

    @cached_property
    def names(self) -> set[str]:
        """The columns that must be there."""
        return {name for column in self.columns.values() for name in column.names} | set(self.details)

    def __call__(self, row: Row, place: str, source: str) -> Question:
        """The row's Question; `place` ("train:17") names it within its source where no column does."""
        read = {name: column(row) for name, column in self.columns.items()}
        if not read["text"]:
            raise RowFault("the question's text is empty")
        if not read["answer"]:
            raise RowFault(f"the question has no answer: {_head(read['text'])}")
        level = read.get("level") or None
        if level is not None and level not in tuple("12345"):
            raise RowFault(f"level {level!r} is not a whole number from 1 to 5")
        return Question(
            id=f"{source}/{read.get('id') or place}" if source else read.get("id") or place,
            text=read["text"],
            answer=read["answer"],
            domain=self.domain,
            language=self.language,
            level=int(level) if level else None,
            source=source,
            solution=read.get("solution") or None,
            details={**self.constants, **{name: row[name] for name in self.details}},
        )


def read_questions(
    path: str | Path, fields: Fields, source: str = "", where: Mapping[str, str] | None = None
) -> list[Question]:
    """All questions of a file (.jsonl, .jsonl.gz, .parquet) or of a split of the hub, in the order of the rows.

    `where` keeps only the rows whose columns match in full: ``{"type": "Addition|Subtraction"}``.
    All faults of the file are reported at once, each with its line.

    Raises:
        DataError: no such file, folder, hub data set or column; a broken row; no row, or none left by `where`.
    """
    path, where = str(path), dict(where or {})
    filters = {name: _compiled(pattern, f"where.{name}") for name, pattern in where.items()}
    stem, needed = Path(path).name.split(".")[0], fields.names | set(where)
    questions, faults, num_rows = [], [], 0
    for place, row in _rows(path):
        num_rows += 1
        try:
            if isinstance(row, RowFault):
                raise row
            missing = sorted(needed.difference(row))
            if missing and not questions and not faults:  # the mapping is wrong, not the row
                raise _missing_columns(path, missing, row)
            if missing:
                raise RowFault(f"no column {', '.join(missing)}; it has {', '.join(sorted(row))}")
            if all(pattern.fullmatch(_as_text(row[name])) for name, pattern in filters.items()):
                questions.append(fields(row, f"{stem}:{num_rows}", source))
        except RowFault as fault:
            faults.append(f"{place}: {fault}")
    if faults:
        more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise DataError(
            f"{len(faults)} of {num_rows} rows of {path} cannot be read.",
            "\n         ".join(faults[:SHOWN_FAULTS] + more),
            "Mend or remove these rows, or correct the source's fields.",
        )
    if not questions:
        found = f"{num_rows} rows, of which where={where} keeps none" if num_rows else "0 rows"
        raise DataError(f"{path} gives no questions.", found, "Loosen the source's where, or give another file.")
    return questions


def is_heldout(text: str, share: float) -> bool:
    """Whether a question belongs to the held-out `share` of its data set, by a hash of its words.

    Case and spaces do not count, so a question that stands twice stands on one side; nothing but the text counts,
    so the side never changes with order, seed or machine.
    """
    words = " ".join(text.casefold().split())
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big") < share * 2**64


def _rows(path: str) -> Iterator[tuple[str, Row | RowFault]]:
    """The rows with their places ("line 17"), a fault instead of a row where one line is broken."""
    if path.startswith(HUB):
        return hub_rows(path)
    file = existing(path)
    if file.name.endswith(".parquet"):
        return _parquet_rows(file)
    if file.name.endswith((".jsonl", ".jsonl.gz")):
        return _json_rows(file)
    raise DataError(f"{file} is of no readable kind.", file.name, "Give a .jsonl, .jsonl.gz or .parquet file.")


def _json_rows(file: Path) -> Iterator[tuple[str, Row | RowFault]]:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"line {number}", _json_row(line)
    except (OSError, EOFError) as error:  # a gzip stream cut in the middle raises EOFError
        raise DataError(f"{file} cannot be read to its end.", str(error), "Fetch the file again.") from error


def _json_row(line: bytes) -> Row | RowFault:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return RowFault(f"not UTF-8 (byte {error.start + 1}): {_head(line.decode('utf-8', 'replace'))}")
    except json.JSONDecodeError as error:
        return RowFault(f"not JSON ({error.msg}, column {error.colno}): {_head(error.doc)}")
    return row if isinstance(row, dict) else RowFault(f"not a JSON object: {_head(line.decode())}")


def _parquet_rows(file: Path) -> Iterator[tuple[str, Row]]:
    import pyarrow
    import pyarrow.parquet

    try:
        batches = pyarrow.parquet.ParquetFile(file).iter_batches()
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a whole Parquet file.", str(error), "Fetch the file again.") from error


def existing(path: str | Path) -> Path:
    """The file of a path; DataError where it is not, with what there is beside it."""
    file, folder = Path(path), Path(path).parent
    if file.is_file():
        return file
    if folder.is_dir():
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())[:SHOWN_FAULTS]) or "nothing"
        found = f"{folder} holds {there}"
    else:
        found = f"no folder {folder} (seen from {Path.cwd()})"
    raise DataError(f"There is no file {file.name} to read questions from.", found, "mix.path=FOLDER_WITH_THE_DATA")


def _missing_columns(path: str, missing: list[str], row: Row) -> DataError:
    return DataError(
        f"{path} has no column {', '.join(missing)}.",
        f"columns {', '.join(sorted(row))}",
        "Name the columns that are there in the source's fields or where.",
    )


def _compiled(pattern: str, owner: str, groups: int | None = None) -> re.Pattern[str]:
    """The compiled pattern; groups: how many it must have."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"The pattern of {owner} is not a regular expression.", f"{pattern!r}: {error}") from error
    if groups is not None and compiled.groups != groups:
        raise DataError(
            f"The pattern of {owner} needs exactly {groups} group.",
            f"{pattern!r} has {compiled.groups}",
            "Put the part to keep in ( ), other groups in (?: ).",
        )
    return compiled


def _as_text(value: Any) -> str:
    """A cell as text: 43.0 is "43", nothing (None, NaN) is ""."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _head(text: str, limit: int = SHOWN_CHARS) -> str:
    """The beginning of a text on one line, quoted."""
    line = " ".join(text.split())
    return repr(line if len(line) <= limit else line[:limit] + "...")
