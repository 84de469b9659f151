"""One phase of the module by itself: ratio 1 on the first update, faults left out, the reference refreshed."""

import dataclasses
import math

import pytest
import torch

from r1lab.data.mix import GeneratedSource, Mix
from r1lab.data.template import R1ZeroTemplate
from r1lab.engines.torch_engine import TorchEngine
from r1lab.functional.advantages import GroupNormalized, PlainRewards
from r1lab.functional.aggregate import SequenceMean, TokenMean
from r1lab.functional.corrections import Truncated
from r1lab.functional.kl import KL
from r1lab.functional.packing import microbatches
from r1lab.functional.surrogates import Clipped
from r1lab.models.causal import CausalPolicy
from r1lab.rewards.controls import RandomReward
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.batches import training_samples
from r1lab.rollouts.collect import Collector
from r1lab.rollouts.plan import RolloutPlan
from r1lab.rollouts.selection import KeepAll
from r1lab.training.baseline import ValueBaseline
from r1lab.training.grpo import GRPOModule, Phases, Recipe
from r1lab.training.objective import Objective
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.training.trainer import build_trainer
from r1lab.types import Score, Status

PLAN = RolloutPlan(
    questions=4, group_size=3, minibatches=2, inner_epochs=1, max_new_tokens=10, temperature=1.0, top_p=1.0, top_k=0,
    old_logprobs="sampler", microbatch_tokens=128, activation_checkpointing=False,
)  # fmt: skip


class SomeBroken(RandomReward):
    """The last judgement of every group times out."""

    def __call__(self, rollouts):
        return [
            Score(1.0, Status.TIMEOUT, "verifier exceeded 5 s", 5003.0) if r.sample == PLAN.group_size - 1 else score
            for r, score in zip(rollouts, super().__call__(rollouts))
        ]


class AlwaysOne(RandomReward):
    """Every completion is worth 1."""

    def __call__(self, rollouts):
        return [dataclasses.replace(score, value=1.0) for score in super().__call__(rollouts)]


class Inexact(TorchEngine):
    """A sampler whose logprobs are not those of the policy."""

    def generate(self, requests, params):
        for place, completions in super().generate(requests, params):
            yield place, [dataclasses.replace(c, logprobs=c.logprobs - 0.3) for c in completions]


def trained(model, tokenizer, phases=1, reward=None, plan=PLAN, ref_refresh_steps=0, kl_coef=0.1, lr=1e-2,
            max_grad_norm=1.0, selection=None, engine=TorchEngine, objective=None, mix=None):  # fmt: skip
    policy = CausalPolicy(model)
    collector = Collector(
        engine(policy, tokenizer.pad_token_id, 64), tokenizer, R1ZeroTemplate(),
        Rubric({"random": reward or RandomReward(weight=1.0, seed=0)}),
    )  # fmt: skip
    default = Objective(GroupNormalized(1e-6, 0), Clipped(0.2, 0.2), KL(kl_coef, "k3"), SequenceMean())
    optim = AdamW(lr=lr, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0, max_grad_norm=max_grad_norm)
    mix = mix or Mix({"sums": GeneratedSource(["sums"], [1], ["en"])}, {"sums": 1}, seed=0)
    recipe = Recipe(plan, objective or default, selection or KeepAll(), optim, ref_refresh_steps)
    module = GRPOModule(policy, collector, recipe, seed=0, cursor=mix.start())
    trainer = build_trainer(Strategy("single", 1, 1, "cpu", 1, 1))
    trainer.fit(module, Phases(mix, module, last=phases, rank=0, world_size=1))
    return module


def test_the_first_update_has_ratio_exactly_one(tiny_model, tokenizer):
    one = dataclasses.replace(PLAN, minibatches=1)
    metrics = trained(tiny_model(), tokenizer, plan=one).report.metrics
    assert metrics["ratio_max"] == 1.0 and metrics["clip_share"] == 0.0
    assert 0 < metrics["mismatch_max"] < 1e-4  # the sampler's own float32 rounding, measured and shown


def test_later_minibatches_are_off_policy(tiny_model, tokenizer):
    # the second minibatch is seen by a policy that has moved: its ratio is no longer 1
    assert trained(tiny_model(), tokenizer).report.metrics["ratio_max"] > 1.0


@pytest.mark.parametrize("kl_coef", [0.0, 0.1])
def test_an_update_makes_what_was_better_than_its_group_likelier(kl_coef, tiny_model, tokenizer):
    plan = dataclasses.replace(PLAN, minibatches=1)
    module = trained(tiny_model(), tokenizer, plan=plan, kl_coef=kl_coef, lr=1e-3)
    samples = training_samples(module.report.groups, module.recipe.objective.advantage)
    assert {sample.advantage > 0 for sample in samples} == {True, False}
    (batch,) = microbatches(samples, 4096, 4096, tokenizer.pad_token_id)
    with torch.no_grad():
        before, after = (policy.score(batch, 1.0)[0] for policy in (CausalPolicy(tiny_model()), module.policy))
    assert ((after - before) * batch.advantages).sum() > 0.01


def test_both_sources_of_old_logprobs_make_the_same_update(tiny_model, tokenizer):
    reference = trained(tiny_model(dtype=torch.float64), tokenizer)
    other = trained(
        tiny_model(dtype=torch.float64), tokenizer, plan=dataclasses.replace(PLAN, old_logprobs="recompute")
    )
    for a, b in zip(reference.policy.parameters(), other.policy.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-7)


def test_recomputed_logprobs_make_up_for_a_sampler_that_is_not_exact(tiny_model, tokenizer):
    def weights(engine, source):
        plan = dataclasses.replace(PLAN, old_logprobs=source)
        module = trained(tiny_model(dtype=torch.float64), tokenizer, plan=plan, engine=engine)
        assert (module.report.metrics["mismatch_max"] > 0.2) == (engine is Inexact)
        return torch.cat([p.detach().flatten() for p in module.policy.parameters()])

    exact = weights(TorchEngine, "recompute")
    torch.testing.assert_close(weights(Inexact, "recompute"), exact)
    # the second minibatch has its ratio against what the sampler said
    assert (weights(Inexact, "sampler") - exact).abs().max() > 1e-3


@pytest.mark.parametrize("highest, weight, cut", [(2.0, math.exp(0.3), 0.0), (1.2, 1.2, 1.0)])
def test_a_correction_acts_in_every_update_on_recomputed_logprobs(highest, weight, cut, tiny_model, tokenizer):
    # the sampler's logprobs are 0.3 too low: every ratio is e^0.3 = 1.35
    correction = Truncated(highest)
    grpo = Objective(GroupNormalized(1e-6, 0), Clipped(0.2, 0.2), KL(0.0, "k3"), TokenMean(), correction=correction)
    plan = dataclasses.replace(PLAN, old_logprobs="recompute")
    metrics = trained(tiny_model(), tokenizer, plan=plan, engine=Inexact, objective=grpo).report.metrics
    assert metrics["correction"] == pytest.approx(weight, rel=1e-4) and metrics["correction_cut_share"] == cut


def test_a_broken_score_does_not_train(tiny_model, tokenizer):
    module = trained(tiny_model(), tokenizer, reward=SomeBroken(weight=1.0, seed=0))
    report = module.report
    broken = [r for g in report.groups for r in g.rollouts if not r.judged]
    assert len(broken) == PLAN.questions and all(r.scores["random"].status is Status.TIMEOUT for r in broken)
    assert report.metrics["fault/timeout"] == pytest.approx(1 / PLAN.group_size)
    judged = sum(len(r.completion) for g in report.groups for r in g.rollouts if r.judged)
    assert report.metrics["tokens_trained"] == judged
    for group in report.groups:
        assert len(report.advantages[group.index]) == len(group.rewards)


def test_the_reference_is_replaced_every_n_updates(tiny_model, tokenizer):
    def equal(module):
        return all(torch.equal(a, b) for a, b in zip(module.policy.parameters(), module.reference.parameters()))

    assert not equal(trained(tiny_model(), tokenizer))  # two updates, never replaced
    assert equal(trained(tiny_model(), tokenizer, ref_refresh_steps=2))
    assert not equal(trained(tiny_model(), tokenizer, ref_refresh_steps=4))
    assert equal(trained(tiny_model(), tokenizer, phases=2, ref_refresh_steps=4))


def test_without_kl_there_is_no_reference(tiny_model, tokenizer):
    module = trained(tiny_model(), tokenizer, kl_coef=0.0)
    assert module.reference is None and module.report.metrics["kl"] == 0.0


def test_any_number_may_be_a_schedule(tiny_model, tokenizer):
    plan = dataclasses.replace(PLAN, max_new_tokens=[[0, 10], [2, 4]])
    module = trained(tiny_model(), tokenizer, phases=2, plan=plan)
    assert max(len(r.completion) for g in module.report.groups for r in g.rollouts) == 4


def test_a_schedule_is_read_at_the_step_of_its_phase(tiny_model, tokenizer):
    # two phases of two updates: the second phase begins at step 2, where the learning rate is 0 from
    still = trained(tiny_model(), tokenizer, lr=[[0, 1e-2], [2, 0.0]])
    late = trained(tiny_model(), tokenizer, phases=2, lr=[[0, 1e-2], [2, 0.0]])
    assert [torch.equal(a, b) for a, b in zip(still.policy.parameters(), late.policy.parameters())].count(False) == 0
    moved = trained(tiny_model(), tokenizer, phases=2, lr=[[0, 1e-2], [3, 0.0]])
    assert not all(torch.equal(a, b) for a, b in zip(still.policy.parameters(), moved.policy.parameters()))


def test_penalty_and_clip_may_be_schedules(tiny_model, tokenizer):
    module = trained(tiny_model(), tokenizer, phases=2, kl_coef=[[0, 0.0], [2, 0.1]])
    assert module.reference is not None and module.report.metrics["kl"] > 0
    assert trained(tiny_model(), tokenizer, kl_coef=[[0, 0.0], [2, 0.1]]).report.metrics["kl"] == 0.0


def test_the_trainer_scores_at_the_temperature_of_the_sampler(tiny_model, tokenizer):
    plan = dataclasses.replace(PLAN, minibatches=1, temperature=0.5)
    assert trained(tiny_model(), tokenizer, plan=plan).report.metrics["mismatch_max"] < 1e-4


def test_what_is_rewarded_and_asked_follows_the_steps(tiny_model, tokenizer):
    # phases begin at the steps 0 and 2
    english, chinese = (GeneratedSource(["sums"], [1], [language]) for language in ("en", "zh"))
    mix = Mix({"first": english, "then": chinese}, {"first": [[0, 1], [2, 0]], "then": [[0, 0], [2, 1]]}, seed=0)
    found = []
    for phases in (1, 2):
        groups = trained(
            tiny_model(), tokenizer, phases, reward=AlwaysOne(weight=[[0, 0.0], [2, 1.0]], seed=0), mix=mix
        ).report.groups
        asked = [group.question.language for group in groups]
        found.append((asked, {r.reward for group in groups for r in group.rollouts}))
    assert found == [(["en"] * 4, {0.0}), (["zh"] * 4, {1.0})]


def test_how_completions_are_sampled_follows_the_steps(tiny_model, tokenizer):
    # at a temperature near 0 the completions of a group are one; the random ones hardly ever end by themselves
    plan = dataclasses.replace(PLAN, temperature=[[0, 1.0], [2, 1e-4]], max_new_tokens=[[0, 3], [2, 7]])
    found = []
    for phases in (1, 2):
        groups = trained(tiny_model(), tokenizer, phases, plan=plan, lr=0.0).report.groups
        completions = [[tuple(r.completion.ids.tolist()) for r in group.rollouts] for group in groups]
        longest = max(len(ids) for group in completions for ids in group)
        found.append((longest, all(len(set(group)) == 1 for group in completions)))
    assert found == [(3, False), (7, True)]


def test_inner_epochs_go_through_the_rollouts_again(tiny_model, tokenizer):
    twice = trained(tiny_model(), tokenizer, plan=dataclasses.replace(PLAN, inner_epochs=2))
    once = trained(tiny_model(), tokenizer)
    assert (once.step, twice.step) == (2, 4)
    assert twice.report.metrics["tokens_trained"] == 2 * once.report.metrics["tokens_trained"]


def test_the_critic_comes_to_expect_the_reward(tiny_model, tokenizer):
    # lambda 1 and no penalty: what was to come of each token is the reward, 1
    optim = AdamW(lr=1e-2, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0, max_grad_norm=1.0)
    critic = ValueBaseline(lam=1.0, optim=optim, clip=0.2)
    ppo = Objective(PlainRewards(), Clipped(0.2, 0.2), KL(0.0, "k1"), TokenMean(), critic=critic)
    one, reward = dataclasses.replace(PLAN, minibatches=1), AlwaysOne(weight=1.0, seed=0)
    values, losses = [], []
    for phases in (1, 8):
        module = trained(tiny_model(), tokenizer, phases, reward, one, lr=1e-3, objective=ppo)
        (batch,) = microbatches(training_samples(module.report.groups, PlainRewards()), 4096, 4096, 0)
        with torch.no_grad():
            values.append(module.critic.values(batch)[batch.loss_mask].mean().item())
        losses.append(module.report.metrics["value_loss"])
    # it begins with 0 for every token: 1^2 / 2; later it is nearer to 1 (at 0.5 the loss is 0.5^2 / 2)
    assert losses[0] == pytest.approx(0.5, abs=1e-6)
    assert 0 < losses[1] < 0.125
    assert 0 < values[0] < 0.5 < values[1]


def test_the_gradient_is_cut_at_its_norm(tiny_model, tokenizer):
    # AdamW divides by the size of the gradient: only eps shows that it is small
    one = dataclasses.replace(PLAN, minibatches=1)
    free, cut = (trained(tiny_model(), tokenizer, plan=one, max_grad_norm=n) for n in (1e9, 1e-9))
    start = dict(tiny_model().named_parameters())
    free_way, cut_way = (
        sum(float((p - start[name]).detach().norm()) for name, p in m.policy.model.named_parameters())
        for m in (free, cut)
    )
    assert cut_way < 0.5 * free_way
