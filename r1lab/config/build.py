"""A tree of plain values with `_target_`s becomes the parts it names; what does not fit is told by its place."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from textwrap import indent
from typing import Any

from r1lab.config.targets import is_part, locate
from r1lab.errors import ConfigError, R1LabError
from r1lab.leaving import staying

HYDRA_KEYS = ("_target_", "_partial_", "_convert_")
"""What a node says of itself; all else are arguments. Containers are always plain, as with `_convert_: all`."""


NOT_CALLED = object()
"""Stands where a part would be that is not built, because a function or a foreign class would be called for it."""


def build(
    node: Any,
    path: str,
    faults: list[str],
    find: Callable[[Any], Any] = locate,
    not_called: list[str] | None = None,
) -> Any:
    """The node with all that is below it, built once and inside out; None, and faults by path, where it cannot be.

    Building is cheap: parts are dataclasses, and no model, data or process comes with them. `find` gives what a
    `_target_` names, or raises ConfigError. Where `not_called` is a list, only parts are built (`targets.is_part`):
    what is anything else is found and its arguments are checked, its path is added to the list, and NOT_CALLED stands
    in its place and in that of all that is above it.
    """
    if isinstance(node, list):
        return [build(value, f"{path}[{index}]", faults, find, not_called) for index, value in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    before, skipped = len(faults), len(not_called or ())
    values = {
        key: build(value, f"{path}.{key}", faults, find, not_called)
        for key, value in node.items()
        if key not in HYDRA_KEYS
    }
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
    if not_called is not None and not is_part(target):
        not_called.append(f"{path}._target_={node['_target_']}")
    if len(not_called or ()) > skipped:
        return NOT_CALLED
    try:
        with staying(str(node["_target_"]), getattr(target, "__module__", "")):
            return partial(target, **values) if node.get("_partial_") else target(**values)
    except Exception as error:
        faults.append(f"{path}: {words(error)}")
        return None


def built_without_calls(nodes: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    """The nodes as parts, by name. Raises ConfigError where that takes a call of anything that is no part."""
    not_called: list[str] = []
    parts = {name: build(node, name, faults, not_called=not_called) for name, node in nodes.items()}
    if not_called and not faults:
        raise ConfigError(
            "Planning builds parts (dataclasses and classes of your own) and calls nothing else.",
            ", ".join(not_called),
            "Make it a class, or run without plan=true where you trust what is called.",
        )
    return parts


def binding_faults(target: Callable[..., Any], values: Mapping[str, Any], path: str, part: bool) -> Iterator[str]:
    """Keys that the constructor does not take and, unless only a part is given, arguments that nobody gives."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):  # some of what is written in C does not tell
        return
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    called = getattr(target, "__name__", type(target).__name__)
    for key in values:
        if key not in parameters:
            near = difflib.get_close_matches(key, parameters, 1)
            meant = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(parameters) or 'nothing'}."
            yield f"{path}.{key}: {called} takes no such key. {meant}"
    for name, parameter in parameters.items():
        needed = parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
        if needed and name not in values and not part:
            yield f"{path}.{name} has no value: {called} needs it. Try {path}.{name}=..."


def words(error: Exception) -> str:
    """What an error says, whole; the kind of an error that was not meant for people too."""
    if isinstance(error, (R1LabError, ValueError)):
        return indent(str(error), "    ").lstrip()
    return f"{type(error).__name__}: {error}"
