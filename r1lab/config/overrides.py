"""What Hydra refuses to compose, in words that name what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from hydra.errors import CompactHydraException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from r1lab.errors import ConfigError
from r1lab.folders import TOP_FOLDERS, folder

PLACES = {
    "run": "stage.folder={0} for that run's completions, or run.name=NAME for this one.",
    "reward": "reward@rewards.accuracy={0} in place of that reward, or +reward@rewards.NAME={0} beside it.",
    "filter": "+filter@mix.filters.{0}={0}",
    "difficulty": "+difficulty@mix.difficulty={0}",
}
"""What is no choice by itself, and what to type with the value it was given."""


def explained(error: CompactHydraException, given: Sequence[str] = ()) -> ConfigError:
    """The error of an override or a choice; a key that there is not comes with the nearest one that there is.

    given: the overrides as they were typed.
    """
    if without_place := next(filter(None, map(placed, given)), None):
        return without_place
    cause = error.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)) and cause.full_key:
        tree = OmegaConf.to_container(cause.parent_node._get_root(), resolve=False)
        return unknown_key(str(cause.full_key), [*key_paths(tree), *groups()])
    words = [str(error), str(cause) if isinstance(cause, OmegaConfBaseException) else ""]
    return ConfigError("\n".join(line for text in words for line in text.splitlines() if line.strip()))


def placed(override: str) -> ConfigError | None:
    """What to type in place of an override that does not say where it belongs; None for all others.

    >>> print(placed("+filter=length"))
    filter=length does not say where it belongs.
      found: +filter=length
      try:   +filter@mix.filters.length=length
    """
    key, _, value = override.removeprefix("+").partition("=")
    if key not in PLACES or not value:
        return None
    return ConfigError(f"{key}={value} does not say where it belongs.", override, PLACES[key].format(value))


def unknown_key(key: str, known: Sequence[str]) -> ConfigError:
    """A key that stands nowhere, with the nearest of those that are known.

    >>> print(unknown_key("max_steps", ["stage.max_steps", "evaluation.samples"]))
    There is no key max_steps.
      try:   Did you mean stage.max_steps?
    """
    near = nearest(key, known)
    remedy = f"Did you mean {near}?" if near else "--cfg job shows all keys."
    return ConfigError(f"There is no key {key}.", remedy=remedy)


def nearest(key: str, known: Sequence[str]) -> str | None:
    """The known key most like this one: of the same last name where there is one, at any depth."""
    same_name = [path for path in known if path.rpartition(".")[2] == key.rpartition(".")[2]]
    return next(iter(get_close_matches(key, same_name or known, 1, 0.0 if same_name else 0.6)), None)


def key_paths(tree: Mapping[Any, Any], above: str = "") -> Iterator[str]:
    """The dotted paths of all keys of a tree, except Hydra's own.

    >>> list(key_paths({"run": {"seed": 0}}))
    ['run', 'run.seed']
    """
    for key, value in tree.items():
        if key != "hydra":
            yield f"{above}{key}"
            if isinstance(value, Mapping):
                yield from key_paths(value, f"{above}{key}.")


def groups() -> list[str]:
    """The folders of conf/ and the top folders: some leave no key behind."""
    return [*TOP_FOLDERS, *sorted(entry.name for entry in folder("conf").iterdir() if entry.is_dir())]
