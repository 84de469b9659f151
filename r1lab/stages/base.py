"""What every stage is given, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from r1lab.artifacts.address import output_address
from r1lab.artifacts.store import Artifact, Store
from r1lab.characters import shown
from r1lab.config.reference import reference, references
from r1lab.disk import replacing
from r1lab.records.loggers import Tracker
from r1lab.records.run import RunRecord


@dataclass(frozen=True, eq=False)
class Context:
    """Where a stage runs: its record, the artifacts of all runs, its seed."""

    record: RunRecord
    store: Store
    seed: int
    tracker: Tracker
    config: dict[str, Any]
    """The resolved configuration, as it stands in run.json."""
    first_rank: bool = True
    """Whether this process speaks and writes for the run."""

    @property
    def folder(self) -> Path:
        """The run folder of this attempt."""
        return self.record.folder

    def parents(self, base: str | None) -> dict[str, str]:
        """The artifacts that the run comes from, by the keys that name them, and the local base that it began with."""
        named = {place: reference(*named) for place, *named in references(self.config)}
        return named | ({"base": base} if base else {})

    def put(self, kind: str, build: Callable[[Path], None], base: str | None) -> Artifact:
        """Stores what the run makes of that kind; `build` fills a folder, `base` is the local base, if it has one."""
        manifest = {
            "run": self.record.id,
            "parents": self.parents(base),
            "config": self.config,
            "code": self.record.run.get("code"),
        }
        return self.store.put(kind, output_address(self.record.address, kind), build, manifest)

    def of_others(self) -> Context:
        """What the other processes of the run are given: they write no record and say nothing."""
        return replace(self, record=self.record.attached(), first_rank=False)

    @contextmanager
    def mirror(self) -> Iterator[Any]:
        """The tracker's logger for the length of a stage, None where there is none or on other ranks."""
        mirror = self.tracker(self.folder, self.record.id, self.config, self.record.id) if self.first_rank else None
        try:
            yield mirror
        finally:
            if mirror is not None:
                mirror.close()

    def report(self, text: str) -> None:
        """The last words of a stage, kept as report.txt: a finished run shows them again."""
        if self.first_rank:
            with replacing(self.folder / "report.txt") as beside:
                beside.write_text(shown(text) + "\n", encoding="utf-8")
        self.say(text)

    def say(self, text: str) -> None:
        """A line for the person at the terminal, from one process only."""
        if self.first_rank:
            print(shown(text), flush=True)


class Stage(Protocol):
    """A small composition: artifacts in, artifacts out."""

    outputs: ClassVar[tuple[str, ...]] = ()
    """The kinds of artifacts that a run of it makes, one of each."""
    files: ClassVar[tuple[str, ...]] = ()
    """The files of its run folder that other runs read, as patterns: one whose files are gone is not done."""
    undeciding: ClassVar[tuple[str, ...]] = (
        "strategy",
        "keep_checkpoints",
        "checkpoint_steps",
        "activation_checkpointing",
        "plan.activation_checkpointing",
        "fault_budget",
        "evaluation.fault_budget",
        "mismatch",
        "engine.max_rows",
        "policy.local.processes",
        "rewards.*.deadline_s",
        "evaluation.rewards.*.deadline_s",
    )
    """Keys of its configuration that decide no number (beyond rounding): no part of the run's address."""

    def faults(self) -> list[str]:
        """What cannot work, in words, before anything is built; empty when all is well."""
        ...

    def parents(self) -> dict[str, str]:
        """What it reads of other runs, by name: part of the run's address, because its numbers depend on it."""
        return {}

    def identity(self, config: Mapping[str, Any]) -> Any:
        """What of its resolved configuration decides its numbers."""
        return without(config, self.undeciding)

    def complete(self) -> bool:
        """Whether nothing is left to do, once the record says that it is finished."""
        return True

    def graph(self) -> str:
        """The graph of a stage that is made of stages; "" where it is one."""
        return ""

    def run(self, context: Context) -> None:
        """Does the work; the record holds what came of it."""
        ...


def without(tree: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """A copy of a tree that lacks the dotted keys; a ``*`` in one stands for any name.

    >>> without({"lr": 1.0, "engine": {"max_rows": 8, "kind": "torch"}}, ["engine.max_rows", "plan"])
    {'lr': 1.0, 'engine': {'kind': 'torch'}}
    >>> without({"rewards": {"own": {"weight": 1.0, "deadline_s": 5}}}, ["rewards.*.deadline_s"])
    {'rewards': {'own': {'weight': 1.0}}}
    """
    kept = {}
    for key, value in tree.items():
        below = [rest for head, _, rest in (name.partition(".") for name in keys) if head in (key, "*")]
        if "" not in below:
            kept[key] = without(value, below) if below and isinstance(value, Mapping) else value
    return kept
