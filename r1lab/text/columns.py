"""Rows of text in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]]) -> str:
    """Every column as wide as its widest text.

    >>> print(table([("node", "state"), ("r1zero", "done")]))
    node    state
    r1zero  done
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows)
