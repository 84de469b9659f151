"""Everything that is wrong with a configuration, told at once, before anything runs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from r1lab.config.build import build, built_without_calls, words
from r1lab.config.nodes import key_of
from r1lab.config.overrides import key_paths, unknown_key
from r1lab.config.schema import Config
from r1lab.errors import ConfigError

BUILT = ("stage", "tracker")
"""The parts that a run needs; all others stand inside them."""


def check(
    config: DictConfig, prepare: Callable[[Any], Any] = lambda tree: tree, given: Iterable[str] = ()
) -> dict[str, Any]:
    """The parts of a run, built. Raises ConfigError with every fault: missing values, wrong keys, refused values.

    Only a stage whose parts are all sound is asked for its arithmetic. With plan=true nothing is called but parts, and
    a configuration that needs more is refused. `prepare` sees the plain values before they become parts; `given` are
    the words that asked for it.
    """
    faults = missing(config) + unknown(config)
    faults += [] if faults else unread(config, given)
    parts = {}
    if not faults:
        faults = misnamed(config.run.name)
    if not faults:
        plain = prepare(OmegaConf.to_container(config, resolve=True, enum_to_str=True))
        nodes = {name: plain[name] for name in BUILT}
        parts = built_without_calls(nodes, faults) if plain["plan"] else built(nodes, faults)
    if not faults:
        faults = stage_faults(parts["stage"])
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"The configuration cannot run: {count}.\n" + "\n".join(f"  - {f}" for f in faults))
    return parts


def built(nodes: Mapping[str, Any], faults: list[str]) -> dict[str, Any]:
    """The parts of a run. What is no part is called last, once all else is sound."""
    not_called: list[str] = []
    parts = {name: build(node, name, faults, not_called=not_called) for name, node in nodes.items()}
    if not_called and not faults:
        parts = {name: build(node, name, faults) for name, node in nodes.items()}
    return parts


def missing(config: DictConfig) -> list[str]:
    """Mandatory values nobody gave, and interpolations that lead nowhere."""
    try:
        faults = [f"{key} has no value. Try {key}=..." for key in sorted(OmegaConf.missing_keys(config))]
        if not faults:
            OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        faults = [f"{error.full_key}: {str(error).splitlines()[0]}"]
    return faults


def misnamed(name: str) -> list[str]:
    """A run's name is one folder under run.root.

    >>> misnamed("../elsewhere")
    ["run.name='../elsewhere' is not the name of a folder. Try run.name=elsewhere"]
    """
    if name and name not in (".", "..") and PurePath(name).name == name:
        return []
    return [f"run.name={name!r} is not the name of a folder. Try run.name={PurePath(name).name.strip('.') or 'r1zero'}"]


def unknown(config: DictConfig) -> list[str]:
    """Top keys that no part reads: `+seed=3` would silently do nothing."""
    top = [field.name for field in dataclasses.fields(Config)]
    tree = OmegaConf.to_container(config, resolve=False)
    known = list(key_paths({key: value for key, value in tree.items() if key in top}))
    errors = [unknown_key(str(key), known) for key in tree if key not in top]
    return [f"{error.wrong} {error.remedy}" for error in errors]


def unread(config: DictConfig, given: Iterable[str]) -> list[str]:
    """Words of a command that set or choose what the stage does not read: they would silently change nothing.

    A stage that hands the words on, to nodes of its own, may read any.
    """
    if "overrides" in config.stage:
        return []
    tree = OmegaConf.to_container(config, resolve=False)
    read, ahead = {"run", "plan", "scale"}, list(BUILT)
    while ahead:
        read.add(name := ahead.pop())
        ahead += {top for top in re.findall(r"\$\{(\w+)", str(tree[name])) if top in tree} - read
    faults = []
    for word in given:
        top = re.split(r"[.:]", key_of(word).rpartition("@")[2])[0]
        if top in tree and top not in read:
            parts = ", ".join(sorted(read - {"run", "plan", "scale", *BUILT}))
            faults.append(f"{word} changes nothing: the stage reads no {top}. It reads {parts or 'none of these'}.")
    return faults


def stage_faults(stage: Any) -> list[str]:
    """What a stage of sound parts says of their arithmetic."""
    try:
        return list(replaced_parts(stage)) or stage.faults()
    except Exception as error:
        return [f"stage: {words(error)}"]


def replaced_parts(stage: Any) -> Iterator[str]:
    """Parts that an override turned into a bare mapping: `+stage.optim.x` replaces the part it meant to add to."""
    for item in dataclasses.fields(stage):
        value = getattr(stage, item.name)
        if isinstance(value, Mapping) and not str(item.type).startswith(("Mapping", "dict")):
            given = next(iter(value), "")
            yield f"stage.{item.name} became {dict(value)}: it stands at {item.name}. Try {item.name}.{given}=..."
