"""Text that others wrote, made fit for the record: every string that is stored or tokenized is valid UTF-8.

A Python string can hold half of a surrogate pair (``chr(0xD800)``), which is no character and has no UTF-8: Parquet,
tokenizers and files refuse it. Completions, reasons of scores and the like pass `valid` once, where they enter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What a terminal or a page obeys and does not show: control characters but tab and newline, directions of writing,
separators of lines, spaces without width, tags."""
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


def python_escape(character: str) -> str:
    """An unseen character as Python writes it."""
    return character.encode("unicode_escape").decode()


def json_escape(character: str) -> str:
    """An unseen character as JSON writes it."""
    return json.dumps(character)[1:-1] if character != "\x7f" else "\\u007f"


def shown(text: str, escape: Callable[[str], str] = python_escape) -> str:
    r"""Text that leaves for a person: what a terminal would obey is written out; newlines and tabs stay.

    >>> print(shown("\x1b[2J\u202eabc\r"))
    \x1b[2J\u202eabc\r
    """
    if text.isascii() and text.isprintable():
        return text
    return UNSEEN.sub(lambda found: escape(found[0]), text)
