"""The GRPO gradient against an independent float64 reference, and losses worked by hand."""

import math
from dataclasses import replace

import pytest
import torch

from r1lab.functional.advantages import GroupCentered, GroupNormalized, LeaveOneOut
from r1lab.functional.aggregate import ConstantLength, Counts, SequenceMean, TokenMean
from r1lab.functional.kl import KL
from r1lab.functional.packing import microbatches
from r1lab.functional.surrogates import Clipped
from r1lab.training.objective import Objective
from r1lab.types import TrainingSample


def reference_loss(logits, completions, old, ref, rewards, clip_low, clip_high, beta, kind, correction):
    """Eqs. 1-3 of the paper written sequence by sequence with plain Python loops.

    logits: per sequence [L, V] of the completion's positions; everything else per sequence.
    """
    mean = sum(rewards) / len(rewards)
    variance = sum((r - mean) ** 2 for r in rewards) / (len(rewards) - correction)
    total, tokens = 0.0, 0
    for scores, ids, old_lp, ref_lp, reward in zip(logits, completions, old, ref, rewards):
        advantage = (reward - mean) / (math.sqrt(variance) + 1e-6)
        terms = []
        for t, token in enumerate(ids):
            logp = scores[t, token] - torch.log(torch.exp(scores[t]).sum())
            ratio = torch.exp(logp - old_lp[t])
            limited = torch.clamp(ratio, 1 - clip_low, 1 + clip_high)
            gain = torch.min(ratio * advantage, limited * advantage)
            gap = ref_lp[t] - logp
            kl = {"k1": -gap, "k2": 0.5 * gap**2, "k3": torch.exp(gap) - gap - 1}[kind]
            terms.append(-(gain - beta * kl))
        total = total + sum(terms) / len(terms)
        tokens += len(terms)
    return total / len(rewards)


@pytest.mark.parametrize("kind", ["k1", "k2", "k3"])
@pytest.mark.parametrize("clips", [(0.2, 0.2), (10.0, 10.0), (0.2, 0.28)])
def test_gradient_equals_an_independent_reference(clips, kind):
    generator = torch.Generator().manual_seed(3)
    vocab, prompt, lengths = 11, 3, [5, 2, 7, 4]
    rewards = [2.0, 0.0, 1.0, 0.0]
    logits = [torch.randn(n, vocab, generator=generator, dtype=torch.float64, requires_grad=True) for n in lengths]
    ids = [torch.randint(0, vocab, (n,), generator=generator) for n in lengths]
    exact = [x.log_softmax(-1).gather(1, i[:, None])[:, 0].detach() for x, i in zip(logits, ids)]
    # far enough from the policy that every clip binds somewhere
    old = [lp + 0.5 * torch.randn(len(lp), generator=generator, dtype=torch.float64) for lp in exact]
    ref = [lp + 0.3 * torch.randn(len(lp), generator=generator, dtype=torch.float64) for lp in exact]
    expected = reference_loss(logits, ids, old, ref, rewards, *clips, 0.04, kind, correction=0)
    expected_grads = torch.autograd.grad(expected, logits)

    objective = Objective(GroupNormalized(1e-6, 0), Clipped(*clips), KL(0.04, kind), SequenceMean())
    advantages = objective.advantage(torch.tensor(rewards, dtype=torch.float64))
    samples = [
        TrainingSample(torch.zeros(prompt, dtype=torch.long), i, o.float(), float(a))
        for i, o, a in zip(ids, old, advantages)
    ]
    counts = Counts(len(samples), sum(lengths))
    mine = torch.zeros((), dtype=torch.float64)
    for batch in microbatches(samples, row_tokens=12, max_tokens=24, pad_id=0):
        # lengths differ, so a completion's length says which sample it is
        order = [lengths.index(int(n)) for n in batch.segments[batch.loss_mask].bincount()]
        policy = [logits[k].log_softmax(-1).gather(1, ids[k][:, None])[:, 0] for k in order]
        batch = replace(
            batch,
            advantages=spread([advantages[k].expand(lengths[k]) for k in order], batch),
            old_logprobs=spread([old[k] for k in order], batch),
            ref_logprobs=spread([ref[k] for k in order], batch),
        )
        mine = mine + objective(spread(policy, batch), batch, counts)[0]
    grads = torch.autograd.grad(mine, logits)
    assert mine.item() == pytest.approx(expected.item(), rel=1e-12)
    for got, want in zip(grads, expected_grads):
        assert want.norm() > 1e-3
        assert (got - want).norm() / want.norm() < 1e-9


def spread(values, batch):
    """Values of each completion put where its tokens are: [R, T] float64."""
    return torch.zeros(batch.ids.shape, dtype=torch.float64).masked_scatter(batch.loss_mask, torch.cat(values))


def one_row(logprobs, old, advantage, ref=None, **parts):
    """Loss of one sequence of a one-token prompt, as a number."""
    sample = TrainingSample(
        torch.zeros(1, dtype=torch.long), torch.zeros(len(logprobs), dtype=torch.long), torch.tensor(old), advantage
    )
    (batch,) = microbatches([sample], 64, 64, 0)
    if ref is not None:
        batch = replace(batch, ref_logprobs=spread([torch.tensor(ref, dtype=torch.float64)], batch))
    objective = Objective(
        parts.get("advantage", GroupCentered()),
        parts.get("surrogate", Clipped(0.2, 0.2)),
        parts.get("kl", KL(0.0, "k3")),
        parts.get("aggregate", SequenceMean()),
    )
    counts = parts.get("counts", Counts(1, len(logprobs)))
    loss, stats = objective(spread([torch.tensor(logprobs, dtype=torch.float64)], batch), batch, counts)
    return float(loss), {name: float(value) for name, value in stats.items()}


def test_a_good_completion_is_clipped_above_and_a_bad_one_is_not():
    # ratios e^0.5 = 1.6487 and e^0 = 1; A = 1: min(1.6487, 1.2) = 1.2 and 1: loss = -(1.2 + 1) / 2 = -1.1
    loss, stats = one_row([-0.5, -1.0], [-1.0, -1.0], 1.0)
    assert loss == pytest.approx(-1.1, abs=1e-6)
    assert stats["clip_share"] == 1
    # A = -1: min(-1.6487, -1.2) = -1.6487 and -1: loss = (1.6487 + 1) / 2 = 1.32436
    loss, stats = one_row([-0.5, -1.0], [-1.0, -1.0], -1.0)
    assert loss == pytest.approx(1.32436, abs=1e-5)
    assert stats["clip_share"] == 0


def test_kl_is_added_with_its_coefficient():
    # ratio 1, A = 0; ref - logp = ln 2: k3 = 2 - ln 2 - 1 = 0.306853; 0.5 of it is 0.153426
    loss, stats = one_row([-1.0], [-1.0], 0.0, ref=[-1.0 + math.log(2)], kl=KL(0.5, "k3"))
    assert loss == pytest.approx(0.153426, abs=1e-6)
    assert stats["kl"] == pytest.approx(0.306853, abs=1e-6)


def test_aggregates_divide_by_the_count_of_the_whole_step():
    # two counted tokens of ratio 1 and A = 3: token losses -3, -3
    assert one_row([-1.0, -1.0], [-1.0, -1.0], 3.0, counts=Counts(4, 12))[0] == pytest.approx(-0.75)  # -3 / 4
    assert one_row([-1.0, -1.0], [-1.0, -1.0], 3.0, aggregate=TokenMean(), counts=Counts(4, 12))[0] == pytest.approx(
        -0.5  # -6 / 12
    )
    assert one_row([-1.0, -1.0], [-1.0, -1.0], 3.0, aggregate=ConstantLength(10), counts=Counts(4, 12))[
        0
    ] == pytest.approx(-0.15)  # -6 / (4 * 10)


def test_advantages_by_hand():
    rewards = torch.tensor([2.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    # mean 1, population deviation sqrt((1 + 1 + 0 + 0) / 4) = 0.70711: +-1.41421
    assert GroupNormalized(0.0, 0)(rewards).tolist() == pytest.approx([1.41421356, -1.41421356, 0, 0])
    assert GroupCentered()(rewards).tolist() == [1, -1, 0, 0]
    # 2 - (0 + 1 + 1) / 3 = 4/3; 0 - 4/3; 1 - 3/3 = 0
    assert LeaveOneOut()(rewards).tolist() == pytest.approx([4 / 3, -4 / 3, 0, 0])
