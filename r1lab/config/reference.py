"""``artifact:KIND/ADDRESS`` in a configuration: what another run makes, by what it is and not by where it lies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from r1lab.errors import ConfigError

PREFIX = "artifact:"
FORM = re.compile(r"artifact:([a-z_]+)/([0-9a-f]{12})")


def reference(kind: str, address: str) -> str:
    """The text that names an artifact.

    >>> reference("policy", "0f3a5c11d2e4")
    'artifact:policy/0f3a5c11d2e4'
    """
    return f"{PREFIX}{kind}/{address}"


def is_reference(source: str) -> bool:
    """Whether the text names an artifact, which has no folder yet: `located` would have put it in its place."""
    return source.startswith(PREFIX)


def kind_of(source: str) -> str | None:
    """The kind of the artifact that the text names; None where it names none.

    >>> kind_of("artifact:reward_model/0f3a5c11d2e4"), kind_of("models/reward_model")
    ('reward_model', None)
    """
    named = FORM.fullmatch(source)
    return named and named[1]


def references(tree: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """(place, kind, address) of every artifact that a configuration names. Raises ConfigError for a malformed name.

    >>> list(references({"model": {"weights": "artifact:policy/0f3a5c11d2e4"}}))
    [('model.weights', 'policy', '0f3a5c11d2e4')]
    """
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from references(value, f"{place}.{key}" if place else str(key))
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from references(value, f"{place}[{index}]")
    elif isinstance(tree, str) and is_reference(tree):
        named = FORM.fullmatch(tree)
        if named is None:
            raise ConfigError("This names no artifact.", f"{place}={tree}", f"{place}=artifact:policy/0f3a5c11d2e4")
        yield place, *named.groups()


def located(tree: Any, path: Callable[[str, str], Path]) -> Any:
    """The configuration with the folder of every artifact that is there; one that is still to be made keeps its name.

    path: (kind, address) -> where the artifact lies or would lie.
    """
    if isinstance(tree, Mapping):
        return {key: located(value, path) for key, value in tree.items()}
    if isinstance(tree, list):
        return [located(value, path) for value in tree]
    if isinstance(tree, str) and (named := FORM.fullmatch(tree)) and (folder := path(*named.groups())).exists():
        return str(folder)
    return tree
