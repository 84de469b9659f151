"""Tiny random models of any family of transformers, made so that whatever is forgotten shows in their logprobs."""

from __future__ import annotations

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PretrainedConfig, PreTrainedModel

WINDOW, POSITIONS, VOCABULARY = 8, 256, 160
SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "embedding_size", "word_embed_proj_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads"), 4),
    **dict.fromkeys(("encoder_attention_heads", "attention_heads"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_kv_heads"), 2),
    **dict.fromkeys(("head_dim", "global_head_dim", "rotary_dim"), 8),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "decoder_ffn_dim", "encoder_ffn_dim"), 48),
    **dict.fromkeys(("d_ff", "ffn_hidden_size", "intermediate_size_mlp"), 48),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size"), 16),
    **dict.fromkeys(("expert_intermediate_size", "dense_intermediate_size"), 16),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"), 4),
    **dict.fromkeys(("num_experts_per_tok", "moe_k", "moe_topk", "num_experts_per_token"), 2),
    **dict.fromkeys(("n_group", "topk_group", "n_shared_experts"), 1),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len"), POSITIONS),
    **dict.fromkeys(("sliding_window", "attention_window", "window_size"), WINDOW),
    "vocab_size": VOCABULARY, "vocab_size_per_layer_input": VOCABULARY, "hidden_size_per_layer_input": 8, "d_kv": 8,
    "q_lora_rank": 12, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 8,
    "qk_head_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
"""What families call their sizes; a family takes those that it knows."""
OPTIONAL = ("sliding_window", "attention_window", "window_size", "q_lora_rank", "n_inner")
"""What a family that has none of it does without here, too."""
DROPOUT = 0.1
LATENT = dict.fromkeys(("num_key_value_heads", "num_attention_heads"), 4)
"""For families with multi-head latent attention."""
FURTHER = {
    **dict.fromkeys(
        ("axk1", "axk2", "deepseek_v2", "deepseek_v3", "deepseek_v32", "glm4_moe_lite", "glm_moe_dsa", "longcat_flash",
         "minicpm3", "sarvam_mla", "youtu"),
        LATENT,
    ),
    "diffllama": {"attention_dropout": 0.0},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "bamba": {"mamba_n_heads": 4, "mamba_d_head": 16},
    "granitemoehybrid": {"mamba_n_heads": 4, "mamba_d_head": 16},
    "mamba2": {"num_heads": 4, "head_dim": 16},
}  # fmt: skip
"""Sizes of families that need others."""


def tiny_config(family: str, **more) -> PretrainedConfig:
    """The configuration of a tiny model of a family, with dropout, and with every kind of layer that it has."""
    kind = CONFIG_MAPPING[family]
    plain = kind()
    values = _sizes(plain) | FURTHER.get(family, {})
    for name in getattr(kind, "sub_configs", {}):
        if (nested := getattr(plain, name, None)) is not None:
            values[name] = _sizes(nested) | ({"layer_types": None} if getattr(nested, "layer_types", None) else {})
    settable = "layer_types" in plain.to_dict() and not isinstance(getattr(kind, "layer_types", None), property)
    kinds = list(dict.fromkeys(plain.layer_types or ())) if settable else []
    if kinds and "layer_types" not in values:
        values["layer_types"] = (kinds * 2)[: max(2, len(kinds))]
        values["num_hidden_layers"] = len(values["layer_types"])
    return kind(**values | more)


def _sizes(config: PretrainedConfig) -> dict:
    known = config.to_dict()
    named = {name: size for name, size in SIZES.items() if name in known or name in config.attribute_map}
    named = {name: size for name, size in named.items() if name not in OPTIONAL or known.get(name, size) is not None}
    rates = [name for name, value in known.items() if "drop" in name and isinstance(value, float)]
    return named | dict.fromkeys(rates, DROPOUT)


def tiny_model(config: PretrainedConfig, seed: int = 0, scale: float = 0.25, **options) -> PreTrainedModel:
    """A model with large random weights, norms and biases: at the usual size of weights attention hardly matters."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, **options)
        with torch.no_grad():
            for parameter in filter(torch.numel, model.parameters()):
                if parameter.ndim > 1:
                    parameter.normal_(0, scale)
                else:
                    parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()
