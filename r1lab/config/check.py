"""Everything that is wrong with a configuration, told at once, before anything is built."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from r1lab.errors import ConfigError, R1LabError

HYDRA_KEYS = ("_target_", "_partial_", "_recursive_", "_convert_", "_args_")


def check(config: DictConfig) -> None:
    """Raises ConfigError with every fault: missing values, wrong keys, parts that refuse their values, arithmetic."""
    faults = missing(config)
    if not faults:
        plain = OmegaConf.to_container(config, resolve=True)
        faults = list(binding_faults(plain["stage"], "stage")) + list(binding_faults(plain["tracker"], "tracker"))
        bound = tuple(faults)
        faults += value_faults(config, sound=lambda path: not any(fault.startswith(path) for fault in bound))
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(f"The configuration cannot run: {count}.\n" + "\n".join(f"  - {f}" for f in faults))


def missing(config: DictConfig) -> list[str]:
    """Mandatory values nobody gave, and interpolations that lead nowhere."""
    faults = [f"{key} has no value. Try {key}=..." for key in sorted(OmegaConf.missing_keys(config))]
    if not faults:
        try:
            OmegaConf.to_container(config, resolve=True)
        except OmegaConfBaseException as error:
            faults.append(str(error).strip().splitlines()[0])
    return faults


def binding_faults(node: Any, path: str) -> Iterator[str]:
    """Keys that no constructor takes and arguments that nobody gives, of a node and all below it."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield from target_faults(node, path)
        for key, value in node.items():
            yield from binding_faults(value, f"{path}.{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from binding_faults(value, f"{path}[{index}]")


def target_faults(node: Mapping[str, Any], path: str) -> Iterator[str]:
    """What does not fit between one node and the constructor it names."""
    try:
        target = locate(node["_target_"])
    except (ImportError, AttributeError) as error:
        yield f"{path}._target_: {node['_target_']} cannot be found ({error})."
        return
    parameters = inspect.signature(target).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    given = [key for key in node if key not in HYDRA_KEYS]
    for key in given:
        if key not in parameters:
            near = difflib.get_close_matches(key, parameters, 1)
            meant = f" Did you mean {near[0]}?" if near else f" It takes {', '.join(parameters) or 'nothing'}."
            yield f"{path}.{key}: {target.__name__} takes no such key.{meant}"
    if node.get("_partial_"):
        return
    for name, parameter in parameters.items():
        if (
            parameter.default is parameter.empty
            and name not in given
            and parameter.kind is not parameter.VAR_POSITIONAL
        ):
            yield f"{path}.{name} has no value: {target.__name__} needs it. Try {path}.{name}=..."


def locate(target: str) -> Any:
    """The class or function of a dotted path."""
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


def value_faults(config: DictConfig, sound: Callable[[str], bool]) -> list[str]:
    """What sound parts say when they are built, and what a sound stage says of their arithmetic.

    Building is cheap: parts are dataclasses, and no model, data or process comes with them.
    """
    faults = []
    for path, node in outermost_parts(config.stage, "stage"):
        if not sound(path):
            continue
        try:
            instantiate(node)
        except R1LabError as error:
            faults.append(f"{path}: " + " ".join(filter(None, (error.wrong, error.found, error.remedy))))
        except Exception as error:
            faults.append(f"{path}: {cause(error)}")
    if faults or not sound("stage"):
        return faults
    try:
        stage = instantiate(config.stage)
        return list(replaced_parts(stage)) or stage.faults()
    except Exception as error:
        return [f"stage: {cause(error)}"]


def replaced_parts(stage: Any) -> Iterator[str]:
    """Parts that an override turned into a bare mapping: `+stage.optim.x` replaces the part it meant to add to."""
    for item in dataclasses.fields(stage):
        value = getattr(stage, item.name)
        if isinstance(value, Mapping) and not str(item.type).startswith(("Mapping", "dict")):
            given = next(iter(value), "")
            yield f"stage.{item.name} became {dict(value)}: it stands at {item.name}. Try {item.name}.{given}=..."


def outermost_parts(stage: DictConfig, path: str) -> Iterator[tuple[str, DictConfig]]:
    """The parts of a stage that have a constructor, each with its path."""
    for key in stage:
        node = stage[key]
        if isinstance(node, DictConfig):
            if "_target_" in node:
                yield f"{path}.{key}", node
            else:
                yield from outermost_parts(node, f"{path}.{key}")


def cause(error: Exception) -> str:
    """The words of the innermost error: Hydra wraps what a constructor raises."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
