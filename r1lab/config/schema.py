"""The typed skeleton of config.yaml: what every run has, whatever its stage."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING

from r1lab.config import scales


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
    scale: str = MISSING
    size: str = MISSING
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
    """Puts the skeleton where config.yaml's defaults list finds it, and the resolvers where OmegaConf does."""
    ConfigStore.instance().store(name="schema", node=Config)
    scales.register()
