"""Rows of a file or of a hub data set -> whatever a field mapping makes of them; all faults are told at once."""

from __future__ import annotations

import gzip
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from r1lab.characters import NO_UTF8, all_valid
from r1lab.data.cells import RowFault, cell, head, number_text
from r1lab.data.hub import HUB, hub_rows
from r1lab.data.parquet import parquet_rows
from r1lab.errors import DataError

SHOWN_FAULTS = 10

Row = Mapping[str, Any]
T = TypeVar("T", covariant=True)


class LeftOut(Exception):
    """Why a row that can be read is not used: ``LeftOut(id, reason)``."""


class RowFields(Protocol[T]):
    """Makes something of a row."""

    @property
    def names(self) -> set[str]:
        """The columns, or paths into columns, that must be there."""
        ...

    def __call__(self, row: Row, place: str, source: str) -> T:
        """What the row is; `place` ("train:17") names it within its source. Raises RowFault, LeftOut."""
        ...


def read_rows(
    path: str | Path, fields: RowFields[T], source: str = "", where: Mapping[str, str] | None = None
) -> tuple[list[T], list[LeftOut]]:
    """What the rows of a file (.jsonl, .jsonl.gz, .parquet) or hub split are, in their order, and what is left out.

    `where` keeps only the rows whose columns match in full: ``{"type": "Addition|Subtraction"}``.
    All faults of the file are reported at once, each with its line; an id that stands twice is one.

    Raises:
        DataError: no such file, folder, hub data set or column; a broken row; no row, or none left by `where`.
    """
    path, where = str(path), dict(where or {})
    filters = {name: compiled(pattern, f"where.{name}") for name, pattern in where.items()}
    stem, needed = Path(path).name.split(".")[0], sorted(fields.names | set(where))
    found, left_out, faults, num_rows = [], [], [], 0
    places: dict[str, str] = {}
    for place, row in _rows(path):
        num_rows += 1
        try:
            if isinstance(row, RowFault):
                raise row
            absent = [name for name in needed if name not in row and name.partition(".")[0] not in row]
            if absent and not found and not faults:  # the mapping is wrong, not the row
                raise _missing_columns(path, absent, row)
            if absent:
                raise RowFault(f"no column {', '.join(absent)}; it has {', '.join(sorted(row))}")
            for name in needed:
                cell(row, name)  # says what there is below its column
            if all(pattern.fullmatch(as_text(cell(row, name))) for name, pattern in filters.items()):
                item = fields(row, f"{stem}:{num_rows}", source)
                if not all_valid(item):
                    raise RowFault(NO_UTF8)
                if (first := places.setdefault(item.id, place)) != place:
                    raise RowFault(f"the id {item.id} stands at {first}, too; ids must differ")
                found.append(item)
        except LeftOut as why:
            left_out.append(why)
        except RowFault as fault:
            faults.append(f"{place}: {fault}")
    if faults:
        wrong = f"{len(faults)} of {num_rows} rows of {path} cannot be read."
        raise DataError(wrong, first_of(faults), "Mend or remove these rows, or correct the source's fields.")
    if not found:
        kept = f"{num_rows} rows, of which where={where} keeps none" if num_rows else "0 rows"
        raise DataError(f"{path} gives no questions.", kept, "Loosen the source's where, or give another file.")
    return found, left_out


def first_of(faults: Sequence[str]) -> str:
    """The first faults, a line each, and how many more there are."""
    more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
    return "\n         ".join([*faults[:SHOWN_FAULTS], *more])


def object_of(text: str) -> Any:
    """What a JSON text says. Raises ValueError: it is none; RowFault: an object has a key twice."""
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise RowFault(f"the key {next(key for key in keys if keys.count(key) > 1)} stands twice in one object")
    return found


def _rows(path: str) -> Iterator[tuple[str, Row | RowFault]]:
    """The rows with their places ("line 17"), a fault instead of a row where one line is broken."""
    if path.startswith(HUB):
        return hub_rows(path)
    file = existing(path)
    if file.name.endswith(".parquet"):
        return parquet_rows(file)
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
        row = object_of(line.decode("utf-8-sig"))
    except RowFault as fault:
        return fault
    except UnicodeDecodeError as error:
        return RowFault(f"not UTF-8 (byte {error.start + 1}): {head(line.decode('utf-8', 'replace'))}")
    except RecursionError:
        return RowFault("nested too deep to be read")
    except json.JSONDecodeError as error:
        return RowFault(f"not JSON ({error.msg}, column {error.colno}): {head(error.doc)}")
    return row if isinstance(row, dict) else RowFault(f"not a JSON object: {head(line.decode())}")


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
    raise DataError(
        f"There is no file {file.name} to read questions from.",
        found,
        "mix.path=FOLDER_WITH_THE_DATA; or, for files of other names, mix.sources.NAME.train=FILE and .heldout=FILE",
    )


def _missing_columns(path: str, missing: list[str], row: Row) -> DataError:
    return DataError(
        f"{path} has no column {', '.join(missing)}.",
        f"columns {', '.join(sorted(row))}",
        "Name the columns that are there in the source's fields or where.",
    )


def compiled(pattern: str, owner: str, groups: int | None = None) -> re.Pattern[str]:
    """The compiled pattern; groups: how many it must have. Raises DataError."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DataError(f"The pattern of {owner} is not a regular expression.", f"{pattern!r}: {error}") from error
    if groups is not None and expression.groups != groups:
        raise DataError(
            f"The pattern of {owner} needs exactly {groups} group.",
            f"{pattern!r} has {expression.groups}",
            "Put the part to keep in ( ), other groups in (?: ).",
        )
    return expression


def as_text(value: Any) -> str:
    """A cell as `where` compares it: 43.0 is "43", nothing (None, NaN) is ""."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isfinite(value):
        return number_text(value, "where")
    return str(value).strip()
