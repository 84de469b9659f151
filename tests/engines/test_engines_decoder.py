"""Layers written out for sampling say what the model itself says."""

import pytest
import torch

from r1lab.engines.base import Request, SamplingParams
from r1lab.engines.decoder import is_written_out
from r1lab.engines.layers import BLOCK, SMALL
from r1lab.engines.torch_engine import Batch, TorchEngine
from r1lab.errors import ModelError
from r1lab.models.causal import CausalPolicy

SIZES = {
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256, "vocab_size": 301,
    "initializer_range": 0.2, "eos_token_id": 0, "pad_token_id": 0,
}  # fmt: skip
LATENT = {
    "moe_intermediate_size": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 12,
    "n_routed_experts": 8, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
    "num_key_value_heads": 6, "head_dim": 8, "n_group": 1, "topk_group": 1,
}  # fmt: skip
FAMILIES = {
    "llama": {},
    "llama with scaled positions": {
        "rope_parameters": {
            "rope_type": "llama3", "rope_theta": 500.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8,
        },
        "attention_bias": True,
    },
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {},
    "deepseek_v3": LATENT | {"q_lora_rank": 24, "n_group": 2, "topk_group": 1, "routed_scaling_factor": 2.5},
    "deepseek_v3 with scaled positions": LATENT | {
        "q_lora_rank": None, "rope_interleave": False, "attention_bias": True,
        "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 500.0, "factor": 8.0, "mscale": 1.0, "mscale_all_dim": 1.0,
            "original_max_position_embeddings": 32,
        },
    },
}  # fmt: skip


def built(name, **more):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(name.split()[0], **SIZES | FAMILIES[name] | more)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    for parameter in model.parameters():
        if parameter.ndim == 1:  # norms begin as ones and biases as zeros, which would hide that they are forgotten
            parameter.data.uniform_(0.5, 1.5)
    return model


@pytest.mark.parametrize("dtype", [None, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_logits_are_those_of_a_forward_over_the_whole_sequence(name, dtype):
    model = built(name)
    policy = CausalPolicy(model, dtype)
    prompts = [torch.arange(1, 8), torch.arange(1, 5), torch.arange(3, 16)]
    requests = [Request(p, (2 * i, 2 * i + 1)) for i, p in enumerate(prompts)]
    batch = Batch(policy, 0, requests, SamplingParams(max_new_tokens=9), max_rows=6)
    assert batch.decoder is not None
    with torch.no_grad(), policy.precision():
        for _ in range(5):
            batch.advance()
        positions, mask = batch.cache.advance(policy.device)
        rows = torch.arange(6)
        found = batch.decoder(batch.ids[rows, batch.lengths[:6] - 1], positions, mask, batch.cache)
        for row in range(6):
            whole = torch.cat([prompts[batch.places[row, 0]], batch.ids[row, : batch.lengths[row]]])
            expected = model(whole[None]).logits[0, -1].float()
            error = (found[row] - expected).norm() / expected.norm()
            # bfloat16 has 8 bits: layers round on different ways to the same
            assert error < (2e-6 if dtype is None else 4e-2)


@pytest.mark.parametrize("num_rows", [1, 3, 7, 9, 17, 33, 65])
def test_rows_that_are_filled_up_and_logits_that_are_turned_in_blocks(num_rows):
    """Weights large enough that columns are filled up, and a vocabulary of several blocks."""
    model = built("llama", hidden_size=384, intermediate_size=512, num_hidden_layers=1, vocab_size=5000)
    assert model.lm_head.weight.shape[0] > 2 * BLOCK and model.model.layers[0].mlp.up_proj.weight.numel() > SMALL
    prompt = torch.randint(0, 5000, (6,))
    engine = TorchEngine(CausalPolicy(model), 0, num_rows)
    ((_, group),) = engine.generate([Request(prompt, tuple(range(num_rows)))], SamplingParams(3))
    ids = torch.stack([completion.ids for completion in group])
    with torch.no_grad():
        logits = model(torch.cat([prompt.expand(num_rows, -1), ids], dim=1)).logits[:, 5:-1]
    expected = logits.log_softmax(-1).gather(2, ids[..., None])[..., 0]
    torch.testing.assert_close(torch.stack([c.logprobs for c in group]), expected, atol=1e-4, rtol=0)
    assert num_rows == 1 or len(ids.unique(dim=0)) > num_rows // 2


@pytest.mark.parametrize("family, scale", [("granite", {"logits_scaling": 8.0}), ("cohere", {"logit_scale": 0.25})])
def test_logits_that_a_model_scales_behind_its_head_are_refused(family, scale, monkeypatch):
    monkeypatch.setitem(FAMILIES, family, {})
    with pytest.raises(ModelError, match=next(iter(scale))):
        CausalPolicy(built(family, **scale))
    CausalPolicy(built(family, **dict.fromkeys(scale, 1.0)))


def test_the_model_itself_names_further_ends():
    model = built("llama")
    assert TorchEngine(CausalPolicy(model), 0, 8).end_ids == (0,)
    model.generation_config.eos_token_id = [7, 300]
    assert TorchEngine(CausalPolicy(model), 0, 8).end_ids == (7, 300)


@pytest.mark.parametrize("wrong", [{"hidden_act": "gelu"}, {"use_sliding_window": True, "max_window_layers": 1}])
def test_models_that_differ_from_the_layers_here_are_left_to_transformers(wrong):
    assert is_written_out(built("qwen2"))
    assert not is_written_out(built("qwen2", **wrong))


def test_a_window_that_layers_would_see_beyond_is_refused():
    sliding = {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 64}
    with pytest.raises(ModelError, match="sliding_window=64, max_position_embeddings=256"):
        CausalPolicy(built("qwen2", **sliding))
    CausalPolicy(built("qwen2", **sliding | {"sliding_window": 256}))


def test_samples_follow_the_probabilities_of_the_model(tiny_model, tokenizer):
    model = tiny_model("llama")
    prompt = torch.tensor(tokenizer("What is 7+5?")["input_ids"])
    num = 30_000
    engine = TorchEngine(CausalPolicy(model), tokenizer.pad_token_id, max_rows=num)
    ((_, group),) = engine.generate([Request(prompt, tuple(range(num)))], SamplingParams(max_new_tokens=2))
    first, second = torch.stack([c.ids for c in group]).T
    size = model.config.vocab_size
    with torch.no_grad():
        starts = model(prompt[None]).logits[0, -1].double().softmax(-1)
        both = torch.cat([prompt.expand(size, -1), torch.arange(size)[:, None]], dim=1)
        nexts = model(both).logits[:, -1].double().softmax(-1)
    for drawn, probs in ((first, starts), (second, starts @ nexts)):
        expected, counts = num * probs, torch.bincount(drawn, minlength=size).double()
        seen = expected >= 5  # rarer ids are one cell together
        expected, counts = (torch.cat([t[seen], t[~seen].sum()[None]]) for t in (expected, counts))
        chi_square = ((counts - expected) ** 2 / expected.clamp(min=1e-9)).sum()
        freedom = len(expected) - 1
        assert freedom > 30
        # five standard deviations of a chi-square variable above its mean
        assert chi_square < freedom + 5 * (2 * freedom) ** 0.5
