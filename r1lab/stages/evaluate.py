"""`stage=evaluate`: how good a policy is on the held-out questions of a mix, without training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from r1lab.data.mix import Mix
from r1lab.data.template import Template, check_prompt_tokens
from r1lab.disk import write_json_atomic
from r1lab.evaluation.run import Evaluation, summarize
from r1lab.rewards.rubric import Rubric
from r1lab.stages.base import Context, Stage
from r1lab.stages.gold import NUM_GOLD, check_gold
from r1lab.stages.policy import ModelChoice
from r1lab.training.strategy import Strategy


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
        """Evaluation runs in one process, and what it asks can be loaded."""
        faults = self.policy.faults() + Rubric(self.evaluation.rewards).faults("evaluation.rewards")
        if self.strategy.world_size > 1:
            faults.append("stage=evaluate is one process. Try strategy=single.")
        return faults

    def parents(self) -> dict[str, str]:
        """The data files and the model folder, by content."""
        return self.mix.digests() | self.evaluation.digests() | self.policy.digests()

    def run(self, context: Context) -> None:
        """Samples, judges, keeps every completion, writes summary.json and the line."""
        from r1lab.records.progress import track
        from r1lab.rollouts.collect import Collector
        from r1lab.stages.watch import RunTables, evaluation_line
        from r1lab.verifiers.math_answer import same

        context.say(self.policy.describe())
        self.policy.prepare(context)
        self.strategy.set_threads()
        heldout = self.evaluation.heldout(self.mix)
        rubric = Rubric(self.evaluation.judges(heldout))
        check_gold(rubric, self.template, heldout[:NUM_GOLD])
        model, tokenizer = self.policy.obtain(context)
        room = model.config.max_position_embeddings - self.evaluation.max_new_tokens
        check_prompt_tokens(self.template, heldout, tokenizer, room)
        engine = self.engine(policy=self.policy.sampling(model, self.strategy), pad_id=tokenizer.pad_token_id)
        collector = Collector(engine, tokenizer, self.template, rubric)
        samples = self.evaluation.samples
        context.say(f"Evaluating {len(heldout)} held-out questions x {samples} samples")
        with track(len(heldout), "evaluating", {}) as progress:
            stream = (context.seed, "evaluation")
            groups = self.evaluation(collector, heldout, samples, stream, tell=progress.update)
        numbers = summarize(self.evaluation.outcomes(groups), samples, same, context.seed)
        rubric.close()
        RunTables(context.folder).write_groups(groups, rubric.weights(0), 0, 0, "evaluation", rank=0)
        write_json_atomic(context.folder / "summary.json", {**numbers, "model": self.policy.describe()})
        context.report(evaluation_line(numbers))
