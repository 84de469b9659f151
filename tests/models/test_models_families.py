"""Families of models: attention masks, dropout, windows and layers, each right or refused in words."""

import copy
import json

import pytest
import torch
from tiny_families import POSITIONS, WINDOW, tiny_config, tiny_model
from transformers import Gemma3Config

from r1lab.errors import ModelError
from r1lab.functional.packing import microbatches, unpack
from r1lab.models.causal import CausalPolicy
from r1lab.models.families import check_config, check_layers, known_positions, positions_of
from r1lab.models.policy import check_source, load_model
from r1lab.types import TrainingSample

WHOLE = {"sliding_window": None}
SLIDING = {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1, "layer_types": None}
LINES = [torch.tensor(line) for line in ([3, 9, 4, 7, 12, 5], [3, 9, 4, 7, 12, 6], [17, 3, 8], [17, 3, 8, 21, 4, 4, 9])]


def plain_logprobs(model, ids):
    with torch.no_grad():
        logprobs = model(input_ids=ids[None]).logits[0, :-1].float().log_softmax(-1)
    return logprobs.gather(-1, ids[1:, None])[:, 0]


def packed_logprobs(policy):
    """Of every line behind its first two ids, of which those of equal lines are shared."""
    shared = {tuple(line[:2].tolist()): line[:2] for line in LINES}
    samples = [
        TrainingSample(shared[tuple(line[:2].tolist())], line[2:], torch.zeros(len(line) - 2), float(place))
        for place, line in enumerate(LINES)
    ]
    (batch,) = microbatches(samples, 64, 1024, 0)
    with torch.no_grad():
        logprobs = unpack(policy.score(batch, 1.0)[0], batch)
    places = [int(values[0]) for values in unpack(batch.advantages, batch)]
    return [logprobs[places.index(place)] for place in range(len(LINES))]


def gap(model):
    """The largest difference between a packed batch in training and each line alone before r1lab had the model."""
    expected = [plain_logprobs(copy.deepcopy(model), line)[1:] for line in LINES]
    found = packed_logprobs(CausalPolicy(model).train())
    return max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", ["llama", "qwen2", "qwen3_moe", "phi", "gpt2", "stablelm", "nemotron", "olmo2"])
def test_attention_is_right_whether_it_adds_its_mask_or_reads_it(family, attention):
    model = tiny_model(tiny_config(family), attn_implementation=attention)
    assert model.config._attn_implementation == attention
    assert gap(model) < 1e-5


@pytest.mark.parametrize(
    "family, more",
    [
        ("xglm", {}), ("gpt_neox_japanese", {}), ("gpt_neo", {"attention_types": [[["global"], 2]]}),
        ("gpt_oss", {"sliding_window": POSITIONS}), ("vaultgemma", {"sliding_window": POSITIONS,
         "final_logit_softcapping": None}), ("gemma2", {"sliding_window": POSITIONS, "final_logit_softcapping": None}),
    ],
)  # fmt: skip
def test_families_without_sdpa_are_right(family, more):
    model = tiny_model(tiny_config(family, **more))
    assert model.config._attn_implementation == "eager"
    assert gap(model) < 1e-5


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_token_sees_nothing_behind_it(attention):
    policy = CausalPolicy(tiny_model(tiny_config("llama"), attn_implementation=attention))
    ids = torch.stack(LINES[:2])  # they differ in their last token
    mask = torch.ones(6, 6, dtype=torch.bool).tril()[None, None]
    with torch.no_grad():
        states = policy(ids, torch.arange(6).expand(2, -1), mask, lambda hidden, _: hidden)
    assert torch.equal(states[0, :5], states[1, :5]) and not torch.equal(states[0, 5], states[1, 5])


@pytest.mark.parametrize("attention", ["flash_attention_2", "flex_attention", "flash_attention_3", None])
def test_attention_without_a_mask_of_pairs_is_refused(attention):
    model = tiny_model(tiny_config("llama"))
    model.config._attn_implementation_internal = attention
    with pytest.raises(ModelError, match="attn_implementation=sdpa"):
        CausalPolicy(model)


@pytest.mark.parametrize(
    "family", ["seed_oss", "opt", "gpt_bigcode", "biogpt", "falcon", "persimmon", "gpt2", "phi", "granitemoe", "phimoe"]
)
def test_no_dropout_and_no_router_noise_while_training(family):
    model = tiny_model(tiny_config(family))
    policy = CausalPolicy(model)
    policy.train()
    first, again = (torch.cat(packed_logprobs(policy)) for _ in range(2))
    assert torch.equal(first, again)
    model.train()  # nothing of it is left even where somebody turns it on
    rates = [value for module in model.modules() for name, value in vars(module).items()
             if "drop" in name.lower() and isinstance(value, float)]  # fmt: skip
    assert not any(rates) and not any(m.p for m in model.modules() if isinstance(m, torch.nn.Dropout))


def test_the_dropout_of_the_families_is_there_before_r1lab_has_the_model():
    for family in ("seed_oss", "opt", "gpt_bigcode", "biogpt"):
        model = tiny_model(tiny_config(family)).train()
        assert not torch.equal(plain_logprobs(model, LINES[3]), plain_logprobs(model, LINES[3]))


def test_the_wrapper_knows_that_it_trains_and_the_model_does_not():
    policy = CausalPolicy(tiny_model(tiny_config("llama")))
    assert policy.train().training and not any(m.training for m in policy.model.modules())
    assert not policy.eval().training


NESTED = {"gemma3": {}, "gemma4": {}, "gemma4_unified": {}}


@pytest.mark.parametrize("family", NESTED)
def test_a_nested_window_is_seen(family):
    config = tiny_config(family)
    assert config.get_text_config().sliding_window == WINDOW
    with pytest.raises(ModelError, match=f"sliding_window={WINDOW}, max_position_embeddings={POSITIONS}"):
        check_config(config)
    config.get_text_config().sliding_window = POSITIONS
    check_config(config)
    assert positions_of(config) == POSITIONS


def test_a_nested_window_is_seen_in_the_default_configuration():
    with pytest.raises(ModelError, match="sliding_window=16"):
        check_config(Gemma3Config(text_config={"sliding_window": 16}))


def test_a_nested_cap_is_seen():
    config = tiny_config("gemma3")
    config.text_config.sliding_window = POSITIONS
    config.text_config.final_logit_softcapping = 30.0
    with pytest.raises(ModelError, match="final_logit_softcapping=30"):
        check_config(config)


@pytest.mark.parametrize(
    "family, more, refused",
    [
        ("mistral", {}, True), ("mistral", WHOLE, False), ("mistral", {"sliding_window": POSITIONS}, False),
        ("qwen2", {}, False), ("qwen2", SLIDING, True),
        ("gpt_neo", {}, True), ("gpt_neo", {"window_size": POSITIONS}, False),
        ("llama4_text", {"attention_chunk_size": 64}, True), ("llama4_text", {"attention_chunk_size": 256}, False),
        ("phi3", WHOLE, False), ("olmo3", {}, True), ("cohere", {}, True), ("cohere", {"logit_scale": 1.0}, False),
        ("granite", {"logits_scaling": 8.0}, True), ("granite", {}, False),
        ("deepseek_v32", {"index_topk": 16}, True), ("nanochat", {}, True),
    ],
)  # fmt: skip
def test_windows_and_caps(family, more, refused):
    config = tiny_config(family, **more)
    if refused:
        with pytest.raises(ModelError) as caught:
            check_config(config)
        assert family in caught.value.found and caught.value.remedy
    else:
        check_config(config)


def values(line):
    return json.loads(line)


@pytest.mark.parametrize(
    "line",
    [
        '{"model_type": "lfm2", "layer_types": ["conv", "full_attention"]}',
        '{"model_type": "lfm2", "full_attn_idxs": [2, 5], "conv_L_cache": 3, "block_dim": 64}',
        '{"model_type": "qwen3_next", "full_attention_interval": 4, "linear_conv_kernel_dim": 4}',
        '{"model_type": "qwen3_5", "text_config": {"layer_types": ["linear_attention", "full_attention"]}}',
        '{"model_type": "granitemoehybrid", "layer_types": ["mamba", "attention"]}',
        '{"model_type": "falcon_h1", "mamba_d_state": 256, "mamba_chunk_size": 128}',
        '{"model_type": "mamba", "state_size": 16, "conv_kernel": 4, "time_step_rank": 48}',
        '{"model_type": "nemotron_h", "hybrid_override_pattern": "M-M*-", "mamba_head_dim": 64}',
        '{"model_type": "nemotron_h", "layers_block_type": ["mamba", "moe", "attention"]}',
        '{"model_type": "rwkv", "rescale_every": 6, "attention_hidden_size": 64}',
        '{"model_type": "jamba", "attn_layer_period": 8, "mamba_d_conv": 4}',
        '{"model_type": "bamba", "attn_layer_indices": [9], "mamba_n_heads": 128}',
        '{"model_type": "recurrent_gemma", "block_types": ["recurrent", "recurrent", "attention"]}',
        '{"model_type": "zamba2", "layers_block_type": ["mamba", "hybrid"]}',
        '{"model_type": "kimi_linear", "linear_attn_config": {"num_heads": 4}}',
        '{"model_type": "minimax_text_01", "attn_type_list": [0, 0, 1]}',
        '{"model_type": "xlstm", "chunkwise_kernel": "chunkwise--native_autograd"}',
        '{"model_type": "t5", "is_encoder_decoder": true}',
        '{"model_type": "bart", "is_encoder_decoder": true, "d_model": 64}',
        '{"model_type": "next_year", "layer_types": ["full_attention", "delta_rule"]}',
    ],
)
def test_layers_that_carry_a_state_are_refused_by_config_json_alone(line, tmp_path):
    with pytest.raises(ModelError) as caught:
        check_layers(values(line))
    assert values(line)["model_type"] in caught.value.found and "qwen3" in caught.value.remedy
    # of a folder whose weights cannot be read: they are not looked at
    (tmp_path / "config.json").write_text(line)
    (tmp_path / "tokenizer.json").write_text("{}")
    header = b'{"a": {"data_offsets": [0, 4]}}'
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"    ")
    for load in (lambda: check_source(str(tmp_path)), lambda: load_model(tmp_path, "float32")):
        with pytest.raises(ModelError, match=caught.value.wrong[:30]):
            load()


@pytest.mark.parametrize(
    "line",
    [
        "{}",
        '{"model_type": "llama", "max_position_embeddings": 2048}',
        '{"model_type": "qwen2", "use_sliding_window": false, "sliding_window": 131072, "max_window_layers": 28}',
        '{"model_type": "granitemoehybrid", "layer_types": ["attention", "attention"], "mamba_d_state": 128}',
        '{"model_type": "gemma3", "text_config": {"layer_types": ["full_attention", "sliding_attention"]}}',
        '{"model_type": "deepseek_v3", "first_k_dense_replace": 3, "num_nextn_predict_layers": 1}',
        '{"model_type": "gpt_neo", "attention_layers": ["global", "local"], "window_size": 256}',
        '{"model_type": "mixtral", "router_jitter_noise": 0.1, "is_encoder_decoder": false}',
        '{"model_type": "smollm3", "no_rope_layers": [1, 1, 1, 0], "layer_types": ["full_attention"]}',
    ],
)
def test_layers_that_only_attend_pass(line):
    check_layers(values(line))


@pytest.mark.parametrize(
    "line, positions",
    [
        ('{"max_position_embeddings": 2048}', 2048), ('{"text_config": {"max_position_embeddings": 64}}', 64),
        ('{"n_positions": 1024}', 1024), ("{}", None), ('{"max_position_embeddings": null}', None),
        ('{"text_config": {}, "max_position_embeddings": 5}', None),
    ],
)  # fmt: skip
def test_the_longest_text_stands_in_config_json_nested_or_not(line, positions):
    assert known_positions(values(line)) == positions
