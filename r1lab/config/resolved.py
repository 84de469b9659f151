"""Built components back as plain data: what addresses are computed from and records hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def plain_config(value: Any) -> Any:
    """Dataclasses as dicts with their class, containers as lists and dicts, paths as strings, the rest as it is.

    >>> plain_config({"a": (1, 2)})
    {'a': [1, 2]}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain_config(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"class": f"{type(value).__module__}.{type(value).__qualname__}", **fields}
    if isinstance(value, Mapping):
        return {str(key): plain_config(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_config(item) for item in value]
    return str(value) if isinstance(value, Path) else value
