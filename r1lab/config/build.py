"""A tree of plain values with `_target_`s becomes the parts it names; what does not fit is told by its place."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from textwrap import indent
from typing import Any

from r1lab.config.targets import locate
from r1lab.errors import ConfigError, R1LabError

HYDRA_KEYS = ("_target_", "_partial_", "_convert_")
"""What a node says of itself; all else are arguments. Containers are always plain, as with `_convert_: all`."""


def build(node: Any, path: str, faults: list[str], find: Callable[[Any], Any] = locate) -> Any:
    """The node with all that is below it, built once and inside out; None, and faults by path, where it cannot be.

    Building is cheap: parts are dataclasses, and no model, data or process comes with them. `find` gives what a
    `_target_` names, or raises ConfigError.
    """
    if isinstance(node, list):
        return [build(value, f"{path}[{index}]", faults, find) for index, value in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    before = len(faults)
    values = {key: build(value, f"{path}.{key}", faults, find) for key, value in node.items() if key not in HYDRA_KEYS}
    if "_target_" not in node:
        return values
    try:
        target = find(node["_target_"])
    except ConfigError as error:
        faults.append(f"{path}._target_: {error.wrong} {error.remedy}".rstrip())
        return None
    faults += binding_faults(target, values, path, bool(node.get("_partial_")))
    if len(faults) > before:
        return None
    try:
        return partial(target, **values) if node.get("_partial_") else target(**values)
    except Exception as error:
        faults.append(f"{path}: {words(error)}")
        return None


def binding_faults(target: Callable[..., Any], values: Mapping[str, Any], path: str, part: bool) -> Iterator[str]:
    """Keys that the constructor does not take and, unless only a part is given, arguments that nobody gives."""
    parameters = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for key in values:
        if key not in parameters:
            near = difflib.get_close_matches(key, parameters, 1)
            meant = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(parameters) or 'nothing'}."
            yield f"{path}.{key}: {target.__name__} takes no such key. {meant}"
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
        if needed and name not in values and not part:
            yield f"{path}.{name} has no value: {target.__name__} needs it. Try {path}.{name}=..."


def words(error: Exception) -> str:
    """What an error says, whole; the kind of an error that was not meant for people too."""
    if isinstance(error, (R1LabError, ValueError)):
        return indent(str(error), "    ").lstrip()
    return f"{type(error).__name__}: {error}"
