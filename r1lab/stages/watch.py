"""What stands beside the loop: rows on disk, evaluation, checkpoints. One callback each, in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L

from r1lab import ranks
from r1lab.disk import read_json, write_json_atomic
from r1lab.evaluation.run import Evaluation, interval, summarize
from r1lab.records.aside import Aside
from r1lab.records.ledger import Ledger
from r1lab.records.loggers import JsonlLog
from r1lab.records.progress import Progress
from r1lab.records.tables import STEPS, Table, rollout_rows, score_rows
from r1lab.rewards.rubric import FaultBudget, Rubric, judged_by
from r1lab.rollouts.collect import Collector
from r1lab.training.checkpoint import Checkpoints
from r1lab.training.grpo import GRPOModule
from r1lab.training.metrics import PhaseReport
from r1lab.training.reward_model import RewardModelModule
from r1lab.training.sft import SFTModule
from r1lab.training.updates import UpdatingModule
from r1lab.types import Group, Question, Rollout
from r1lab.verifiers.math_answer import same

ACCURACY = "accuracy"


@dataclass(frozen=True)
class RunTables(Ledger):
    """All that one attempt writes: its completions and scores, its steps, its log and its evaluations."""

    @property
    def steps(self) -> Table:
        return Table(self.folder / "steps.parquet", STEPS)

    @property
    def log(self) -> JsonlLog:
        return JsonlLog(self.folder / "log.jsonl")

    def evaluation(self, phase: int) -> Path:
        """The numbers of the evaluation after a phase; written last, so that it vouches for its rows."""
        return self.folder / "evaluations" / f"phase-{phase:06d}.json"

    def evaluations(self) -> list[dict[str, Any]]:
        """All evaluations, oldest first."""
        return [read_json(path) for path in sorted((self.folder / "evaluations").glob("phase-*.json"))]

    def write_groups(self, groups: Sequence[Group], weights: Mapping[str, float], phase: int, step: int, kind: str,
                     rank: int, advantages: Mapping[int, Sequence[float]] | None = None) -> None:  # fmt: skip
        """Rollouts and scores of this rank; `advantages` by group index, for its judged rollouts."""
        rows = rollout_rows(groups, phase=phase, step=step, kind=kind, advantages=advantages)
        part = "" if kind == "train" else kind
        self.rollouts.write(phase, rows, rank, part)
        self.scores.write(phase, score_rows(groups, phase=phase, step=step, weights=weights, kind=kind), rank, part)

    def first_samples(self, kind: str) -> list[dict[str, Any]]:
        """The first completion of each question of an evaluation."""
        return [row for row in self.rollouts.rows() if row["kind"] == kind and row["sample"] == 0]

    def rewind(self, phase: int) -> int:
        """Forgets what was written after a phase: it is done again, and no row may stand twice.

        Lines that log.jsonl has lost are restored from the table of steps; returns how many.
        Raises StorageError where an evaluation up to that phase is damaged or gone: the report would be wrong.
        """
        for path in (self.folder / "evaluations").glob("phase-*.json"):
            if path > self.evaluation(phase):
                path.unlink()
        if phase:
            read_json(self.evaluation(0))
            self.evaluations()
        # what no evaluation vouches for was cut short, perhaps on another number of ranks, whose parts would stay
        first = phase + 1 if self.evaluation(0).exists() else 0
        for table in (self.steps, self.rollouts, self.scores):
            table.drop_from(first)
        self.log.truncate_from(phase + 1)
        lacking = self.log.lacking(phase)
        found = [row for row in self.steps.rows() if row["phase"] in lacking] if lacking else []
        if found:
            self.log.restore({name: value for name, value in row.items() if value is not None} for row in found)
        return len(found)


@dataclass(eq=False)
class Recorder(L.Callback):
    """Writes what a phase did: Parquet rows and a JSON line beside the next phase, the progress line, the mirror."""

    tables: RunTables
    aside: Aside
    rubric: Rubric
    budget: FaultBudget
    progress: Progress
    mirror: Any
    max_steps: int
    _seconds: dict[str, float] = field(default_factory=dict)
    _unjudged: list[Rollout] = field(default_factory=list)
    """Of the phases since the budget last had scores enough to judge by."""
    _judging: set[str] = field(default_factory=set)
    """The rewards that have judged anything in the run."""

    def on_train_start(self, trainer: L.Trainer, module: GRPOModule) -> None:
        self._seconds = dict(module.clock.seconds)
        self._judging = self.tables.judging("train", self.rubric.rewards) if module.phase else set()

    def on_train_batch_start(self, trainer: L.Trainer, module: GRPOModule, *_: Any) -> None:
        if module.step == self.progress.first:
            self.progress.begin()

    def on_train_batch_end(self, trainer: L.Trainer, module: GRPOModule, *_: Any) -> None:
        report, rank = module.report, trainer.global_rank
        seconds = {name: s - self._seconds.get(name, 0.0) for name, s in module.clock.seconds.items()}
        self._seconds = dict(module.clock.seconds)
        row = {"phase": report.phase, "step": report.step, **report.metrics, "lr": report.lr}
        row |= {f"seconds/{name}": s for name, s in seconds.items() if name != "evaluation"}
        spent = max(sum(s for name, s in seconds.items() if name != "evaluation"), 1e-9)
        row["tokens_per_second"] = report.metrics["tokens_sampled"] / spent
        with module.clock("records"):
            self.aside.add(partial(self.write, report, self.rubric.weights(report.start_step), row, rank))
            if rank == 0 and self.mirror is not None:
                self.mirror.log_metrics({k: v for k, v in row.items() if k not in ("phase", "step")}, report.step)
        self.progress.update(
            report.step,
            reward=row["reward"],
            accuracy=row.get(f"reward/{ACCURACY}"),
            length=row["length"],
            kl=row["kl"],
            entropy=row["entropy"],
            tokens_per_second=row["tokens_per_second"],
        )
        self.check([r for g in report.groups for r in g.rollouts], last=module.step >= self.max_steps)

    def check(self, rollouts: Sequence[Rollout], last: bool) -> None:
        """Raises VerifierError where rewards fail too often, or one has judged nothing in the whole run."""
        self._unjudged += rollouts
        self._judging |= judged_by(rollouts)
        judging = ranks.gathered(sorted(self._judging)) if last else ()
        if self.budget(self._unjudged, last, judging):
            self._unjudged = []

    def write(self, report: PhaseReport, weights: Mapping[str, float], row: Mapping[str, Any], rank: int) -> None:
        """The rows of a phase; those that all ranks have together are the first one's."""
        step = report.start_step
        self.tables.write_groups(report.groups, weights, report.phase, step, "train", rank, report.advantages)
        if rank == 0:
            self.tables.steps.write(report.phase, [row])
            self.tables.log.write(row)


@dataclass(eq=False)
class Evaluator(L.Callback):
    """Evaluates before training, every n steps, and - with all samples - after the last step."""

    tables: RunTables
    evaluation: Evaluation
    collector: Collector
    heldout: Sequence[Question]
    max_steps: int
    seed: int
    progress: Progress
    mirror: Any
    say: Any

    def on_train_start(self, trainer: L.Trainer, module: GRPOModule) -> None:
        if module.step == 0 and not self.tables.evaluation(0).exists():
            self.evaluate(trainer, module, self.evaluation.samples, "before")

    def on_train_batch_end(self, trainer: L.Trainer, module: GRPOModule, *_: Any) -> None:
        every, updates = self.evaluation.every_steps, module.recipe.plan.updates
        if module.step >= self.max_steps:
            self.evaluate(trainer, module, self.evaluation.samples, "after")
        elif every and module.step // every > (module.step - updates) // every:
            self.evaluate(trainer, module, self.evaluation.samples_during, "during")

    def evaluate(self, trainer: L.Trainer, module: GRPOModule, samples: int, kind: str) -> None:
        """Samples, judges, writes every completion, then the numbers."""
        rank, world_size = trainer.global_rank, trainer.world_size
        if kind != "during":
            self.say(f"Evaluating {kind} training: {len(self.heldout)} held-out questions x {samples} samples")
        with module.clock("evaluation"):
            self.collector.engine.version = module.step
            mine = len(self.heldout[rank::world_size])
            groups = self.evaluation(
                self.collector, self.heldout, samples, (self.seed, "evaluation"), rank, world_size,
                tell=lambda done: self.progress.aside(f"evaluating {done}/{mine} questions"),
            )  # fmt: skip
            weights = self.collector.rubric.weights(0)
            self.tables.write_groups(groups, weights, module.phase, module.step, f"evaluation-{kind}", rank)
            self.evaluation.check(groups)
            outcomes = sorted(ranks.gathered(self.evaluation.outcomes(groups)), key=lambda o: o.index)
            numbers = {
                "phase": module.phase,
                "step": module.step,
                "kind": kind,
                **summarize(outcomes, samples, same, self.seed),
            }
        if rank == 0:
            path = self.tables.evaluation(module.phase)
            path.parent.mkdir(exist_ok=True)
            write_json_atomic(path, numbers)
            if self.mirror is not None:
                flat = {
                    f"evaluation/{k}": v["mean"] if isinstance(v, dict) and "mean" in v else v
                    for k, v in numbers.items()
                }
                self.mirror.log_metrics({k: v for k, v in flat.items() if isinstance(v, (int, float))}, module.step)
            if kind != "during":
                self.say(evaluation_line(numbers))


def evaluation_line(numbers: Mapping[str, Any]) -> str:
    """One line: pass@1 with its interval, cons@k, length."""
    p, k = numbers["pass_at_1"], numbers["samples"]
    said = [f"pass@1 {p['mean']:.1%} [{p['low']:.1%}, {p['high']:.1%}]"] if p else []
    if cons := numbers[f"cons_at_{k}"]:
        said.append(f"cons@{k} {cons['mean']:.1%}")
    said += [f"{name} {found['mean']:.0%}" for name, found in numbers["scores"].items() if found]
    said += [f"{numbers['fault_share']:.1%} of completions not judged"] if numbers["fault_share"] else []
    return f"  {', '.join(said or ['no completion could be judged'])}, length {numbers['mean_length']:.1f} tokens"


@dataclass(eq=False)
class HeldoutJudgements(L.Callback):
    """Shows how a reward model's training goes, and has it judge what was held out after the last step."""

    progress: Progress
    heldout: Sequence[Any]
    max_steps: int
    seed: int

    def on_train_batch_end(self, trainer: L.Trainer, module: RewardModelModule, *_: Any) -> None:
        if module.step >= self.max_steps:
            with module.clock("evaluation"):
                # as many on every rank: a sharded model is computed by all of them together
                size = -(-len(self.heldout) // trainer.world_size)
                mine = range(trainer.global_rank, len(self.heldout), trainer.world_size)
                asked = [self.heldout[place] for place in mine] + [self.heldout[0]] * (size - len(mine))
                found = list(zip(mine, list(module.right(asked))))  # all of them, or another rank would wait
            right = [value for _, value in sorted(ranks.gathered(found))]
            module.metrics |= {"heldout": len(right), "heldout_accuracy": interval(right, self.seed)}
        shown = {name: module.metrics[name] for name in ("loss", "accuracy")}
        self.progress.update(module.step, **shown)


@dataclass(eq=False)
class StepLog(L.Callback):
    """A JSON line for each step of supervised training, and its mirror; the first rank's alone."""

    rows: JsonlLog
    mirror: Any

    def on_train_batch_end(self, trainer: L.Trainer, module: SFTModule | RewardModelModule, *_: Any) -> None:
        if trainer.global_rank == 0:
            numbers = {name: value for name, value in module.metrics.items() if isinstance(value, (int, float))}
            self.rows.write({"phase": module.step, "step": module.step, **numbers})
            if self.mirror is not None:
                self.mirror.log_metrics(numbers, module.step)


@dataclass(eq=False)
class Checkpointer(L.Callback):
    """Restores the state a module goes on from, and saves it every n steps and at the end."""

    checkpoints: Checkpoints
    tokenizer: Any
    every_steps: int
    max_steps: int
    resume_from: Path | None
    aside: Aside | None = None
    """Where rows are written that a checkpoint vouches for."""
    _seen: int = 0

    def on_train_start(self, trainer: L.Trainer, module: UpdatingModule) -> None:
        self._seen = module.step
        if self.resume_from is not None:
            self.checkpoints.load(self.resume_from, module)

    def on_train_batch_end(self, trainer: L.Trainer, module: UpdatingModule, *_: Any) -> None:
        due = module.step // self.every_steps > self._seen // self.every_steps
        self._seen = module.step
        if due or module.step >= self.max_steps:
            with module.clock("checkpoint"):
                if self.aside is not None:
                    self.aside.finish()
                self.checkpoints.save(module, self.tokenizer, module.state)
