"""`stage=evaluate`: how good a policy is on the held-out questions of a mix, without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from r1lab.artifacts.address import is_artifact
from r1lab.data.mix import Mix
from r1lab.data.template import Template, check_prompt_tokens, longest_prompt
from r1lab.disk import read_json, write_json_atomic
from r1lab.evaluation.run import Evaluation, Outcome, summarize
from r1lab.models.families import positions_of
from r1lab.processes import rank, wait_for
from r1lab.records.ledger import Ledger
from r1lab.rewards.rubric import Rubric
from r1lab.stages.base import Context
from r1lab.stages.card import add_scores
from r1lab.stages.gold import NUM_GOLD, tell_golds
from r1lab.stages.policy import ModelChoice
from r1lab.stages.policy_stage import PolicyStage
from r1lab.stages.sample import SAMPLING
from r1lab.training.strategy import Strategy
from r1lab.types import Question

OUTCOMES = "outcomes-*.json"
"""What came of the questions of each rank."""


@dataclass(frozen=True)
class EvaluateStage(PolicyStage):
    """Any policy - a model of conf/model, a folder, a hub id, a checkpoint - on any mix."""

    files: ClassVar[tuple[str, ...]] = ("summary.json", OUTCOMES)
    imports: ClassVar[tuple[str, ...]] = SAMPLING

    policy: ModelChoice
    mix: Mix
    template: Template
    engine: Callable[..., Any]
    evaluation: Evaluation
    strategy: Strategy

    def faults(self) -> list[str]:
        """A policy and judges that can be loaded."""
        faults = self.policy.faults() + Rubric(self.evaluation.rewards).faults("evaluation.rewards")
        return faults + self.policy.too_long("evaluation.max_new_tokens", self.evaluation.max_new_tokens)

    def parents(self) -> dict[str, str]:
        """The data files and the folders of models, those that judge too, by content."""
        return self.mix.digests() | self.evaluation.digests() | self.policy.digests()

    def read(self) -> list[Question]:
        """The held-out questions."""
        return self.evaluation.heldout(self.mix)

    def check(self, context: Context, data: Sequence[Question]) -> None:
        """Gold completions score full marks."""
        self.check_golds(context, data)

    def check_golds(self, context: Context, data: Sequence[Question], tokenizer: Any = None) -> None:
        """With a tokenizer those behind the prompts that open more."""
        judges = self.evaluation.judges(data)
        tell_golds(context.say, judges, self.template, data[:NUM_GOLD], data[NUM_GOLD:], tokenizer)

    def ready(self, context: Context, data: list[Question], model: Any, tokenizer: Any) -> list[Question]:
        """No prompt is cut: the questions must leave room for the longest response."""
        if context.first_rank:
            self.rewind(context)
            for line in self.template.remarks(tokenizer):
                context.say(line)
            self.check_golds(context, data, tokenizer)
            room = positions_of(model.config) - self.evaluation.max_new_tokens
            check_prompt_tokens(self.template, data, tokenizer, room)
        return data

    def longest_text(self, data: list[Question], tokenizer: Any) -> float:
        """The longest prompt of the first questions and the longest response."""
        return longest_prompt(self.template, data[:NUM_GOLD], tokenizer) + self.evaluation.max_new_tokens

    def finish(self, context: Context, data: list[Question], worked: None) -> None:
        """Writes summary.json and the line, once the ranks of other machines are through as well."""
        from r1lab.stages.watch import evaluation_line
        from r1lab.verifiers.math_answer import same

        numbers = summarize(self.outcomes(context), self.evaluation.samples, same, context.seed)
        write_json_atomic(context.folder / "summary.json", {**numbers, "model": self.policy.describe()})
        line = evaluation_line(numbers)
        if is_artifact(self.policy.origin):
            sources = ", ".join((self.evaluation.mix or self.mix).sources)
            asked = f"{len(data)} questions of {sources} x {self.evaluation.samples}, run {context.record.id}"
            add_scores(Path(self.policy.weights), f"{asked}: {line.strip()}")
        context.report(line)

    def work(self, context: Context, data: list[Question], model: Any, tokenizer: Any) -> None:
        """This rank's questions: sampled, judged, every completion kept."""
        from r1lab.records.progress import track
        from r1lab.rollouts.collect import Collector
        from r1lab.stages.watch import RunTables

        number, world_size = rank(self.strategy.local_size), self.strategy.world_size
        if (own := self.part(context, number)).exists():
            return
        engine = self.engine(policy=self.policy.sampling(model, self.strategy), pad_id=tokenizer.pad_token_id)
        context.say(f"Evaluating {len(data)} held-out questions x {self.evaluation.samples} samples")
        asked, quiet = len(data[number::world_size]), not context.first_rank
        with (
            closing(Rubric(self.evaluation.judges(data))) as rubric,
            track(asked, "evaluating", {}, quiet=quiet) as progress,
        ):
            collector = Collector(engine, tokenizer, self.template, rubric)
            share = (number, world_size, progress.update)
            groups = self.evaluation(collector, data, self.evaluation.samples, (context.seed, "evaluation"), *share)
            RunTables(context.folder).write_groups(groups, rubric.weights(0), 0, 0, "evaluation", rank=number)
        self.evaluation.check(groups)
        write_json_atomic(own, [asdict(outcome) for outcome in self.evaluation.outcomes(groups)])

    def part(self, context: Context, number: int) -> Path:
        """Where a rank writes what came of its questions; of another number of ranks they would be others."""
        return context.folder / f"outcomes-{number}-of-{self.strategy.world_size}.json"

    def rewind(self, context: Context) -> None:
        """Forgets what another number of ranks has left behind, or one of whose ranks none is through."""
        if not any(self.part(context, number).exists() for number in range(self.strategy.world_size)):
            for path in context.folder.glob(OUTCOMES):
                path.unlink()
            ledger = Ledger(context.folder)
            for table in (ledger.rollouts, ledger.scores):
                table.drop_from(0)

    def outcomes(self, context: Context) -> list[Outcome]:
        """What came of all questions, once every rank is through."""
        parts = [self.part(context, number) for number in range(self.strategy.world_size)]
        wait_for(lambda: sum(not part.exists() for part in parts), "ranks", context.say)
        return read_outcomes(context.folder)


def read_outcomes(folder: Path) -> list[Outcome]:
    """What came of every question of a finished evaluation, in the order of the questions."""
    rows = [row for part in folder.glob(OUTCOMES) for row in read_json(part)]
    return sorted((Outcome(**row) for row in rows), key=lambda outcome: outcome.index)
