"""What one cell of a row says: found by a path, read as text or as an answer."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

SHOWN_CHARS = 60
SAFE_INTEGERS = 2**53
"""A double holds every integer up to here, and not every one beyond."""
FLOAT_DIGITS = 15
"""Decimal digits that a double keeps; what follows them is noise, as in 0.30000000000000004."""
LITERAL_CHARS = 1_000_000
"""A longer text is not read as Python prints lists and objects."""


class Single(float):
    """A number of single precision, as the shortest decimal that it stands for: 0.1, not 0.10000000149011612."""

    SAFE_INTEGERS = 2**24
    """It holds every integer up to here, and not every one beyond."""


class Half(Single):
    """The same of half precision."""

    SAFE_INTEGERS = 2**11


class RowFault(Exception):
    """What is wrong with one row; collected and reported together with the others."""


def cell(row: Mapping[str, Any], path: str) -> Any:
    """What a path leads to: a column, or keys and places below it, ``reward_model.ground_truth``, ``turns.0.value``.

    A column whose own name holds a dot comes first. A text on the way is read as JSON, or as
    Python prints lists and objects.

    Raises:
        RowFault: it leads nowhere; the keys that are there are named.
    """
    if path in row:
        return row[path]
    name, *below = path.split(".")
    if name not in row:
        raise RowFault(f"no column {path}; it has {', '.join(sorted(map(str, row)))}")
    value = row[name]
    for key in below:
        value = _step(value, key, path)
    return value


def _step(value: Any, key: str, path: str) -> Any:
    if isinstance(value, str):
        text, value = value, parsed(value)
        if value is None:
            raise RowFault(f"{path} leads into {head(text)}, which is no JSON")
    if isinstance(value, Mapping) and key in value:
        return value[key]
    if isinstance(value, (list, tuple)) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    there = ", ".join(map(str, value)) if isinstance(value, Mapping) else described(value)
    raise RowFault(f"{path}: there is no {key} in {there}")


def text_of(value: Any, path: str, numbers: bool = False) -> str:
    """A cell as text, stripped; "" where the row has nothing (None, NaN). With `numbers` a number is one, too.

    Raises:
        RowFault: it is no text.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value.strip()
    if numbers and isinstance(value, (Real, Decimal)) and not isinstance(value, bool):
        return number_text(value, path)
    raise RowFault(f"{path} is {described(value)}, not text.{_way_in(value, path)}")


def answer_of(value: Any, path: str) -> str:
    """A cell as a gold answer: text, or a number as people write it; a bool is "True" or "False".

    Raises:
        RowFault: it is a list, an object, or a number that cannot be written exactly.
    """
    if isinstance(value, bool):
        return str(value)
    text = text_of(value, path, numbers=True)
    if re.fullmatch(r"-?\d+\.\d+", text) and len(text.strip("-0.").replace(".", "")) > FLOAT_DIGITS:
        # 0.30000000000000004 is how a program writes the double that people write as 0.3
        return number_text(float(text), path) if repr(float(text)) == text else text
    return text


def number_text(value: Real | Decimal, path: str) -> str:
    """A number as people write it, without an exponent.

    >>> number_text(43.0, "answer"), number_text(0.1 + 0.2, "answer"), number_text(1e-7, "answer")
    ('43', '0.3', '0.0000001')
    """
    if isinstance(value, Integral):
        return str(int(value))
    if not math.isfinite(value):
        raise RowFault(f"{path} is {value}, no number")
    if isinstance(value, Decimal):
        written = f"{value:f}"
    else:
        if isinstance(value, Single) and abs(value) > value.SAFE_INTEGERS:
            kind = type(value).__name__.lower()
            raise RowFault(
                f"{path} is about {value:g}; {kind} precision does not hold its last digit. Write it as text."
            )
        if abs(value) >= SAFE_INTEGERS:
            raise RowFault(f"{path} is {value!r}, which a double cannot hold to the last digit. Write it as text.")
        whole = float(value).is_integer()
        written = str(int(value)) if whole else f"{Decimal(f'{float(value):.{FLOAT_DIGITS}g}'):f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


def parsed(text: str) -> Any:
    """What a text says that is JSON, or a list or an object as Python prints it; None where it is neither.

    >>> parsed('[{"role": "user"}]'), parsed("[{'role': 'user'}]"), parsed("x"), parsed("{1, 2}")
    ([{'role': 'user'}], [{'role': 'user'}], None, None)
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) > LITERAL_CHARS or text.lstrip()[:1] not in ("[", "{"):
        return None
    try:
        with warnings.catch_warnings(action="ignore"):  # of backslashes that are no escapes
            found = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return found if isinstance(found, (list, dict)) else None


def json_text(text: str) -> str:
    """What a text holds that is JSON or Python and no answer, in words: an object, a list of texts; "" for all others.

    >>> json_text('{"ground_truth": "17"}'), json_text("[1, 2]"), json_text("{1, 2}")
    ("an object with the keys ground_truth: '17'", '', '')
    """
    value = parsed(text) if text[:1] in ("{", "[") else None
    texts = isinstance(value, list) and any(isinstance(item, (str, dict)) for item in value)
    return described(value) if texts or (isinstance(value, dict) and value) else ""


def is_empty(value: Any) -> bool:
    """Whether a cell says nothing: nothing, false, a number that is none, an empty list, or a text that says so.

    >>> [is_empty(value) for value in (None, float("nan"), [], " ", "{}", "null", 0, "no", [None])]
    [True, True, True, True, True, True, False, False, False]
    """
    if isinstance(value, str):
        text = value.strip()
        return text in ("", "null", "None") or (text[:1] in ("[", "{") and parsed(text) in ([], {}))
    if isinstance(value, (list, tuple, Mapping)):
        return not value
    return value is None or value is False or (isinstance(value, float) and math.isnan(value))


def described(value: Any) -> str:
    """A value in a few words.

    >>> described(None), described({"ground_truth": "17"}), described([1, 2]), described(3.5)
    ('nothing', "an object with the keys ground_truth: '17'", 'a list of 2: 1, 2', 'the number 3.5')
    """
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return f"the text {head(value)}" if value.strip() else "an empty text"
    if isinstance(value, Mapping):
        return f"an object with the keys {_short(', '.join(f'{key}: {item!r}' for key, item in value.items()))}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}: {_short(', '.join(map(repr, value)))}"
    if isinstance(value, (Real, Decimal)) and not isinstance(value, bool):
        return f"the number {value}"
    return f"{type(value).__name__} {_short(repr(value))}"


def head(text: str, limit: int = SHOWN_CHARS) -> str:
    """The beginning of a text on one line, quoted."""
    return repr(_short(" ".join(text.split()), limit))


def _short(text: str, limit: int = SHOWN_CHARS) -> str:
    return text if len(text) <= limit else text[:limit] + "..."


def _way_in(value: Any, path: str) -> str:
    """What to type where the text lies deeper."""
    if isinstance(value, Mapping) and value:
        keys = [key for key, item in value.items() if isinstance(item, (str, int, float))]
        likely = [key for key in ("ground_truth", "answer", "content", "value", "text") if key in keys]
        return f" Name the key: {path}.{next(iter(likely or keys or value))}"
    return " Name one of its places: " + f"{path}.0" if isinstance(value, (list, tuple)) and value else ""
