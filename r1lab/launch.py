"""From a composed configuration to a running stage: check, build, address, record."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from r1lab import ranks
from r1lab.artifacts.address import address
from r1lab.artifacts.store import Store
from r1lab.config.check import check
from r1lab.records.loggers import Tracker
from r1lab.records.run import RunRecord
from r1lab.stages.base import Context


def launch(config: DictConfig, overrides: list[str]) -> None:
    """Runs the stage of a configuration, or shows the report of a run that is finished."""
    parts = check(config)
    stage, tracker = parts["stage"], parts["tracker"]
    plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    root = Path(config.run.root)
    parents = stage.parents()
    key, name = run_address(plain, parents), config.run.name
    if int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) > 0:
        record = RunRecord.attach(root, name, key)
        stage.run(context(record, tracker, plain, first_rank=False))
        return
    with RunRecord.open(
        root,
        name,
        key,
        plain,
        overrides,
        plain["run"]["resume"],
        min_free_bytes=config.run.min_free_bytes,
        seeds={"run": config.run.seed},
        parents=parents,
    ) as record:
        if record.finished:
            print("This run is finished; run.resume=never would do it again.")
            report = record.folder / "report.txt"
            print(report.read_text() if report.exists() else f"Its report is not there any more: {report}")
        else:
            with own_command(overrides):
                stage.run(context(record, tracker, plain, first_rank=True))
        print(record.folder)


@contextmanager
def own_command(overrides: list[str]) -> Iterator[None]:
    """The command of this run alone, by which Lightning starts the other ranks, and an environment without traces.

    In a multirun the process's own command is that of the whole sweep, or of the launcher.
    """
    from hydra.core.hydra_config import HydraConfig

    import __main__

    sources = HydraConfig.get().runtime.config_sources
    folders = [f"--config-dir={source.path}" for source in sources if source.provider == "command-line"]
    argv, spec, environment = sys.argv, __main__.__spec__, dict(os.environ)
    sys.argv = [argv[0], *folders, *overrides, "hydra.mode=RUN"]
    __main__.__spec__ = importlib.util.find_spec("r1lab.__main__")
    try:
        yield
    finally:
        sys.argv, __main__.__spec__ = argv, spec
        os.environ.clear()
        os.environ.update(environment)
        ranks.leave()


def context(record: RunRecord, tracker: Tracker, plain: dict[str, Any], first_rank: bool) -> Context:
    """What the stage is given."""
    store = Store(Path(plain["run"]["root"]) / "artifacts")
    return Context(record, store, plain["run"]["seed"], tracker, plain, first_rank)


def run_address(plain: dict[str, Any], parents: dict[str, str]) -> str:
    """The address of a run: everything that decides its numbers, the seed included; not how many ranks share it."""
    stage = {key: value for key, value in plain["stage"].items() if key != "strategy"}
    return address({"stage": stage, "seed": plain["run"]["seed"], **({"parents": parents} if parents else {})})
