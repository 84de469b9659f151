"""The run folder: which attempt goes on, who may write it, and run.json with config, code, machine and seeds."""

import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from r1lab.disk import Lock, holder, replacing, require_space, storing, write_json_atomic
from r1lab.errors import BusyError, StorageError
from r1lab.records.machine import code, machine

log = logging.getLogger(__name__)

Resume = Literal["auto", "never", "always"]


class RunRecord:
    """One attempt of a run, ``root/experiment/address/attempt_n/``, named by address so that a killed job finds itself.

    Example::

        with RunRecord.open(root, "zero_local", "0f3a5c...", config, overrides, "auto", min_free_bytes=10**9) as record:
            if not record.finished:
                record.resumed_from(phase)
                ...

    Leaving the block marks the run finished, or failed with its error, and gives the attempt's lock back.
    """

    def __init__(self, folder: Path, run: dict[str, Any], lock: Lock | None):
        self.folder, self.run, self._lock = folder, run, lock
        self._began = time.monotonic()

    @classmethod
    def open(
        cls,
        root: Path,
        experiment: str,
        address: str,
        config: Mapping[str, Any],
        overrides: list[str],
        resume: Resume,
        *,
        min_free_bytes: int,
        seeds: Mapping[str, int] | None = None,
        parents: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the attempt to work in, locked: the newest where it is unfinished, else a new one.

        A finished newest attempt comes back with ``finished`` True, unlocked and untouched. ``never`` always makes a
        new attempt; ``always`` never does. Raises StorageError where there is nothing to resume, where another
        process works in the attempt, where the folder cannot be written or has too little room.
        """
        home = Path(root) / experiment / address
        newest = _newest(home)
        if resume == "always" and newest is None:
            raise StorageError("There is no run to resume.", f"no attempt in {home}", "Use run.resume=auto.")
        if resume != "never" and newest is not None and (run := read_run(newest)).get("state") == "finished":
            return cls(newest, run, None)
        require_space(home, min_free_bytes)
        with storing(home), Lock.take(home / ".lock", wait=True):  # two starts at once must not choose alike
            newest = _newest(home)
            new = newest is None or resume == "never"
            folder = home / f"attempt_{_number(newest) + 1}" if new else newest
            folder.mkdir(exist_ok=True)
            lock = Lock.take(folder / ".lock", wait=False)
        if lock is None:
            raise BusyError(
                f"Another process works in {folder}.",
                holder(folder / ".lock"),
                "Wait for it, end it, or start a new attempt beside it: run.resume=never.",
            )
        record = cls(folder, read_run(folder), lock)
        if not record.run and (damaged := folder / "run.json").exists():
            kept = damaged.replace(folder / "run.json.damaged")
            log.warning("%s was damaged (now %s): the attempt goes on from what else it holds.", damaged, kept.name)
        names = {"experiment": experiment, "address": address, "seeds": seeds or {}, "parents": parents or {}}
        record._start({**names, "config": dict(config), "overrides": list(overrides)})
        _point(home.parent / "latest", folder)
        return record

    @classmethod
    def newest(cls, root: Path, experiment: str, address: str) -> Self | None:
        """Return the newest attempt without its lock, to be read; None where there is none."""
        folder = _newest(Path(root) / experiment / address)
        return None if folder is None else cls(folder, read_run(folder), None)

    @classmethod
    def attach(cls, root: Path, experiment: str, address: str) -> Self:
        """Return the newest attempt without its lock, for the other processes of a run: they read and never write.

        Raises StorageError where there is none: the first process has to open it first.
        """
        record = cls.newest(root, experiment, address)
        if record is None:
            raise StorageError("There is no run to join.", f"no attempt of {address}", "Open it on rank 0 first.")
        return record

    def attached(self) -> Self:
        """The same attempt for another process of the run, which reads and never writes."""
        return type(self)(self.folder, self.run, None)

    @property
    def id(self) -> str:
        """``address-attempt_n``: the same over kill and resume, another in another attempt."""
        return f"{self.address}-{self.folder.name}"

    @property
    def address(self) -> str:
        """The address of the run, which all its attempts share."""
        return self.folder.parent.name

    @property
    def finished(self) -> bool:
        return self.run.get("state") == "finished"

    def update(self, **fields: Any) -> None:
        """Set fields of run.json, atomically; does nothing in a process that only attached."""
        self.run.update(fields)
        if self._lock is not None:
            write_json_atomic(self.folder / "run.json", self.run)

    def resumed_from(self, phase: int) -> None:
        """Note the rollout phase at which this start went on."""
        starts = [*self.run["starts"][:-1], {**self.run["starts"][-1], "resumed_from_phase": phase}]
        self.update(starts=starts)

    def finish(self) -> None:
        """Mark the run finished: the same command then prints its report."""
        self.update(state="finished", error=None, ended=_now(), seconds=self._worked())

    def fail(self, error: BaseException) -> None:
        """Mark the run failed with its error; ``run.resume=auto`` still goes on with it."""
        error_text = f"{type(error).__name__}: {error}"
        self.update(state="failed", error=error_text, ended=_now(), seconds=self._worked())

    def close(self) -> None:
        """Give the attempt's lock back."""
        if self._lock is not None:
            self._lock.release()
        self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and not self.finished:
                self.finish()
            elif error is not None:
                with suppress(StorageError):  # the disk that failed the run may refuse this too: keep the first error
                    self.fail(error)
        finally:
            self.close()

    def _worked(self) -> float:
        """Seconds of all starts but those that were killed."""
        return round(self.run.get("seconds", 0.0) + time.monotonic() - self._began, 1)

    def _start(self, stated: dict[str, Any]) -> None:
        config, overrides = stated["config"], stated["overrides"]
        if not self.run:  # first start of this attempt, or the one before was killed before its first word
            (self.folder / ".hydra").mkdir(exist_ok=True)
            _write_yaml(self.folder / ".hydra" / "config.yaml", config)
            _write_yaml(self.folder / ".hydra" / "overrides.yaml", overrides)
            self.run = {**stated, "starts": []}
        here = {"code": code(), "machine": machine()}  # of the last start; each start keeps its own commit and host
        start = {"time": _now(), "pid": os.getpid(), "host": here["machine"]["host"], "code": here["code"]}
        start |= {"overrides": overrides, "resumed_from_phase": None}
        self.update(state="running", error=None, starts=[*self.run["starts"], start], **here)


def read_run(folder: Path) -> dict[str, Any]:
    """Return run.json, or nothing where the attempt was killed before it was written, or where it is damaged.

    Such an attempt is unfinished and goes on: its address says what it is of, its checkpoints and tables how far it is.
    """
    try:
        found = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _newest(home: Path) -> Path | None:
    attempts = (folder for folder in home.glob("attempt_*") if folder.name.removeprefix("attempt_").isdigit())
    return max(attempts, key=_number, default=None)


def _number(folder: Path | None) -> int:
    return int(folder.name.removeprefix("attempt_")) if folder else 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_yaml(path: Path, obj: Any) -> None:
    import yaml

    with replacing(path) as beside:
        beside.write_text(yaml.safe_dump(obj, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _point(link: Path, folder: Path) -> None:
    """Have `link` name `folder`, by rename, so that it never names nothing."""
    beside = link.with_name(f".{link.name}-{os.getpid()}")
    with storing(link):
        beside.unlink(missing_ok=True)
        beside.symlink_to(folder.relative_to(link.parent), target_is_directory=True)
        beside.replace(link)
