"""`stage=rescore`: other rewards on the stored completions of a run, finished or still running; no model, no GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1lab.disk import write_json_atomic
from r1lab.records.ledger import Ledger, find_run, stored_runs
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.selection import Selection
from r1lab.stages.base import Context, Stage

if TYPE_CHECKING:
    from torch import Tensor

SHOWN_RUNS = 10


@dataclass(frozen=True)
class RescoreStage(Stage):
    """Judges stored completions again and says how many scores, rewards and advantages would be others."""

    folder: str | None
    """The run: its attempt's folder, or one above it, which stands for the newest attempt below."""
    root: str
    """Where runs lie, to list them when `folder` is none."""
    kinds: Sequence[str]
    """Which completions: train, evaluation-before, ...; advantages are those of train alone."""
    rewards: Mapping[str, Any]
    selection: Selection
    advantage: Callable[[Tensor], Tensor]

    def faults(self) -> list[str]:
        """No such run, or no such completions in it; with those that there are."""
        if not self.rewards:
            return ["stage=rescore has no rewards. Try reward@rewards.accuracy=accuracy."]
        run = find_run(Path(self.folder)) if self.folder else None
        if run is None:
            given = f"{self.folder} is no run with stored completions" if self.folder else "stage.folder is not given"
            found = [str(path) for path in stored_runs(Path(self.root))[:SHOWN_RUNS]]
            listed = "".join(f"\n      {path}" for path in found) or " none"
            return [f"{given}. Try stage.folder=FOLDER; runs under {self.root}:{listed}"]
        there = Ledger(run).kinds()
        if strange := [kind for kind in self.kinds if kind not in there]:
            return [f"stage.kinds: {run} has no {', '.join(strange)}. Try stage.kinds=[{','.join(there)}]."]
        return Rubric(self.rewards).faults("rewards")

    def parents(self) -> dict[str, str]:
        """The run and how far it is: a run that has gone on is rescored anew."""
        run = find_run(Path(self.folder))
        return {"run": f"{run.parent.name}-{run.name}", "parts": str(len(Ledger(run).names(self.kinds)))}

    def run(self, context: Context) -> None:
        """Writes rescored.parquet, summary.json and the report."""
        from r1lab.diagnosis.rescore import RESCORED, Rescoring
        from r1lab.diagnosis.rescore_report import Tally
        from r1lab.records.progress import track
        from r1lab.records.tables import Table

        run = find_run(Path(self.folder))
        ledger, table, tally = Ledger(run), Table(context.folder / "rescored.parquet", RESCORED), Tally()
        names, left_out = ledger.names(self.kinds), set()
        with closing(Rubric(self.rewards)) as rubric, track(len(names), "rescoring", {}) as progress:
            rescoring = Rescoring(rubric, self.selection, self.advantage)
            for done, part in enumerate(ledger.read(names), start=1):
                rows = rescoring(part)
                table.write_part(part.name, rows)
                tally.add(rows)
                left_out |= set(part.groups[0].rollouts[0].scores).difference(self.rewards)
                progress.update(done)
        write_json_atomic(context.folder / "summary.json", {"run": str(run), **tally.numbers()})
        heading = f"{run}\n{tally.rewards.total():,} completions ({', '.join(self.kinds)}) judged again"
        heading += f", not by {', '.join(sorted(left_out))}" if left_out else ""
        context.report(f"{heading}\n\n{tally.text()}")
