"""How values travel out of the sandbox and into it: as data, never as pickles.

The text of this file is part of programs that run in the sandbox; it imports the standard library alone.
"""

import itertools
import math
from collections import Counter, deque
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

_SMALL = 1 << 53
_MAX_ITEMS = 1_000_000
_MAX_DIGITS = 5000


def _refuse(value):
    raise TypeError(f"{type(value).__name__} is no plain data")


def encode(value, other=_refuse):
    """``value`` as JSON that keeps types: a tuple is {"t": [...]}. Errors: TypeError for what is no plain data.

    ``other`` encodes what is of no built-in type. Subclasses travel as the type that they are made of.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value) if -_SMALL < value < _SMALL else {"i": hex(value)}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"f": repr(float(value))}
    if isinstance(value, complex):
        return {"c": [encode(value.real), encode(value.imag)]}
    if isinstance(value, (bytes, bytearray)):
        return {"b": value.hex()}
    if isinstance(value, list):
        return [encode(item, other) for item in value]
    for tag, kind in (("t", tuple), ("s", set), ("S", frozenset)):
        if isinstance(value, kind):
            return {tag: [encode(item, other) for item in value]}
    if isinstance(value, dict):
        return {"d": [[encode(key, other), encode(item, other)] for key, item in value.items()]}
    return other(value)


def encode_argument(value):
    """As ``encode``, with what the standard library has for data: ranges, deques, fractions, decimals, dict views."""
    return encode(value, _standard)


def encode_result(value):
    """As ``encode_argument``; of an iterator, such as a generator, the items travel."""
    return encode(value, _consumed)


def _standard(value, other=None):
    other = other or _standard
    if isinstance(value, range):
        return {"r": [encode(part) for part in (value.start, value.stop, value.step)]}
    if isinstance(value, Fraction):
        return {"F": [encode(value.numerator), encode(value.denominator)]}
    if isinstance(value, Decimal):
        return {"D": str(value)}
    for tag, kind in (("q", deque), ("k", type({}.keys()))):
        if isinstance(value, kind):
            return {tag: [encode(item, other) for item in value]}
    if isinstance(value, (type({}.values()), type({}.items()))):
        return [encode(item, other) for item in value]
    return _refuse(value)


def _consumed(value):
    if not isinstance(value, Iterator):
        return _standard(value, _consumed)
    items = list(itertools.islice(value, _MAX_ITEMS + 1))
    if len(items) > _MAX_ITEMS:
        raise TypeError(f"a {type(value).__name__} without end is no plain data")
    return {"g": [encode(item, _consumed) for item in items]}


def decode(data):
    """The value behind ``encode``'s JSON, of types of Python and its library. Errors: ValueError, TypeError."""
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    ((tag, content),) = data.items()
    if tag == "i":
        return int(content, 16)
    if tag == "f":
        return float(content)
    if tag == "b":
        return bytes.fromhex(content)
    if tag == "D":
        return Decimal(content[:_MAX_DIGITS])
    items = [decode(item) for item in content]
    keys = [key for key, _ in items] if tag == "d" else items if tag in "sSk" else []
    if len(keys) > 100 and Counter(map(hash, keys)).most_common(1)[0][1] > 100:
        raise ValueError("keys chosen to collide: a set of them takes hours")
    if tag == "d":
        return dict(items)
    if tag == "F" and any(abs(part) >> 4 * _MAX_DIGITS for part in items):
        raise ValueError("a fraction of numbers that take long to divide")
    return _MAKERS[tag](items)


_MAKERS = {
    "t": tuple,
    "s": set,
    "S": frozenset,
    "c": lambda parts: complex(*parts),
    "r": lambda parts: range(*parts),
    "F": lambda parts: Fraction(*parts),
    "q": deque,
    "k": lambda items: dict.fromkeys(items).keys(),
    "g": iter,
}
