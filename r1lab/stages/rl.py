"""Reinforcement learning as a stage: a base goes in, a policy and the proof of what it learned come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from r1lab.data.digests import digests_of
from r1lab.data.mix import Mix
from r1lab.data.template import Template, check_prompt_tokens, longest_prompt
from r1lab.errors import ConfigError
from r1lab.evaluation.run import Evaluation
from r1lab.functional.schedules import as_schedule, require_integer
from r1lab.models.families import positions_of
from r1lab.rewards.rubric import FaultBudget, Reward, Rubric, informed
from r1lab.rollouts.plan import RolloutPlan
from r1lab.rollouts.selection import Selection
from r1lab.stages.base import Context
from r1lab.stages.dropped import tell_dropped
from r1lab.stages.gold import NUM_EXAMPLES, NUM_GOLD, check_aspects, tell_golds
from r1lab.stages.policy import ModelChoice
from r1lab.stages.policy_stage import PolicyStage
from r1lab.training.mismatch import MismatchLevels
from r1lab.training.objective import Objective
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.types import Question

if TYPE_CHECKING:
    from r1lab.stages.watch import RunTables
    from r1lab.training.checkpoint import Checkpoints


class Asked(NamedTuple):
    """What a run asks, as far as it is drawn beforehand."""

    first: list[Question]
    """Of the first phase, or more."""
    each: list[Question]
    """Some of each source."""
    heldout: list[Question]
    """Those of the evaluation."""
    rewards: Mapping[str, Reward]
    """Told of the first questions."""


@dataclass(frozen=True)
class RLStage(PolicyStage):
    """R1-Zero, and with other rewards and mixes the reinforcement-learning stages of R1."""

    outputs: ClassVar[tuple[str, ...]] = ("policy",)
    imports: ClassVar[tuple[str, ...]] = (
        "r1lab.training.trainer", "r1lab.training.grpo", "r1lab.stages.watch", "r1lab.rollouts.collect"
    )  # fmt: skip

    policy: ModelChoice
    mix: Mix
    template: Template
    rewards: Mapping[str, Any]
    engine: Callable[..., Any]
    objective: Objective
    selection: Selection
    optim: AdamW
    plan: RolloutPlan
    evaluation: Evaluation
    strategy: Strategy
    ref_refresh_steps: int
    """The reference becomes the policy every n updates; 0 keeps the first."""
    max_steps: int
    """Updates of the whole run."""
    checkpoint_steps: int
    keep_checkpoints: int
    fault_budget: FaultBudget
    mismatch: MismatchLevels

    def __post_init__(self):
        lowest = {"max_steps": 1, "ref_refresh_steps": 0, "checkpoint_steps": 1, "keep_checkpoints": 2}
        for name, low in lowest.items():
            require_integer(f"stage.{name}", getattr(self, name), low)
        if not self.rewards:
            raise ConfigError("Nothing is rewarded.", f"rewards={self.rewards}", "reward@rewards.accuracy=accuracy")

    def faults(self) -> list[str]:
        """Arithmetic that cannot work, with values that would."""
        faults = self.plan.faults(self.strategy.world_size, self.objective.advantage.smallest_group)
        faults += self.policy.faults() + self.mix.faults(self.phases)
        faults += self.policy.too_long("stage.plan.max_new_tokens", self.longest)
        faults += self.policy.too_long("evaluation.max_new_tokens", self.evaluation.max_new_tokens)
        updates = self.plan.updates
        for name in ("max_steps", "ref_refresh_steps", "checkpoint_steps"):
            if (steps := getattr(self, name)) % updates:
                low = steps // updates * updates
                fits = ", ".join(str(s) for s in (low, low + updates) if s)
                faults.append(
                    f"stage.{name}={steps} is no whole number of phases of {updates} updates. It could be {fits}."
                )
        # the first update of a phase takes the policy's own logprobs as the old ones, the others the sampler's
        if self.objective.corrects and self.plan.old_logprobs == "sampler" and updates > 1:
            faults.append(
                f"objective.correction corrects 1 of the {updates} updates of a phase: stage.plan.old_logprobs=sampler "
                "has the sampler's logprobs on both sides of it. Try stage.plan.old_logprobs=recompute"
            )
        faults += self.evaluation.mix.faults((0,)) if self.evaluation.mix else []
        faults += Rubric(self.rewards).faults("rewards") + Rubric(self.evaluation.rewards).faults("evaluation.rewards")
        if "accuracy" not in self.evaluation.rewards:
            faults.append("evaluation.rewards has no accuracy: nothing would say what is right.")
        if (pools := self.mix.difficulty) and pools.reward not in self.rewards:
            faults.append(f"mix.difficulty.reward={pools.reward}: the rewards are {', '.join(self.rewards)}.")
        return faults

    @property
    def phases(self) -> range:
        """The steps at which a phase begins."""
        return range(0, self.max_steps, self.plan.updates)

    @property
    def longest(self) -> int:
        """Most tokens of a completion in any phase."""
        return max(map(as_schedule(self.plan.max_new_tokens), self.phases))

    def parents(self) -> dict[str, str]:
        """The data files and the folders of models, those that reward and judge too, by content."""
        rewards = digests_of(self.rewards, "rewards")
        return self.mix.digests() | rewards | self.evaluation.digests() | self.policy.digests()

    def read(self) -> Asked:
        """The first questions, some of each source, those of the evaluation, and the rewards."""
        self.mix.check(steps=self.phases)
        heldout = self.evaluation.heldout(self.mix)
        first, _ = self.mix.draw(self.mix.start(), max(self.plan.questions, NUM_GOLD), 0)
        rewards = informed(self.rewards, first[: self.plan.questions])
        return Asked(first, self.mix.examples(NUM_EXAMPLES, self.phases), heldout, rewards)

    def check(self, context: Context, data: Asked) -> None:
        """Every prompt has a reward, and gold completions score full marks."""
        check_aspects(data.rewards, [*data.first[:NUM_GOLD], *data.each])
        self.check_golds(context, data)

    def check_golds(self, context: Context, data: Asked, tokenizer: Any = None) -> None:
        """Gold completions of training and evaluation; with a tokenizer behind the prompts that open more."""
        first, heldout, most = data.first, data.heldout, self.fault_budget.max_share
        trained, judged = [*first[:NUM_GOLD], *data.each], heldout[:NUM_GOLD]
        tell_golds(context.say, data.rewards, self.template, trained, first[NUM_GOLD:], tokenizer, most)
        judges = self.evaluation.judges(judged)
        tell_golds(context.say, judges, self.template, judged, heldout[NUM_GOLD:], tokenizer, most)

    def ready(self, context: Context, data: Asked, model: Any, tokenizer: Any) -> Asked:
        """No prompt is ever cut: the questions must leave room for the longest completion."""
        if context.first_rank:
            tell_dropped(context, self.mix)
            for line in self.template.remarks(tokenizer):
                context.say(line)
            self.check_golds(context, data, tokenizer)
            room = positions_of(model.config) - max(self.longest, self.evaluation.max_new_tokens)
            check_prompt_tokens(self.template, [*data.heldout, *data.first, *data.each], tokenizer, room)
        return data

    def longest_text(self, data: Asked, tokenizer: Any) -> float:
        """The longest prompt of the first questions and the longest completion."""
        longest = longest_prompt(self.template, [*data.first[:NUM_GOLD], *data.each], tokenizer)
        return longest + max(self.longest, self.evaluation.max_new_tokens)

    def finish(self, context: Context, data: Asked, worked: Checkpoints) -> None:
        """Writes the report, and stores the policy."""
        from r1lab.stages.report import write_report
        from r1lab.stages.watch import RunTables

        last, state = worked.newest(context.say)
        tables, weights = RunTables(context.folder), {name: reward.weight for name, reward in self.rewards.items()}
        write_report(context, tables, self.policy.describe(), self.policy.base, last, state["seconds"], weights)

    def work(self, context: Context, data: Asked, model: Any, tokenizer: Any) -> Checkpoints:
        """Runs the phases that are not done yet; returns the checkpoints."""
        from r1lab.models.causal import CausalPolicy
        from r1lab.records.aside import Aside
        from r1lab.records.progress import RL_COLUMNS, track
        from r1lab.rollouts.collect import Collector
        from r1lab.stages.mismatch_watch import MismatchWatch
        from r1lab.stages.watch import Checkpointer, Evaluator, Recorder, RunTables
        from r1lab.training.checkpoint import Checkpoints
        from r1lab.training.grpo import GRPOModule, Phases, Recipe
        from r1lab.training.memory import FitMemory, GroupShape
        from r1lab.training.trainer import build_trainer, fit

        tables = RunTables(context.folder)
        checkpoints = Checkpoints(context.folder / "checkpoints", self.keep_checkpoints)
        newest, state = checkpoints.newest(context.say) or (None, None)
        self.rewind(context, tables, checkpoints, state)
        if state and state["step"] >= self.max_steps:
            return checkpoints
        with ExitStack() as stack:
            rubric = stack.enter_context(closing(Rubric(data.rewards)))
            judges = stack.enter_context(closing(Rubric(self.evaluation.judges(data.heldout))))
            mirror = stack.enter_context(context.mirror())
            aside = stack.enter_context(closing(Aside()))
            policy = CausalPolicy(model, self.policy.compute())
            engine = self.engine(policy=policy, pad_id=tokenizer.pad_token_id)
            collector = Collector(engine, tokenizer, self.template, rubric)
            recipe = Recipe(self.plan, self.objective, self.selection, self.optim, self.ref_refresh_steps)

            def tell(alarm: str) -> None:
                context.say(alarm)
                if context.first_rank:
                    context.record.update(mismatch_alarm=alarm)

            module = GRPOModule(policy, collector, recipe, context.seed, self.mix.start())
            if state:
                module.go_on(state)
            progress = stack.enter_context(
                track(self.max_steps, "training", RL_COLUMNS, module.step, quiet=not context.first_rank)
            )
            judge = replace(collector, rubric=judges)
            longest = longest_prompt(self.template, data.first, tokenizer)
            group = GroupShape(longest, int(as_schedule(self.plan.max_new_tokens).bounds[1]), self.plan.group_size)
            callbacks = [
                FitMemory(group, self.plan.microbatch_tokens, self.plan.activation_checkpointing, context.say),
                Recorder(tables, aside, rubric, self.fault_budget, progress, mirror, self.max_steps),
                MismatchWatch(self.mismatch, aside, tell),
                Evaluator(
                    tables,
                    self.evaluation,
                    judge,
                    data.heldout,
                    self.max_steps,
                    context.seed,
                    progress,
                    mirror,
                    context.say,
                ),
                # last: a checkpoint vouches for the rows and evaluations before it
                Checkpointer(checkpoints, tokenizer, self.checkpoint_steps, self.max_steps, newest, aside),
            ]
            trainer = build_trainer(self.strategy, callbacks)
            last = self.max_steps // self.plan.updates
            fit(trainer, module, Phases(self.mix, module, last, trainer.global_rank, trainer.world_size))
        return checkpoints

    def rewind(self, context: Context, tables: RunTables, checkpoints: Checkpoints, state: dict | None) -> None:
        """Takes the record back to the newest checkpoint: what came after it is done again."""
        if state:
            context.say(f"Going on from step {state['step']} of {self.max_steps}")
            context.record.resumed_from(state["phase"])
        if context.first_rank:
            # other ranks write only after they met this one in the trainer's process group
            if restored := tables.rewind(state["phase"] if state else 0):
                context.say(f"log.jsonl had lost {restored} lines; they are restored from steps.parquet")
            checkpoints.drop_after(state["step"] if state else 0)
