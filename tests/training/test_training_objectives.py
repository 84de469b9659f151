"""Every file of conf/objective against the formula of its source, written sequence by sequence in plain Python."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from r1lab.config import paths, schema
from r1lab.config.build import build
from r1lab.functional.aggregate import Counts
from r1lab.functional.packing import microbatches
from r1lab.training.grpo import whiten
from r1lab.types import TrainingSample

CONF = Path(__file__).resolve().parents[2] / "conf"
NAMES = sorted(path.stem for path in (CONF / "objective").glob("*.yaml"))
LIMIT = 64
"""stage.plan.max_new_tokens of the local scale."""
GROUPS = [[2.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
"""Rewards; those of the second group are all equal."""
LENGTHS = [[5, 2, 7, 4], [3, 6, 1], [8, 10, 9]]


def objective(name):
    GlobalHydra.instance().clear()
    paths.register()
    schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=[f"objective={name}"])
    faults = []
    found = build(OmegaConf.to_container(config.stage.objective, resolve=True), "objective", faults)
    assert faults == []
    return found


def mean(values):
    return sum(values) / len(values)


def std(values, less):
    return math.sqrt(sum((v - mean(values)) ** 2 for v in values) / (len(values) - less))


def normalized(rewards, eps, less=1):
    if len(set(rewards)) == 1:
        return [0.0] * len(rewards)
    return [(r - mean(rewards)) / (std(rewards, less) + eps) for r in rewards]


def centered(rewards):
    return [r - mean(rewards) for r in rewards]


def others(rewards, i):
    return [r for j, r in enumerate(rewards) if j != i]


def left_out(rewards):
    return [r - mean(others(rewards, i)) for i, r in enumerate(rewards)]


def left_out_normalized(rewards):
    """NeMo-RL's moments: mean of the squares less the square of the mean, of the n others, times n / (n - 1)."""
    found = []
    for i, reward in enumerate(rewards):
        rest = others(rewards, i)
        variance = (mean([r * r for r in rest]) - mean(rest) ** 2) * len(rest) / (len(rest) - 1)
        # a deviation of 0 divides nothing
        found.append((reward - mean(rest)) / (math.sqrt(variance) + 1e-6) if variance > 0 else reward - mean(rest))
    return found


def clipped(low, high, dual=math.inf):
    def loss(log_ratio, logp, advantage):
        ratio = torch.exp(log_ratio)
        gain = torch.minimum(ratio * advantage, torch.clamp(ratio, 1 - low, 1 + high) * advantage)
        return -torch.maximum(gain, torch.tensor(dual * advantage)) if advantage < 0 and dual < math.inf else -gain

    return loss


def weighted(high):
    def loss(log_ratio, logp, advantage):
        return -min(math.exp(log_ratio.item()), 1 + high) * advantage * logp

    return loss


# name: advantages of a group, loss of a token, KL (coefficient, kind, in the reward), what a token is divided by
BY_SEQUENCE, BY_TOKENS, BY_LIMIT = "sequence", "tokens", "limit"
NONE = (0.0, "k3", False)
REFERENCES = {
    "grpo": (lambda r: normalized(r, 1e-6, 0), clipped(10, 10), (0.001, "k3", False), BY_SEQUENCE),
    "dr_grpo": (centered, clipped(0.2, 0.2), NONE, BY_LIMIT),
    "dapo": (lambda r: normalized(r, 1e-6), clipped(0.2, 0.28), NONE, BY_TOKENS),
    "gspo": (lambda r: normalized(r, 1e-6), clipped(3e-4, 4e-4), NONE, BY_SEQUENCE),
    "cispo": (lambda r: normalized(r, 1e-6), weighted(2.0), NONE, BY_TOKENS),
    "rloo": (left_out, clipped(0.2, 0.2), (0.001, "k1", True), BY_TOKENS),
    "reinforce_pp": (list, clipped(0.2, 0.2), (0.01, "k1", True), BY_TOKENS),
    "ppo": (list, clipped(0.2, 0.2), (0.001, "k1", True), BY_TOKENS),
    "trl": (lambda r: normalized(r, 1e-4), clipped(0.2, 0.2), NONE, BY_TOKENS),
    "verl": (lambda r: normalized(r, 1e-6), clipped(0.2, 0.2, dual=3.0), NONE, BY_TOKENS),
    "openrlhf": (lambda r: normalized(r, 1e-9), clipped(0.2, 0.2), (0.01, "k1", True), BY_TOKENS),
    "nemo_rl": (left_out_normalized, clipped(0.2, 0.2), (0.01, "k3", False), BY_TOKENS),
}


def kl_of(kind, logp, ref):
    gap = ref - logp
    return -gap if kind == "k1" else torch.exp(gap) - gap - 1


def estimated(rewards, values, lam):
    """GAE by its definition: every error of the values, the later the less."""
    after = [*values[1:], 0.0]
    errors = [r + following - value for r, value, following in zip(rewards, values, after)]
    return [sum(lam ** (k - t) * errors[k] for k in range(t, len(errors))) for t in range(len(errors))]


def reference_loss(name, logps, old, sampler, ref, values):
    """logps, old, sampler, ref, values: for each group, for each completion a tensor [L]."""
    advantages_of, token_loss, (coef, kind, in_reward), divided = REFERENCES[name]
    rows = []  # (log-probabilities, old, sampler's, reference's, advantages of its tokens)
    for g, rewards in enumerate(GROUPS):
        for i, advantage in enumerate(advantages_of(rewards)):
            penalties = [coef * float(kl_of(kind, o, r)) if in_reward else 0.0 for o, r in zip(old[g][i], ref[g][i])]
            per_token = [advantage - sum(penalties[t:]) for t in range(LENGTHS[g][i])]
            if name == "ppo":
                rewards = [*(-cost for cost in penalties[:-1]), advantage - penalties[-1]]
                per_token = estimated(rewards, values[g][i].tolist(), 0.95)
            rows.append((logps[g][i], old[g][i], sampler[g][i], ref[g][i], per_token))
    if name in ("reinforce_pp", "ppo"):
        flat = [a for row in rows for a in row[4]]
        rows = [(*row[:4], [(a - mean(flat)) / std(flat, 0) for a in row[4]]) for row in rows]
    total, num_tokens = 0.0, sum(len(row[0]) for row in rows)
    for logp, o, s, r, advantages in rows:
        terms = []
        for t in range(len(logp)):
            log_ratio = (logp - o).mean() if name == "gspo" else logp[t] - o[t]
            term = token_loss(log_ratio, logp[t], advantages[t])
            if name == "trl":
                term = term * (weight if (weight := math.exp(float((o - s).sum()))) <= 3.0 else 0.0)
            terms.append(term + (0.0 if in_reward else coef * kl_of(kind, logp[t], r[t])))
        weight_of_sequence = {BY_SEQUENCE: 1 / len(terms) / len(rows), BY_TOKENS: 1 / num_tokens}
        total = total + sum(terms) * weight_of_sequence.get(divided, 1 / (LIMIT * len(rows)))
    return total


@pytest.mark.parametrize("name", NAMES)
def test_gradient_equals_the_formula_of_its_source(name):
    draw = torch.Generator().manual_seed(5)

    def noise(scale, like):
        return [[row.detach() + scale * torch.randn(len(row), generator=draw, dtype=torch.float64) for row in group]
                for group in like]  # fmt: skip

    logps = [
        [(-3 * torch.rand(n, generator=draw, dtype=torch.float64)).requires_grad_() for n in group] for group in LENGTHS
    ]
    # far enough apart that clips, masks and weights act somewhere
    old = noise(0.02 if name == "gspo" else 0.6, logps)
    sampler, ref, values = noise(0.5, old), noise(0.4, logps), noise(0.7, logps)
    expected = reference_loss(name, logps, old, sampler, ref, values)
    leaves = [row for group in logps for row in group]
    expected_grads = torch.autograd.grad(expected, leaves)

    chosen, samples, origin = objective(name), [], {}
    for g, rewards in enumerate(GROUPS):
        prompt = torch.zeros(3, dtype=torch.long)
        advantages = chosen.advantage(torch.tensor(rewards, dtype=torch.float64))
        for i, advantage in enumerate(advantages.tolist()):
            ids = torch.full((LENGTHS[g][i],), len(samples))
            origin[len(samples)] = (g, i)
            samples.append(TrainingSample(prompt, ids, torch.zeros(len(ids)), advantage))
    counts = Counts(len(samples), sum(map(sum, LENGTHS)))
    batches = []
    for batch in microbatches(samples, row_tokens=30, max_tokens=40, pad_id=0):
        order = [origin[int(n)] for n in batch.ids[batch.loss_mask].unique_consecutive()]

        def spread(values, order=order, batch=batch):
            flat = torch.cat([values[g][i] for g, i in order])
            return torch.zeros(batch.ids.shape, dtype=torch.float64).masked_scatter(batch.loss_mask, flat)

        batch = replace(
            batch, old_logprobs=spread(old), sampler_logprobs=spread(sampler), ref_logprobs=spread(ref),
            advantages=spread([[torch.full((n,), samples[[*origin.values()].index((g, i))].advantage,
                                           dtype=torch.float64) for i, n in enumerate(group)]
                               for g, group in enumerate(LENGTHS)]),
        )  # fmt: skip
        if chosen.critic:
            found = chosen.critic.advantages(chosen.token_rewards(batch), spread(values), batch)
        else:
            found = chosen.token_advantages(batch)
        batches.append((replace(batch, advantages=found), spread(logps)))
    assert len(batches) > 1
    if chosen.whiten:
        whiten([batch for batch, _ in batches])
    mine = sum(chosen(logprobs, batch, counts)[0] for batch, logprobs in batches)
    assert mine.item() == pytest.approx(expected.item(), rel=1e-11)
    for got, want in zip(torch.autograd.grad(mine, leaves), expected_grads):
        assert (got - want).norm() <= 1e-9 * max(want.norm(), 1e-3)
    assert sum(want.norm() for want in expected_grads) > 0.01


def test_the_penalty_of_nemo_rl_is_cut_as_in_its_source():
    """Log ratio between -20 and 20, then its k3 at most 10; neither gives a gradient beyond."""
    penalty = objective("nemo_rl").kl
    # log(pi / pi_ref); exp(100) is beyond float32, and its gradient would be nan
    gaps = torch.tensor([-100.0, -3.0, -2.0, 10.0, 12.0, 100.0], requires_grad=True)
    found = penalty(gaps, torch.zeros(6))
    # e^3 - 3 - 1 = 16.1; e^2 - 2 - 1; e^-10 + 10 - 1; e^-12 + 12 - 1 = 11.0
    assert found.tolist() == pytest.approx([10, 10, math.exp(2) - 3, math.exp(-10) + 9, 10, 10], rel=1e-6)
    (gradient,) = torch.autograd.grad(found.sum(), gaps)
    assert gradient.tolist() == pytest.approx([0, 0, 1 - math.exp(2), 1 - math.exp(-10), 0, 0], rel=1e-6)
    assert (penalty.largest_log_ratio, penalty.largest) == (20.0, 10.0)


def test_the_critic_learns_what_was_to_come():
    """Half the squared error of the value, or of the clipped value where that is larger, over counted tokens."""
    critic = objective("ppo").critic
    ids = torch.zeros(4, dtype=torch.long)
    sample = TrainingSample(torch.zeros(2, dtype=torch.long), ids, torch.zeros(4), 1.0)
    (batch,) = microbatches([sample], row_tokens=8, max_tokens=8, pad_id=0)

    def row(*numbers):
        return torch.tensor([[0.0, 0.0, *numbers]], dtype=torch.float64)

    batch = replace(batch, old_values=row(0.0, 0.0, 0.0, 1.0), returns=row(1.0, 1.0, -1.0, 1.0))
    values = row(0.1, 0.5, 0.5, 1.0).requires_grad_()
    loss = critic.loss(values, batch, Counts(1, 4))
    # 0.1 is within the clip: (0.9)^2; 0.5 is cut to 0.2, which is further from 1: (0.8)^2; away from -1 the value
    # itself is further: (1.5)^2; and 1.0 is right
    assert loss.item() == pytest.approx((0.81 + 0.64 + 2.25) / 2 / 4)
    # a value that moved too far towards its return has no gradient, one that moved away from it has
    (gradient,) = torch.autograd.grad(loss, values)
    assert gradient[0, 2:].tolist() == pytest.approx([-0.9 / 4, 0.0, 1.5 / 4, 0.0])


def test_every_objective_has_a_formula():
    assert set(NAMES) == set(REFERENCES)
