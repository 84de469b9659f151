"""GRPO as the paper tells it: one Lightning batch is one rollout phase, from questions to K updates."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from r1lab import ranks
from r1lab.data.mix import Mix, State
from r1lab.functional.schedules import at_step
from r1lab.models.causal import CausalPolicy
from r1lab.rollouts.batches import Minibatch, advantages_of, minibatch, training_samples
from r1lab.rollouts.collect import Collector
from r1lab.rollouts.plan import RolloutPlan
from r1lab.rollouts.refill import Collected, collect
from r1lab.rollouts.selection import Selection
from r1lab.training.baseline import ValueBaseline
from r1lab.training.critic import Critic
from r1lab.training.metrics import PhaseMetrics, PhaseReport
from r1lab.training.objective import Objective
from r1lab.training.optim import AdamW
from r1lab.training.reference import frozen_copy, is_due, replace, with_reference
from r1lab.training.updates import UpdatingModule, over_all_ranks
from r1lab.types import Group, PackedBatch

WHITEN_EPS = 1e-8
"""The least variance that advantages are divided by the root of."""


@dataclass(frozen=True)
class Recipe:
    """What decides the mathematics of a run; any number in it may be a schedule over steps."""

    plan: RolloutPlan
    objective: Objective
    selection: Selection
    optim: AdamW
    ref_refresh_steps: int
    """The reference becomes the policy every n updates; 0 keeps the first one."""

    @property
    def recomputes(self) -> bool:
        """Whether the policy computes the old logprobs again at the start of a phase, instead of the sampler's."""
        return self.plan.old_logprobs == "recompute" or (self.plan.old_logprobs == "auto" and self.objective.corrects)


@dataclass(frozen=True)
class Phase:
    """One rollout phase of this rank; its questions are drawn when it begins, for earlier answers may decide them."""

    number: int
    """1, 2, ..."""
    mix: Mix
    minibatches: list[list[int]]
    """K lists of places, 0 to Q-1: this rank's share of each minibatch."""

    @property
    def places(self) -> list[int]:
        return [place for part in self.minibatches for place in part]


class GRPOModule(UpdatingModule):
    """The policy, its reference, and the loop of the paper (v1 Eqs. 1-3; Nature Methods)."""

    def __init__(self, policy: CausalPolicy, collector: Collector, recipe: Recipe, seed: int, cursor: State):
        super().__init__(policy, recipe.optim)
        self.reference = frozen_copy(policy) if recipe.objective.uses_reference else None
        self.critic = Critic(policy) if recipe.objective.critic else None
        self.collector, self.recipe, self.seed = collector, recipe, seed
        self.phase = 0
        """Rollout phases done."""
        self.cursor = cursor
        """Where the mix goes on."""
        self.report: PhaseReport | None = None
        """What happened in the last phase; callbacks write it down."""

    @property
    def models(self) -> dict[str, CausalPolicy]:
        """What a checkpoint holds beside the optimizers."""
        models = {"policy": self.policy, "reference": self.reference, "critic": self.critic}
        return {name: model for name, model in models.items() if model is not None}

    @property
    def trained(self) -> dict[str, tuple[CausalPolicy, AdamW]]:
        """The policy, and the critic where there is one."""
        critic = {"critic": (self.critic, self.recipe.objective.critic.optim)} if self.critic is not None else {}
        return super().trained | critic

    @property
    def state(self) -> dict[str, Any]:
        """What resuming needs beside weights and optimizer, as plain JSON."""
        seconds = dict(self.clock.seconds)
        return {"phase": self.phase, "step": self.step, "cursor": dict(self.cursor), "seconds": seconds}

    def take_microbatches(self, tokens: int) -> None:
        plan = dataclasses.replace(self.recipe.plan, microbatch_tokens=tokens)
        self.recipe = dataclasses.replace(self.recipe, plan=plan)

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state` was written; weights and optimizer come with the checkpoint."""
        self.phase, self.step, self.cursor = state["phase"], state["step"], state["cursor"]
        self.clock.load(state["seconds"])

    def training_step(self, phase: Phase, _batch_index: int) -> None:
        """One rollout phase: collect scored groups, pack them, update K minibatches a epoch, refresh the reference.

        paper section 3.1 (GRPO) and the supplement's training details; `report` holds what came of it.
        """
        start, recipe, metrics = self.step, at_step(self.recipe, self.step), PhaseMetrics()
        collected = self.collect(phase, recipe)
        minibatches = self.pack(phase, collected.kept, recipe, metrics)
        for epoch in range(recipe.plan.inner_epochs):
            for number, batch in enumerate(minibatches):
                self.update(batch, recipe, metrics, on_policy=epoch == number == 0)
        if self.reference is not None and is_due(self.step, recipe.ref_refresh_steps):
            replace(self.reference, self.policy)
        self.phase, self.cursor = phase.number, self.observe(phase.mix, collected)
        self.report = PhaseReport(
            phase=phase.number,
            start_step=start,
            step=self.step,
            lr=recipe.optim.lr,
            groups=collected.groups,
            advantages={g.index: advantages_of(g, recipe.objective.advantage) for g in collected.kept.values()},
            metrics=metrics.averages(collected.groups, len(collected.kept), self.step - start),
        )

    def collect(self, phase: Phase, recipe: Recipe) -> Collected:
        """Questions -> scored groups, and which of them train."""
        plan = recipe.plan
        params = plan.sampling(self.collector.stop_ids)
        with self.clock("sampling"):
            self.collector.engine.version = self.step
            return collect(
                phase.places,
                plan.questions,
                self.cursor,
                recipe.selection,
                draw=lambda cursor, count: phase.mix.draw(cursor, count, self.step),
                sample=lambda questions: self.collector(
                    questions, params, plan.group_size, (self.seed, "train", phase.number), self.step
                ),
                union=lambda places: union(places, plan.questions),
            )

    def observe(self, mix: Mix, collected: Collected) -> State:
        """Where the mix goes on after it has seen, of all ranks, how often each question was passed."""
        if mix.difficulty is None:
            return collected.cursor
        seen = ranks.gathered([(group.index, mix.difficulty.observation(group)) for group in collected.groups])
        return mix.observe(collected.cursor, [observation for _, observation in sorted(seen, key=lambda s: s[0])])

    def pack(self, phase: Phase, kept: Mapping[int, Group], recipe: Recipe, metrics: PhaseMetrics) -> list[Minibatch]:
        """Groups by place -> K packed minibatches with advantages and all logprobs, counted over all ranks."""
        pad_id = self.collector.engine.pad_id
        packed = []
        for part in phase.minibatches:
            members = [kept[place] for place in part if place in kept]
            packed.append(minibatch(training_samples(members, recipe.objective.advantage), recipe.plan, pad_id))
        packed = over_all_ranks(packed, pad_id)
        with torch.no_grad():
            packed = [
                dataclasses.replace(
                    part, batches=[self.with_logprobs(batch, recipe, metrics) for batch in part.batches]
                )
                for part in packed
            ]
            if recipe.objective.whiten:
                whiten([batch for part in packed for batch in part.batches])
        return packed

    def with_logprobs(self, batch: PackedBatch, recipe: Recipe, metrics: PhaseMetrics) -> PackedBatch:
        """The microbatch, on our device, with what the policy of the phase's start and the reference say of it."""
        batch, temperature = batch.to(self.policy.device), recipe.plan.temperature
        if recipe.recomputes:
            with self.clock("old logprobs"):
                logprobs, _ = self.policy.score(batch, temperature)
                metrics.mismatch(logprobs, batch)
                batch = dataclasses.replace(batch, old_logprobs=logprobs)
        if recipe.objective.uses_reference:
            with self.clock("reference"):
                batch = with_reference(self.reference, batch, temperature)
        if self.critic is not None:
            with self.clock("critic"):
                return self.with_values(batch, recipe.objective)
        return dataclasses.replace(batch, advantages=recipe.objective.token_advantages(batch))

    def with_values(self, batch: PackedBatch, objective: Objective) -> PackedBatch:
        """The microbatch with the critic's values, advantages by GAE, and what the values should have been."""
        values = self.critic.values(batch)
        advantages = objective.critic.advantages(objective.token_rewards(batch), values, batch)
        return dataclasses.replace(batch, advantages=advantages, old_values=values, returns=advantages + values)

    def update(self, minibatch: Minibatch, recipe: Recipe, metrics: PhaseMetrics, on_policy: bool) -> None:
        """One optimizer step: policy logprobs, objective, backward; then clip and step once."""
        with self.clock("training"):
            for batch in minibatch.batches:
                logprobs, entropy = self.policy.score(batch, recipe.plan.temperature)
                if on_policy:
                    # the policy has not moved since it sampled: its own logprobs are the old ones, the ratio is 1
                    if not recipe.recomputes:
                        metrics.mismatch(logprobs.detach(), batch)
                    batch = dataclasses.replace(batch, old_logprobs=logprobs.detach())
                loss, stats = recipe.objective(logprobs, batch, minibatch.counts)
                self.backward_without_sync(loss)
                metrics.add(loss, logprobs, entropy, stats, batch)
            metrics.grad_norm(self.take_step("policy", recipe.optim))
        if self.critic is not None:
            with self.clock("critic"):
                metrics.sums["value_loss"] += self.update_critic(minibatch, recipe.objective.critic)
        self.step += 1

    def update_critic(self, minibatch: Minibatch, baseline: ValueBaseline) -> torch.Tensor:
        """One optimizer step of the critic over the same microbatches; returns this rank's share of its loss."""
        total = torch.zeros((), device=self.policy.device)
        for batch in minibatch.batches:
            loss = baseline.loss(self.critic.values(batch), batch, minibatch.counts)
            self.backward_without_sync(loss)
            total += loss.detach()
        self.take_step("critic", baseline.optim)
        return total


@dataclass(frozen=True, eq=False)
class Phases:
    """The phases a module has still to do: any rank can name its places in them, whatever was drawn before."""

    mix: Mix
    module: GRPOModule
    last: int
    rank: int
    world_size: int

    def __iter__(self) -> Iterator[Phase]:
        plan, seed = self.module.recipe.plan, self.module.seed
        for number in range(self.module.phase + 1, self.last + 1):
            yield Phase(number, self.mix, plan.assignment(seed, number, self.rank, self.world_size))


def union(places: Sequence[int], num_places: int) -> list[int]:
    """The places (0 to Q-1) that any rank names, in order."""
    named = set(places)
    flags = ranks.highest([int(place in named) for place in range(num_places)])
    return [place for place, flag in enumerate(flags) if flag]


def whiten(batches: Sequence[PackedBatch]) -> None:
    """Gives the advantages of all counted tokens, on all ranks, a mean of 0 and a deviation of 1, in place."""
    seen = torch.cat([batch.advantages[batch.loss_mask] for batch in batches]).double()
    count, total, squares = ranks.summed([float(len(seen)), float(seen.sum()), float(seen.square().sum())])
    mean = total / max(count, 1)
    deviation = max(squares / max(count, 1) - mean**2, WHITEN_EPS) ** 0.5
    for batch in batches:
        batch.advantages.sub_(mean).div_(deviation).masked_fill_(~batch.loss_mask, 0)
