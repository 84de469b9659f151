"""From a composed configuration to a running stage: check, build, address, record."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from r1lab import processes, ranks
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
    if not processes.is_first():
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
            with no_traces():
                stage.run(context(record, tracker, plain, first_rank=True))
        print(record.folder)


@contextmanager
def no_traces() -> Iterator[None]:
    """Leaves the environment as it was, and no process group: the next run of a sweep makes its own."""
    environment = dict(os.environ)
    try:
        yield
    finally:
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
