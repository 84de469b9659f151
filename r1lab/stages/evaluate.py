"""`stage=evaluate`: how good a policy is on the held-out questions of a mix, without training."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from r1lab.data.mix import Mix
from r1lab.data.template import Template, check_prompt_tokens
from r1lab.disk import write_json_atomic
from r1lab.evaluation.run import Evaluation, Outcome, summarize
from r1lab.processes import rank, together
from r1lab.records.ledger import Ledger
from r1lab.rewards.rubric import Rubric
from r1lab.stages.base import Context, Stage
from r1lab.stages.gold import NUM_GOLD, check_gold
from r1lab.stages.policy import ModelChoice
from r1lab.stages.sample import POLL_SECONDS, SAMPLING
from r1lab.training.strategy import Strategy
from r1lab.types import Question


@dataclass(frozen=True)
class EvaluateStage(Stage):
    """Any policy - a model of conf/model, a folder, a hub id, a checkpoint - on any mix."""

    policy: ModelChoice
    mix: Mix
    template: Template
    engine: Callable[..., Any]
    evaluation: Evaluation
    strategy: Strategy

    def faults(self) -> list[str]:
        """A policy and judges that can be loaded."""
        return self.policy.faults() + Rubric(self.evaluation.rewards).faults("evaluation.rewards")

    def parents(self) -> dict[str, str]:
        """The data files and the model folder, by content."""
        return self.mix.digests() | self.evaluation.digests() | self.policy.digests()

    def run(self, context: Context) -> None:
        """Samples, judges, keeps every completion, writes summary.json and the line."""
        context.say(self.policy.describe())
        self.policy.prepare(context, lambda: self.check_heldout(self.evaluation.heldout(self.mix)))
        with together(partial(self.run, context.of_others()), self.strategy.local_size, imports=SAMPLING) as meet:
            self.strategy.set_threads()
            heldout = self.evaluation.heldout(self.mix)
            judges = self.evaluation.judges(heldout)
            if context.first_rank:
                self.check_heldout(heldout)
                self.rewind(context)
            else:
                meet()  # until what is missing has been made, once
            model, tokenizer = self.policy.obtain(context)
            if context.first_rank:
                room = model.config.max_position_embeddings - self.evaluation.max_new_tokens
                check_prompt_tokens(self.template, heldout, tokenizer, room)
                meet()
            own = self.part(context, rank(self.strategy.local_size))
            if not own.exists():
                self.judge(context, own, model, tokenizer, heldout, judges)
        if context.first_rank:
            from r1lab.stages.watch import evaluation_line
            from r1lab.verifiers.math_answer import same

            numbers = summarize(self.outcomes(context), self.evaluation.samples, same, context.seed)
            write_json_atomic(context.folder / "summary.json", {**numbers, "model": self.policy.describe()})
            context.report(evaluation_line(numbers))

    def check_heldout(self, heldout: Sequence[Question]) -> None:
        """Gold completions score full marks."""
        with closing(Rubric(self.evaluation.judges(heldout))) as rubric:
            check_gold(rubric, self.template, heldout[:NUM_GOLD])

    def judge(self, context: Context, own: Path, model: Any, tokenizer: Any, heldout: Sequence[Question],
              judges: Mapping[str, Any]) -> None:  # fmt: skip
        """This rank's questions: sampled, judged, written."""
        from r1lab.records.progress import track
        from r1lab.rollouts.collect import Collector
        from r1lab.stages.watch import RunTables

        number, world_size = rank(self.strategy.local_size), self.strategy.world_size
        engine = self.engine(policy=self.policy.sampling(model, self.strategy), pad_id=tokenizer.pad_token_id)
        context.say(f"Evaluating {len(heldout)} held-out questions x {self.evaluation.samples} samples")
        asked, quiet = len(heldout[number::world_size]), not context.first_rank
        with (
            closing(Rubric(judges)) as rubric,
            track(asked, "evaluating", {}, quiet=quiet) as progress,
        ):
            collector = Collector(engine, tokenizer, self.template, rubric)
            share = (number, world_size, progress.update)
            groups = self.evaluation(collector, heldout, self.evaluation.samples, (context.seed, "evaluation"), *share)
            RunTables(context.folder).write_groups(groups, rubric.weights(0), 0, 0, "evaluation", rank=number)
        write_json_atomic(own, [asdict(outcome) for outcome in self.evaluation.outcomes(groups)])

    def part(self, context: Context, number: int) -> Path:
        """Where a rank writes what came of its questions; of another number of ranks they would be others."""
        return context.folder / f"outcomes-{number}-of-{self.strategy.world_size}.json"

    def rewind(self, context: Context) -> None:
        """Forgets what another number of ranks has left behind, or one of whose ranks none is through."""
        if not any(self.part(context, number).exists() for number in range(self.strategy.world_size)):
            for path in context.folder.glob("outcomes-*.json"):
                path.unlink()
            ledger = Ledger(context.folder)
            for table in (ledger.rollouts, ledger.scores):
                table.drop_from(0)

    def outcomes(self, context: Context) -> list[Outcome]:
        """What came of all questions, once every rank is through."""
        parts = [self.part(context, number) for number in range(self.strategy.world_size)]
        while not all(part.exists() for part in parts):
            time.sleep(POLL_SECONDS)
        found = [Outcome(**row) for part in parts for row in json.loads(part.read_text())]
        return sorted(found, key=lambda outcome: outcome.index)
