"""The door: compose the configuration, check it, open the record, run the stage."""

from __future__ import annotations

import os
import sys

import hydra
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

from r1lab import leaving, processes
from r1lab.characters import shown
from r1lab.config import nodes, paths, schema
from r1lab.errors import R1LabError
from r1lab.folders import folder

FULL_ERROR = "HYDRA_FULL_ERROR"

paths.register()
schema.register()


def run(config: DictConfig) -> None:
    """Checks the composed configuration and runs its stage; heavy imports wait until here."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    try:
        from r1lab.launch import launch

        with leaving.guarded(late=0.0 if processes.is_first() else processes.LATE_SECONDS):
            launch(config, list(HydraConfig.get().overrides.task))
    except R1LabError as error:
        # in a multirun the other jobs go on, and Hydra reports this one at the end
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        stop(error)


def stop(error: R1LabError) -> None:
    """Says what is wrong and leaves with 1."""
    print(shown(f"\n{type(error).__name__}: {error}"), file=sys.stderr)
    sys.exit(1)


def main() -> None:
    """Reads the command line and runs what it says."""
    processes.look_for_garbage_seldom()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    asked_for_all = os.environ.get(FULL_ERROR)
    os.environ[FULL_ERROR] = "1"  # Hydra raises its errors then; otherwise it prints them and leaves
    try:
        sys.argv[1:] = map(nodes.written_out, sys.argv[1:])
        hydra.main(config_path=str(folder("conf")), config_name="config", version_base="1.3")(run)()
    except CompactHydraException as error:
        if asked_for_all:
            raise
        from r1lab.config.overrides import explained

        stop(explained(error, sys.argv[1:]))
    except R1LabError as error:
        stop(error)
