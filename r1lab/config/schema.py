"""The typed skeleton of config.yaml: what every run has, whatever its stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, flag_override
from omegaconf.basecontainer import BaseContainer


class Resume(Enum):
    """What to do with a run that was started before."""

    auto = "auto"
    never = "never"
    always = "always"


@dataclass
class Run:
    """What names a run and where it lies."""

    name: str = MISSING
    seed: int = MISSING
    resume: Resume = MISSING
    root: str = MISSING
    min_free_bytes: int = MISSING


@dataclass
class Config:
    """One folder of conf/ for each decision; the parts are typed by the constructors their `_target_` names."""

    run: Run = field(default_factory=Run)
    plan: bool = MISSING
    stage: Any = MISSING
    model: Any = MISSING
    scale: Any = MISSING
    mix: Any = MISSING
    template: Any = MISSING
    rewards: Any = field(default_factory=dict)
    engine: Any = MISSING
    objective: Any = MISSING
    selection: Any = MISSING
    optim: Any = MISSING
    evaluation: Any = MISSING
    strategy: Any = MISSING
    tracker: Any = MISSING


def register() -> None:
    """Puts the skeleton where config.yaml's defaults list finds it."""
    # Hydra copies the store, of which there is one, for every group that it lists: a second of --help
    ConfigStore.__deepcopy__ = lambda store, memo: store
    ConfigStore.instance().store(name="schema", node=Config)
    BaseContainer._map_merge = staticmethod(_merge)


_merge_keys = BaseContainer._map_merge


def _merge(dest: BaseContainer, src: BaseContainer) -> None:
    """Merges as OmegaConf does, but a schedule takes the place of another: their steps do not mix."""
    if _is_schedule(dest) and _is_schedule(src):
        with flag_override(dest, ["struct", "readonly"], False):
            dest.clear()
            _merge_keys(dest, src)
    else:
        _merge_keys(dest, src)


def _is_schedule(node: BaseContainer) -> bool:
    """Whether a mapping goes from steps to values."""
    if not isinstance(node, DictConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return False
    return len(node) > 0 and all(isinstance(key, int) for key in node)
