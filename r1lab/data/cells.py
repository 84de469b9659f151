"""What one cell of a row says: found by a path, read as text, as an answer or as messages."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

SHOWN_CHARS = 60
SAFE_INTEGERS = 2**53
"""A double holds every integer up to here, and not every one beyond."""
FLOAT_DIGITS = 15
"""Decimal digits that a double keeps; what follows them is noise, as in 0.30000000000000004."""
ROLES = ("system", "user", "assistant")
RENAMED = {"human": "user", "gpt": "assistant"}
"""Roles as ShareGPT names them."""

Message = dict[str, str]
"""``{"role": "user", "content": "What is 3+4?"}``."""


class RowFault(Exception):
    """What is wrong with one row; collected and reported together with the others."""


def has_path(row: Mapping[str, Any], path: str) -> bool:
    """Whether a row has what a path leads to."""
    try:
        cell(row, path)
    except RowFault:
        return False
    return True


def cell(row: Mapping[str, Any], path: str) -> Any:
    """What a path leads to: a column, or keys and places below it, ``reward_model.ground_truth``, ``turns.0.value``.

    A column whose own name holds a dot comes first. A text on the way is read as JSON.

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
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise RowFault(f"{path} leads into {head(value)}, which is no JSON") from None
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
        if abs(value) >= SAFE_INTEGERS:
            raise RowFault(f"{path} is {value!r}, which a double cannot hold to the last digit. Write it as text.")
        whole = float(value).is_integer()
        written = str(int(value)) if whole else f"{Decimal(f'{float(value):.{FLOAT_DIGITS}g}'):f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


def messages_of(value: Any, path: str) -> list[Message]:
    """The messages of a cell, in order, each with its role and its text.

    ``role`` and ``content``, or ShareGPT's ``from`` and ``value``; a content may be a list of text parts.

    Raises:
        RowFault: an unknown role, a content without text, a picture, a call of a tool, a system prompt behind others.
    """
    messages = [_message(item, f"{path}[{place}]") for place, item in enumerate(value)]
    for place, message in enumerate(messages):
        if message["role"] == "system" and place:
            raise RowFault(f"{path}[{place}] is a system prompt behind other messages")
    return messages


def is_messages(value: Any) -> bool:
    """Whether a cell holds messages: a list of objects that have a role each."""
    return isinstance(value, (list, tuple)) and any(isinstance(m, Mapping) and {"role", "from"} & set(m) for m in value)


def _message(item: Any, path: str) -> Message:
    if not isinstance(item, Mapping):
        raise RowFault(f"{path} is {described(item)}, no message")
    role = item.get("role", item.get("from"))
    role = RENAMED.get(role, role) if isinstance(role, str) else role
    if not isinstance(role, str) or role not in ROLES:
        raise RowFault(f"{path} has the role {role!r}; it can be {', '.join(ROLES)}")
    if item.get("tool_calls"):
        raise RowFault(f"{path} calls a tool; tools are not supported")
    content = item.get("content", item.get("value"))
    if isinstance(content, (list, tuple)):
        content = "".join(_part(part, path) for part in content)
    if not isinstance(content, str) or not content.strip():
        raise RowFault(f"{path} has no text: its content is {described(content)}")
    return {"role": role, "content": content.strip()}


def _part(part: Any, path: str) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, Mapping) else described(part)
    raise RowFault(f"{path} has a part that is no text: {kind}")


def as_json(text: str) -> Any:
    """What a JSON text says; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_text(text: str) -> str:
    """What a text holds that is JSON and no answer, in words: an object, or a list of texts; "" for all others.

    >>> json_text('{"ground_truth": "17"}'), json_text("[1, 2]"), json_text("{1, 2}")
    ("an object with the keys ground_truth: '17'", '', '')
    """
    value = as_json(text) if text[:1] in ("{", "[") else None
    texts = isinstance(value, list) and any(isinstance(item, (str, dict)) for item in value)
    return described(value) if texts or (isinstance(value, dict) and value) else ""


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
