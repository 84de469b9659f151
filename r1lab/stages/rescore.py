"""`stage=rescore`: other rewards on the stored completions of a run, finished or still running; no model, no GPU."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1lab.config.build import build, words
from r1lab.config.targets import packages_of, stored
from r1lab.data.digests import digests_of
from r1lab.disk import write_json_atomic
from r1lab.records.ledger import Ledger, find_run, stored_runs
from r1lab.rewards.rubric import Rubric, informed
from r1lab.rollouts.selection import Selection
from r1lab.stages.base import Context, Stage

if TYPE_CHECKING:
    from torch import Tensor

SHOWN_RUNS = 10
SHOWN_PARTS = 5
RUN, COMMAND = "run", "command"


@dataclass(frozen=True)
class RescoreStage(Stage):
    """Judges stored completions again and says how many scores, rewards and advantages would be others."""

    folder: str | None
    """The run: its attempt's folder, or that of its address or its name, which stand for the newest attempt."""
    root: str
    """Where runs lie, to list them when `folder` is none."""
    kinds: Sequence[str]
    """Which completions: train, evaluation-before, ...; advantages are those of train alone."""
    as_in: str
    """Whose weights, selection and advantage: "run", where the run had them, or "command", those given here."""
    rewards: Mapping[str, Any]
    selection: Selection
    advantage: Callable[[Tensor], Tensor]
    packages: Sequence[str] = ()
    """Packages besides r1lab, and those of the parts above, whose classes the run's configuration may build."""

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
        return self.choice_faults(run)

    def choice_faults(self, run: Path) -> list[str]:
        """Completions that the run does not have, and parts of it that cannot be made again."""
        if self.as_in not in (RUN, COMMAND):
            return [f"stage.as_in={self.as_in} is neither {RUN} nor {COMMAND}. Try stage.as_in={RUN}."]
        there = Ledger(run).kinds()
        remedy = f"Try stage.kinds=[{','.join(there)}]."
        if isinstance(self.kinds, str) or not self.kinds:
            return [f"stage.kinds={self.kinds} is no list of kinds. {remedy}"]
        if strange := [kind for kind in self.kinds if kind not in there]:
            return [f"stage.kinds: {run} has no {', '.join(strange)}. {remedy}"]
        if not Ledger(run).names(self.kinds):
            return [f"{run} has completions and no scores of {', '.join(self.kinds)}. Try again when it has gone on."]
        faults = self.recipe(run)[1] if self.as_in == RUN else []
        faults = [f"{run}: {fault} Try stage.as_in={COMMAND}." for fault in faults]
        return faults + Rubric(self.rewards).faults("rewards")

    def recipe(self, run: Path) -> tuple[dict[str, Any], list[str]]:
        """What the run's configuration says of selection and advantage, built of classes that this command trusts."""
        named = packages_of([self.selection, self.advantage, *self.rewards.values()])
        return recipe_of(run, named | set(self.packages))

    def parents(self) -> dict[str, str]:
        """The run and how far it is: a run that has gone on is rescored anew; and the models that judge, by content."""
        run = find_run(Path(self.folder))
        read = {"run": f"{run.parent.name}-{run.name}", "parts": str(len(Ledger(run).names(self.kinds)))}
        return read | digests_of(self.rewards, "rewards")

    def run(self, context: Context) -> None:
        """Writes rescored.parquet, summary.json and the report. Raises VerifierError: a reward has judged nothing."""
        from r1lab.diagnosis.rescore import RESCORED, Rescoring, weight_differences
        from r1lab.diagnosis.rescore_report import Tally
        from r1lab.records.progress import track
        from r1lab.records.tables import Table

        run = find_run(Path(self.folder))
        ledger, table, tally = Ledger(run), Table(context.folder / "rescored.parquet", RESCORED), Tally()
        names, left_out = ledger.names(self.kinds), set()
        here = {"selection": self.selection, "advantage": self.advantage}
        there = here | self.recipe(run)[0]
        differ: dict[Any, str] = {
            name: f"{name}: {there[name]} in the run, {part} here" for name, part in here.items() if there[name] != part
        }
        rewards = informed(self.rewards, ledger.first_questions())
        with closing(Rubric(rewards)) as rubric, track(len(names), "rescoring", {}) as progress:
            as_in_run = self.as_in == RUN
            rescoring = Rescoring(rubric, **(there if as_in_run else here), stored_weights=as_in_run)
            for done, part in enumerate(ledger.read(names), start=1):
                rows = rescoring(part)
                table.write_part(part.name, rows)
                tally.add(rows)
                left_out |= set(part.groups[0].rollouts[0].scores).difference(self.rewards)
                differ |= weight_differences(part, rubric)
                progress.update(done)
        found = {"run": str(run), "as_in": self.as_in, "differences": [*differ.values()]}
        found |= {"left_out": sorted(left_out), "half_parts": ledger.halves(self.kinds)}
        write_json_atomic(context.folder / "summary.json", found | tally.numbers())
        tally.require_judged()
        heading = f"{run}\n{tally.rewards.total():,} completions ({', '.join(self.kinds)}) judged again"
        context.report(f"{heading}{remarks(found)}\n\n{tally.text()}")


def recipe_of(run: Path, packages: Collection[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """The selection and the advantage of a run's configuration, those that it has, and why one cannot be made.

    Somebody else may have written the run: no target is called but classes of r1lab and of `packages`.
    """
    faults: list[str] = []
    stage = stored_stage(run, faults)
    objective = stage.get("objective")
    advantage = objective.get("advantage") if isinstance(objective, Mapping) else None
    nodes = {"selection": stage.get("selection"), "advantage": advantage}
    parts = {name: build(node, name, faults, stored(packages)) for name, node in nodes.items() if node}
    for name, needed in {"selection": "rounds", "advantage": "smallest_group"}.items():
        if not faults and (part := parts.get(name)) is not None and not (callable(part) and hasattr(part, needed)):
            faults.append(f"{name} is no {name}: {nodes[name]!r:.80}.")
    return {name: part for name, part in parts.items() if part is not None}, faults


def stored_stage(run: Path, faults: list[str]) -> Mapping[str, Any]:
    """The stage of a run's configuration as plain values, nothing resolved; empty where it has none to be read."""
    import yaml

    path = run / ".hydra" / "config.yaml"
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (yaml.YAMLError, ValueError, OSError) as error:
        faults.append(f"{path.name} cannot be read: {words(error)}.")
        return {}
    stage = config.get("stage") if isinstance(config, Mapping) else None
    return stage if isinstance(stage, Mapping) else {}


def remarks(found: Mapping[str, Any]) -> str:
    """Behind the heading: what was not judged again, and where run and command are not the same."""
    said = f", not by {', '.join(found['left_out'])}" if found["left_out"] else ""
    if halves := found["half_parts"]:
        named = ", ".join(halves[:SHOWN_PARTS]) + ", ..." * (len(halves) > SHOWN_PARTS)
        said += f"\nleft out, in only one of rollouts.parquet and scores.parquet: {named}"
    if found["differences"]:
        other = RUN if found["as_in"] == COMMAND else COMMAND
        said += f"\nthe {found['as_in']}'s are taken (stage.as_in={other}: the {other}'s):"
        said += "".join(f"\n  {line}" for line in found["differences"])
    return said
