"""Rows of a Parquet file or of an Arrow table, with the numbers and texts that were meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from r1lab.data.cells import Half, RowFault, Single
from r1lab.errors import DataError


def parquet_rows(file: Path) -> Iterator[tuple[str, Mapping[str, Any] | RowFault]]:
    """The rows with their places ("row 17"), a fault in the place of one whose text is not UTF-8. Raises DataError."""
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(file).iter_batches():
            for row in rows_of(batch):
                number += 1
                yield f"row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{file} is not a whole Parquet file.", str(error), "Fetch the file again.") from error


def rows_of(batch: Any) -> Iterator[Mapping[str, Any] | RowFault]:
    """The rows of an Arrow table or batch, a fault in the place of one whose text is not UTF-8."""
    narrow = [field for field in batch.schema if _has_floats(field.type)]
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError:  # found out row by row, which is slow
        rows = [_row(batch.slice(place, 1)) for place in range(len(batch))]
    for row in rows:
        if not isinstance(row, RowFault):
            row |= {field.name: _widened(row[field.name], field.type) for field in narrow}
        yield row


def _row(batch: Any) -> Mapping[str, Any] | RowFault:
    row = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            row[name] = column.to_pylist()[0]
        except UnicodeDecodeError as error:
            return RowFault(f"{name} is not UTF-8 (byte {error.start + 1})")
    return row


def _has_floats(kind: Any) -> bool:
    """Whether numbers of less than a double's precision stand in a column, at any depth."""
    import pyarrow.types as types

    below = [kind.field(place).type for place in range(kind.num_fields)]
    return types.is_float32(kind) or types.is_float16(kind) or any(map(_has_floats, below))


def _widened(value: Any, kind: Any) -> Any:
    """A value whose narrow floats are the shortest numbers that they stand for: 0.1, not 0.10000000149011612."""
    import numpy
    import pyarrow.types as types

    if value is None or not _has_floats(kind):
        return value
    if types.is_float32(kind) or types.is_float16(kind):
        return Single(str(numpy.float32(value))) if types.is_float32(kind) else Half(str(numpy.float16(value)))
    if types.is_struct(kind):
        fields = [kind.field(place) for place in range(kind.num_fields)]
        return {field.name: _widened(value[field.name], field.type) for field in fields}
    if types.is_map(kind):
        return [(key, _widened(item, kind.item_type)) for key, item in value]
    return [_widened(item, kind.value_type) for item in value]
