"""Text that others wrote, made fit for the record: every string that is stored or tokenized is valid UTF-8.

A Python string can hold half of a surrogate pair (``chr(0xD800)``), which is no character and has no UTF-8: Parquet,
tokenizers and files refuse it. Completions, reasons of scores and the like pass `valid` once, where they enter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

NO_UTF8 = "a text holds half of a surrogate pair (U+D800 to U+DFFF), which is no character"
"""What is wrong with a text that is not valid, in words."""
CUT = " ... (cut)"
"""Ends a text that was too long."""


def valid(text: str, limit: int | None = None) -> str:
    r"""The same text as UTF-8 can hold it, of at most `limit` characters.

    A whole surrogate pair becomes the character that it stands for, half a pair becomes U+FFFD.

    >>> valid("a\ud800b"), valid("\ud83d\ude00") == "\N{GRINNING FACE}", valid("7" * 99, limit=12)
    ('a\ufffdb', True, '77 ... (cut)')
    """
    if limit is not None and len(text) > limit:
        text = text[: limit - len(CUT)] + CUT
    return text if is_valid(text) else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_valid(text: str) -> bool:
    """Whether UTF-8 can hold the text."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def all_valid(value: Any) -> bool:
    """Whether UTF-8 can hold every string in a value: in its fields, its items, its keys."""
    if isinstance(value, str):
        return is_valid(value)
    if is_dataclass(value):
        return all(all_valid(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, Mapping):
        return all(all_valid(key) and all_valid(item) for key, item in value.items())
    return not isinstance(value, (list, tuple, set, frozenset)) or all(map(all_valid, value))
