"""The memory forecast against what a forward really keeps, and recomputed activations against kept ones."""

import doctest
from types import SimpleNamespace

import pytest
import torch

from r1lab.errors import ConfigError
from r1lab.functional.logprobs import WORKING_BYTES
from r1lab.functional.packing import microbatches
from r1lab.models.causal import CausalPolicy
from r1lab.training import memory
from r1lab.training.memory import (
    FitMemory,
    Forecast,
    GroupShape,
    Layout,
    Rows,
    forecast,
    layout,
    recompute,
    saved_bytes,
)
from r1lab.training.reference import frozen_copy
from r1lab.training.reward_model import RewardModel, classifier_of
from r1lab.types import TrainingSample

FAMILIES = ["deepseek_v3", "llama"]
GROUP = GroupShape(prompt_tokens=20, new_tokens=80, size=4)


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(memory).failed == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_longer_forward_keeps_what_two_short_ones_foretell(family, tiny_model):
    policy = CausalPolicy(tiny_model(family))
    for group in (GROUP, GroupShape(prompt_tokens=90, new_tokens=10, size=8)):
        found, large = forecast(policy, group), group.probe(150)
        # masks, small beside the rest, grow with the square of a sequence
        assert found.per_token * large.num_tokens == pytest.approx(saved_bytes(policy, large), rel=0.15)
        weights = sum(p.nbytes for p in policy.parameters())
        assert found.fixed - WORKING_BYTES == pytest.approx(4 * weights, rel=0.1)
        # a frozen policy has weights and nothing else
        assert forecast(policy, group, [frozen_copy(policy)]).fixed - found.fixed == weights


@pytest.mark.parametrize("family", FAMILIES)
def test_recomputed_activations_give_the_same_gradient_and_are_not_kept(family, tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model(family))
    prompt = torch.arange(5, 20)
    samples = [TrainingSample(prompt, torch.arange(30, 30 + n), torch.zeros(n), 1.0) for n in (4, 9, 6)]
    (batch,) = microbatches(samples, 100, 100, tokenizer.pad_token_id)

    def gradient():
        policy.zero_grad()
        policy.score(batch, 1.0)[0].sum().backward()
        return torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])

    policy.train()
    kept, plain = saved_bytes(policy, GROUP.probe(100)), gradient()
    recompute(policy)
    assert torch.equal(gradient(), plain) and plain.norm() > 0
    assert saved_bytes(policy, GROUP.probe(100)) < 0.3 * kept


def test_what_does_not_fit_is_told_with_what_does():
    found = Forecast(fixed=10**9, per_token=1e6, per_token_checkpointed=1e5)

    def rows(longest):
        return Rows(longest, "row_tokens")

    assert layout(found, 3 * 10**9, rows(1000), 1500, "auto") == Layout(1500, False)
    assert layout(found, 3 * 10**9, rows(1000), 2500, "auto") == Layout(2500, True)
    assert layout(found, 3 * 10**9, rows(1000), 2500, False) == Layout(2500, False), "who says so is believed"
    assert layout(found, 3 * 10**9, rows(1000), 0, "auto") == Layout(2000, False)
    assert layout(found, 3 * 10**9, rows(5000), 0, "auto") == Layout(20_000, True)
    with pytest.raises(ConfigError, match=r"stage\.microbatch_tokens=20000 fits"):
        layout(found, 3 * 10**9, rows(1000), 30_000, "auto")
    with pytest.raises(ConfigError, match=r"longest sequence alone does not fit: lower stage\.row_tokens"):
        layout(found, 3 * 10**9, rows(30_000), 0, "auto")


def recomputes(policy):
    return policy.model.model.layers[0].gradient_checkpointing


def module_of(policy):
    module = SimpleNamespace(policy=policy, models={"policy": policy}, trained={"policy": (policy, None)}, tokens=None)
    module.take_microbatches = lambda tokens: setattr(module, "tokens", tokens)
    return module


def test_a_small_device_recomputes_and_says_so(tiny_model, monkeypatch):
    policy = CausalPolicy(tiny_model("llama"))
    policy.train()
    module, said, group = module_of(policy), [], GroupShape(20, 50, 4)
    need = forecast(policy, group)
    for room in (need.bytes(1200, False), need.bytes(1200, True)):
        monkeypatch.setattr(memory, "device_bytes", lambda *_, room=room: room / memory.USABLE)
        FitMemory(group, 1000, "auto", said.append).on_fit_start(SimpleNamespace(num_devices=1), module)
        assert recomputes(policy) == bool(said) and module.tokens == 1000
    assert len(said) == 1 and "1,000 tokens" in said[0] and "recomputed" in said[0]
    FitMemory(group, 0, "auto", said.append).on_fit_start(SimpleNamespace(num_devices=1), module)
    assert module.tokens > 1000


def test_rows_of_texts_and_a_reward_model_are_foretold_too(tiny_model):
    rows = Rows(500, "row_tokens")
    for model in (CausalPolicy(tiny_model("llama")), RewardModel(classifier_of(tiny_model("llama")))):
        found, large = forecast(model, rows), rows.probe(150)
        assert large.num_tokens == 150
        assert found.per_token * 150 == pytest.approx(saved_bytes(model, large), rel=0.15)
        plain = saved_bytes(model, large)
        recompute(model.train())
        assert saved_bytes(model, large) < 0.5 * plain


def test_dropout_is_taken_out_of_a_policy(tiny_model):
    model = tiny_model("llama")
    for layer in model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    policy = CausalPolicy(model).train()
    batch = microbatches([TrainingSample(torch.arange(5, 9), torch.arange(20, 40), torch.zeros(20), 1.0)], 64, 64, 0)[0]
    first, second = (policy.score(batch, 1.0)[0] for _ in range(2))
    assert torch.equal(first, second)
