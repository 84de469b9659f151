"""Sampler and trainer agree; packing and microbatches change nothing; the first update has ratio 1."""

from dataclasses import replace

import pytest
import torch

from r1lab.engines.base import Request, SamplingParams
from r1lab.engines.torch_engine import TorchEngine
from r1lab.functional.aggregate import ConstantLength, Counts, SequenceMean, TokenMean
from r1lab.functional.packing import microbatches, unpack
from r1lab.models.causal import CausalPolicy
from r1lab.types import TrainingSample

FAMILIES = ["deepseek_v3", "qwen2", "llama"]


def sampled(policy, tokenizer, temperature=1.0, group_size=3):
    engine = TorchEngine(policy, tokenizer.pad_token_id, max_rows=8)
    prompts = [torch.tensor(tokenizer(text)["input_ids"]) for text in ("What is 7+5?", "7", "12-3=9, then What is 3?")]
    requests = [Request(p, tuple(range(10 * i, 10 * i + group_size))) for i, p in enumerate(prompts)]
    params = SamplingParams(max_new_tokens=20, temperature=temperature, stop_ids=(tokenizer.eos_token_id,))
    groups = dict(engine.generate(requests, params))
    samples = [
        TrainingSample(prompts[i], c.ids, c.logprobs, advantage=float(j - 1))
        for i, completions in sorted(groups.items())
        for j, c in enumerate(completions)
    ]
    return samples


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("family", FAMILIES)
def test_engine_logprobs_equal_trainer_logprobs(family, temperature, tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model(family, torch.float64))
    samples = sampled(policy, tokenizer, temperature)
    (batch,) = microbatches(samples, row_tokens=64, max_tokens=4096, pad_id=tokenizer.pad_token_id)
    logprobs, entropy = policy.score(batch, temperature)
    # the engine keeps float32 of what it computed in float32 from float64 logits
    gap = ((logprobs - batch.old_logprobs) * batch.loss_mask).abs().max()
    assert gap < 2e-6
    assert (entropy[batch.loss_mask] > 0).all() and (entropy[~batch.loss_mask] == 0).all()


@pytest.mark.parametrize("aggregate", [SequenceMean(), TokenMean(), ConstantLength(20)], ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("family", FAMILIES)
def test_any_packing_has_the_gradient_of_padded_rows(family, aggregate, tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model(family, torch.float64))
    samples = sampled(policy, tokenizer)
    counts = Counts(len(samples), sum(len(s.completion_ids) for s in samples))
    # each alone and padded; prompts shared and packed; many microbatches; one at a time; all in one row
    layouts = [(1, 10_000), (64, 10_000), (64, 64), (1, 1), (400, 10_000)]
    results = []
    for row_tokens, max_tokens in layouts:
        policy.zero_grad()
        total = 0.0
        for batch in microbatches(samples, row_tokens, max_tokens, tokenizer.pad_token_id):
            logprobs, _ = policy.score(batch, 1.0)
            loss = aggregate(-logprobs * batch.advantages, batch.loss_mask, batch.segments, counts)
            loss.backward()
            total += loss.item()
        gradient = torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])
        results.append((total, gradient))
    padded_loss, padded = results[0]
    computed = [sum(b.num_tokens for b in microbatches(samples, *layout, tokenizer.pad_token_id)) for layout in layouts]
    assert computed[-1] < computed[0], "a shared prompt is computed once"
    assert padded.norm() > 1e-3
    # norms and the router compute in float32 whatever the model's type: that rounding is all that differs
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(padded_loss, rel=1e-7, abs=1e-9)
        assert (gradient - padded).norm() / padded.norm() < 1e-7


@pytest.mark.parametrize("family", FAMILIES)
def test_a_shared_prompt_has_the_gradient_of_repeated_ones_to_1e9(family, tiny_model, tokenizer, monkeypatch):
    policy = CausalPolicy(tiny_model(family, torch.float64))
    samples = sampled(policy, tokenizer)
    counts = Counts(len(samples), sum(len(s.completion_ids) for s in samples))
    # norms and the router ask for float32 by this name, whatever the model's type
    monkeypatch.setattr(torch, "float32", torch.float64)
    repeated = [
        replace(sample, prompt_ids=sample.prompt_ids.clone()) for sample in samples
    ]  # shared is who has one tensor
    gradients, tokens = [], []
    for packed in (samples, repeated):
        policy.zero_grad()
        batches = microbatches(packed, 400, 10_000, tokenizer.pad_token_id)
        tokens.append(sum(batch.num_tokens for batch in batches))
        for batch in batches:
            logprobs, _ = policy.score(batch, 1.0)
            SequenceMean()(-logprobs * batch.advantages, batch.loss_mask, batch.segments, counts).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None]))
    assert tokens[1] - tokens[0] == 2 * sum(len(sample.prompt_ids) for sample in samples[::3])
    shared, plain = gradients
    assert (shared - plain).norm() < 1e-9 * plain.norm()


def test_packed_logprobs_come_back_in_the_order_of_the_samples(tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model(dtype=torch.float64))
    samples = sampled(policy, tokenizer)
    for batch in microbatches(samples, 64, 4096, tokenizer.pad_token_id):
        logprobs, _ = policy.score(batch, 1.0)
        for mine, old in zip(unpack(logprobs, batch), unpack(batch.old_logprobs, batch)):
            torch.testing.assert_close(mine.float(), old.float(), atol=2e-6, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_sequences_too_long_for_a_mask_have_the_same_gradient(family, tiny_model, tokenizer, monkeypatch):
    policy = CausalPolicy(tiny_model(family, torch.float64))
    samples, found = sampled(policy, tokenizer), []
    for largest in (2**24, 50):
        monkeypatch.setattr("r1lab.functional.tiles.LARGEST_MASK", largest)
        (batch,) = microbatches(samples, 4096, 4096, tokenizer.pad_token_id)
        assert any(tile.mask is None and tile.seen.any() for tile in batch.tiles.tiles) == (largest == 50)
        policy.zero_grad()
        logprobs, _ = policy.score(batch, 1.0)
        (logprobs * batch.advantages).sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])
        found.append((logprobs.detach(), gradient))
    for masked, causal in zip(*found):
        assert (masked - causal).norm() < 1e-7 * masked.norm()
