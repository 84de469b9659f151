"""The running log: JSON lines always, and Weights & Biases as a mirror that can never stop a run."""

import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from r1lab.disk import json_text, replacing, storing
from r1lab.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from r1lab.records.mirror import Mirror

log = logging.getLogger(__name__)

SHOWN_LINES = 5

TrackerKind = Literal["auto", "online", "offline", "disabled"]


class JsonlLog:
    """One JSON line a step in `path`, on disk as soon as `write` returns.

    Opening repairs the torn last line of a process that was killed while writing it. "nan" and "inf" stand as
    strings, because JSON has no such numbers. Raises StorageError.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        with storing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                if size and file.read() != b"\n":
                    file.truncate(self.path.read_bytes().rfind(b"\n") + 1)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row; it needs a `phase`, by which `truncate_from` knows it."""
        line = _line(row)
        with storing(self.path), self.path.open("ab") as file:
            file.write(line)

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows; raises StorageError with file and lines where some cannot be read."""
        with storing(self.path):
            lines = self.path.read_bytes().split(b"\n")[:-1]
        rows = [_row(line) for line in lines]
        if broken := [number for number, row in enumerate(rows, 1) if row is None]:
            named = f"Line {broken[0]}" if len(broken) == 1 else f"{len(broken)} of {len(rows)} lines"
            shown = (f"line {number}: {lines[number - 1][:80]!r}" for number in broken[:SHOWN_LINES])
            raise StorageError(
                f"{named} of {self.path} cannot be read.",
                "\n         ".join(shown),
                "Remove what cannot be read, or start a new attempt: run.resume=never.",
            )
        return rows

    def truncate_from(self, phase: int) -> None:
        """Remove the rows of `phase` and later: a resumed run writes them again. Raises as `rows`."""
        self._replace([row for row in self.rows() if row["phase"] < phase])

    def lacking(self, last: int) -> list[int]:
        """Return which of the phases from 1 to `last` have no row, as where the file was cut. Raises as `rows`."""
        return sorted(set(range(1, last + 1)).difference(row["phase"] for row in self.rows()))

    def restore(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Put rows that were lost back in their places. Raises as `rows`."""
        self._replace(sorted([*self.rows(), *rows], key=lambda row: row["phase"]))

    def _replace(self, rows: Iterable[Mapping[str, Any]]) -> None:
        with replacing(self.path) as beside:
            beside.write_bytes(b"".join(map(_line, rows)))


def _line(row: Mapping[str, Any]) -> bytes:
    return (json_text({"phase": row["phase"], **row}) + "\n").encode()


def _row(line: bytes) -> dict[str, Any] | None:
    """The row of a line, None where it is none."""
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and "phase" in row else None


@dataclass(frozen=True)
class Tracker:
    """Where the run is mirrored; see `make_tracker`."""

    kind: TrackerKind
    project: str

    def __post_init__(self):
        if self.kind not in (kinds := get_args(TrackerKind)):
            raise ConfigError(
                f"There is no tracker {self.kind!r}.", f"tracker.kind={self.kind}", f"One of {', '.join(kinds)}."
            )

    def __call__(self, folder: Path, name: str, config: Mapping[str, Any], run_id: str) -> "Mirror | None":
        return make_tracker(self.kind, folder, name, self.project, config, run_id)


def make_tracker(
    kind: TrackerKind, folder: Path, name: str, project: str, config: Mapping[str, Any], run_id: str
) -> "Mirror | None":
    """Return a Lightning logger for Weights & Biases, or None.

    ``auto`` is online where a key is configured (WANDB_API_KEY or netrc), else offline, under ``folder/wandb``. The
    same `run_id` (``RunRecord.id``) over kill and resume continues the same W&B run. A tracker that does not start
    falls back from online to offline to none, with a word: the record is what lies in the run folder.
    """
    if kind == "disabled":
        return None
    try:
        from r1lab.records import mirror
    except ImportError as error:
        log.warning("W&B is not installed (%s); the run goes on without it.", error)
        return None
    modes = {"auto": ("auto", "offline"), "online": ("online", "offline"), "offline": ("offline",)}[kind]
    for mode in modes:
        try:
            if mode == "auto" and not mirror.has_key():
                continue
            return mirror.start("offline" if mode == "offline" else "online", folder, name, project, config, run_id)
        except Exception as error:  # whatever it is, it must not stop a run
            log.warning("W&B did not start %s (%s: %s).", mode, type(error).__name__, error)
    log.warning("The run goes on without W&B; its own record is complete.")
    return None
