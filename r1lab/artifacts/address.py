"""The address of an artifact or a run: a hash of what it is made from."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from pathlib import PurePath
from typing import Any

from r1lab.config.reference import is_reference

OWN = "r1lab."
CLASS_KEYS = ("_target_", "class")
"""Where a configuration names a class; of one of r1lab the last word counts, so that moving a file changes nothing."""
NEUTRAL = {"trust_remote_code": False}
"""Settings that change nothing at this value: left out, so that runs from before they existed keep their addresses."""


def address(payload: Mapping[Any, Any]) -> str:
    """Return 12 hex digits that name `payload`: blake2b over its canonical JSON.

    Canonical means: keys by their text and sorted, so the order of a mapping does not matter (that of a list does);
    floats by ``repr``, so 0.1 and 0.10 agree and 1 and 1.0 do not; paths as strings; tuples as lists; classes of r1lab
    by their last word; settings at the value that NEUTRAL names left out. Hence the address survives a round trip
    through a JSON or YAML file and a move of r1lab's files.

    Raises TypeError for a value that has no canonical text (a tensor, a function) and ValueError for two keys with
    the same text (0 and "0").

    >>> address({"lr": 3e-6, "clip": [0.2, 10]}) == address({"clip": (0.2, 10), "lr": 0.000003})
    True
    """
    text = json.dumps(_canonical(payload, "payload"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return blake2b(text.encode(), digest_size=6).hexdigest()


def output_address(run: str, kind: str) -> str:
    """Return the address of what a run makes of that kind: known before the run has begun."""
    return address({"run": run, "kind": kind})


def is_named_by_content(folder: str | PurePath) -> bool:
    """Return whether the folder is an artifact's, whose name says what it holds.

    >>> is_named_by_content("outputs/artifacts/policy/0f3a5c11d2e4"), is_named_by_content("models/202411260619")
    (True, False)
    """
    return re.search(r"(^|/)artifacts/[a-z_]+/[0-9a-f]{12}$", PurePath(folder).as_posix()) is not None


def is_artifact(source: str) -> bool:
    """Return whether a source is an artifact, by its name or its folder: its address says what it holds."""
    return is_reference(source) or is_named_by_content(source)


def _canonical(value: Any, where: str) -> Any:
    if isinstance(value, Enum):
        return _canonical(value.value, where)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        pairs = {str(key): _canonical(_kind(key, entry), f"{where}.{key}") for key, entry in value.items()}
        if len(pairs) < len(value):
            raise ValueError(f"{where} has two keys with the same text: {sorted(map(str, value))}")
        return {key: entry for key, entry in pairs.items() if key not in NEUTRAL or entry is not NEUTRAL[key]}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [_canonical(entry, f"{where}[{i}]") for i, entry in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}; an address takes mappings, lists, text, numbers and paths")


def _kind(key: Any, value: Any) -> Any:
    named = key in CLASS_KEYS and isinstance(value, str) and value.startswith(OWN)
    return value.rpartition(".")[2] if named else value
