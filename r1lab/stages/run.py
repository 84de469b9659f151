"""A run from its configuration: checked, addressed, recorded, and done where it is not done yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from r1lab import ranks
from r1lab.artifacts.address import address, output_address
from r1lab.artifacts.store import Store
from r1lab.config.check import check
from r1lab.config.reference import located, reference, references
from r1lab.errors import ConfigError
from r1lab.records.loggers import Tracker
from r1lab.records.run import RunRecord
from r1lab.stages.base import Context, Stage


@dataclass(frozen=True, eq=False)
class Run:
    """What a configuration asks for, whether it is done, under way, or not begun."""

    config: Mapping[str, Any]
    """Resolved; artifacts by reference."""
    stage: Stage
    tracker: Tracker
    parents: Mapping[str, str]
    """What it reads beside artifacts, by content."""

    @classmethod
    def of(cls, config: DictConfig, given: Iterable[str] = ()) -> Run:
        """The run of a configuration composed by the words `given`. Raises ConfigError with all that is wrong."""
        # a missing root is one of the faults that the check tells
        root = None if OmegaConf.is_missing(config.run, "root") else Path(config.run.root) / "artifacts"
        parts = check(config, lambda tree: located(tree, Store(root).path), given)
        plain = OmegaConf.to_container(config, resolve=True, enum_to_str=True)
        return cls(plain, parts["stage"], parts["tracker"], parts["stage"].parents())

    @property
    def root(self) -> Path:
        return Path(self.config["run"]["root"])

    @property
    def name(self) -> str:
        """The folder of all runs of this kind, under the root."""
        return self.config["run"]["name"]

    @property
    def store(self) -> Store:
        return Store(self.root / "artifacts")

    @property
    def seed(self) -> int:
        return self.config["run"]["seed"]

    @property
    def resume(self) -> str:
        """auto, never or always."""
        return self.config["run"]["resume"]

    @property
    def address(self) -> str:
        """Everything that decides its numbers, the seed and what it reads included; not how many ranks share it."""
        own = {"stage": self.stage.identity(self.config["stage"]), "seed": self.seed}
        return address({**own, **({"parents": self.parents} if self.parents else {})})

    @property
    def newest(self) -> RunRecord | None:
        """The newest attempt, to be read; None where it was never begun."""
        return RunRecord.newest(self.root, self.name, self.address)

    @property
    def done(self) -> bool:
        """Whether it is finished, and what it made is still there."""
        newest = self.newest
        if newest is None or not newest.finished:
            return False
        made = (self.store.has(kind, output_address(self.address, kind)) for kind in self.stage.outputs)
        written = (any(newest.folder.glob(pattern)) for pattern in self.stage.files)
        return all(made) and all(written) and self.stage.complete()

    def output(self, kind: str) -> str:
        """The reference to what it makes of that kind, known before it has begun. Raises ConfigError."""
        if kind not in self.stage.outputs:
            made = ", ".join(self.stage.outputs) or "nothing"
            raise ConfigError(f"stage={self.name} makes no {kind}.", f"it makes {made}", "Name one of those.")
        return reference(kind, output_address(self.address, kind))

    def check_inputs(self) -> None:
        """Every artifact that it names is there and as it was stored. Raises ConfigError with all that is not."""
        named = list(references(self.config))
        unsound = {artifact for artifact in {names[1:] for names in named} if not self.store.sound(*artifact)}
        gone = [names for names in named if names[1:] in unsound]
        if gone:
            broken = [str(path) for path in (self.store.path(*artifact) for artifact in unsound) if path.exists()]
            raise ConfigError(
                "An artifact is not whole any more." if broken else "No run has made this, or not here.",
                ", ".join(f"{place}={reference(kind, key)}" for place, kind, key in gone),
                f"Delete {' and '.join(sorted(broken))}, and run again what makes it." if broken else
                f"What is there: {', '.join(self._made({kind for _, kind, _ in gone})) or 'nothing'}",
            )  # fmt: skip

    def open(self, overrides: Sequence[str]) -> RunRecord:
        """The attempt to work in, which goes on where there is an unfinished one. Raises StorageError.

        One that is finished, but whose artifacts or files are gone, is done anew.
        """
        newest, resume = self.newest, self.resume
        resume = "never" if newest is not None and newest.finished else resume
        return RunRecord.open(
            self.root, self.name, self.address, self.config, list(overrides), resume,
            min_free_bytes=self.config["run"]["min_free_bytes"], seeds={"run": self.seed}, parents=self.parents,
        )  # fmt: skip

    def work(self, overrides: Sequence[str]) -> Path:
        """Does the work of an attempt, as the first process of a run; returns its folder."""
        with self.open(overrides) as record, no_traces():
            self.stage.run(self.context(record, first_rank=True))
        return record.folder

    def join(self) -> None:
        """Does this process's part, where a launcher has started all of them and this is not the first."""
        self.stage.run(self.context(RunRecord.attach(self.root, self.name, self.address), first_rank=False))

    def context(self, record: RunRecord, first_rank: bool) -> Context:
        """What the stage is given."""
        return Context(record, self.store, self.seed, self.tracker, dict(self.config), first_rank)

    def _made(self, kinds: set[str]) -> Iterator[str]:
        for kind in sorted(kinds):
            folders = sorted(path for path in self.store.path(kind, "").glob("*") if path.is_dir())
            yield from (reference(kind, path.name) for path in folders if not path.name.startswith("."))


@contextmanager
def no_traces() -> Iterator[None]:
    """Leaves the environment as it was, and no process group: the next run makes its own."""
    environment = dict(os.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)
        ranks.leave()
