"""How values travel out of the sandbox and into it: as data, never as pickles.

The text of this file is part of programs that run in the sandbox; it imports the standard library alone.
"""

import math
from collections import Counter

_SMALL = 1 << 53


def encode(value):
    """``value`` as JSON that keeps types: a tuple is {"t": [...]}. Errors: TypeError for what is no plain data."""
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
        return [encode(item) for item in value]
    for tag, kind in (("t", tuple), ("s", set), ("S", frozenset)):
        if isinstance(value, kind):
            return {tag: [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"d": [[encode(key), encode(item)] for key, item in value.items()]}
    raise TypeError(f"{type(value).__name__} is no plain data")


def decode(data):
    """The value behind ``encode``'s JSON, of built-in types and nothing else. Errors: ValueError, TypeError."""
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
    items = [decode(item) for item in content]
    keys = [key for key, _ in items] if tag == "d" else items if tag in "sS" else []
    if len(keys) > 100 and Counter(map(hash, keys)).most_common(1)[0][1] > 100:
        raise ValueError("keys chosen to collide: a set of them takes hours")
    if tag == "d":
        return dict(items)
    return {"t": tuple, "s": set, "S": frozenset, "c": lambda parts: complex(*parts)}[tag](items)
