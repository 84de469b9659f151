"""Which families of models can be used here, seen from config.json alone, before any weights are read.

Sampling and training attend by masks and positions of r1lab's own. So a layer may look at other tokens through
attention to all earlier tokens and through nothing else: no recurrent state, no convolution, no window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from r1lab.errors import ModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

TAKE_ANOTHER = "Take a model of another family: llama, qwen2, qwen3, deepseek_v3, mistral, olmo2, phi3, ..."
NESTED = ("text_config", "decoder", "generator")
"""Where models of several kinds of input keep the configuration of the language model."""
POSITIONS = ("max_position_embeddings", "n_positions")
LAYER_LISTS = ("layer_types", "layers_block_type", "block_types", "attention_layers")
"""Keys of config.json that list the kind of every layer, or of every layer of a period."""
WHOLE = {"full_attention", "attention", "global", "mlp", "moe", "dense", "sparse"}
"""Kinds of layers that see all earlier tokens, or their own token alone."""
BOUNDED = {
    "sliding_attention": ("sliding_window", "sliding_window_size", "attention_window_size"),
    "local": ("window_size",),
    "chunked_attention": ("attention_chunk_size",),
    "indexed_attention": ("index_topk",),
}
"""Kinds of layers that see a limited number of tokens, each with the keys that may hold the limit."""
RECURRENT = (
    "mamba", "ssm_", "conv_l_cache", "conv_kernel", "linear_conv_kernel_dim", "linear_attn_config", "lru_width",
    "time_step_", "rwkv", "rescale_every", "chunkwise_kernel", "attn_type_list", "hybrid_override_pattern",
)  # fmt: skip
"""What keys of recurrent and convolutional layers begin with or contain; looked at where no list names the layers."""
LOGIT_SCALES = (
    "logits_scaling", "logit_scale", "final_logit_softcapping", "lm_head_multiplier", "dim_model_base",
    "logits_soft_cap", "output_logit_soft_cap", "logits_mup_width_multiplier",
)  # fmt: skip
"""Names of a factor or a bound of logits (Granite, Cohere, Gemma 2, Falcon-H1, MiniCPM, RecurrentGemma, xLSTM, ...)."""


def check_layers(values: Mapping[str, Any]) -> None:
    """Refuses models by the layers that config.json, as a mapping, names: encoder-decoders, recurrent and hybrid ones.

    Raises ModelError.
    """
    text, family = text_values(values), values.get("model_type", "?")
    if values.get("is_encoder_decoder"):
        raise ModelError("An encoder-decoder model cannot be used here.", f"model_type={family}", TAKE_ANOTHER)
    layers = layer_kinds(text)
    found = sorted(layers - WHOLE - set(BOUNDED))
    if not layers:
        found = sorted(key for key, value in text.items() if value and any(name in key.lower() for name in RECURRENT))
    if found:
        raise ModelError(
            "A model with recurrent, convolutional or hybrid layers cannot be used here: sequences that share a row "
            "would mix in their state.",
            f"model_type={family}: {', '.join(found[:4])}",
            TAKE_ANOTHER,
        )


def check_config(config: PretrainedConfig) -> None:
    """Refuses models that would compute something else here than transformers does. Raises ModelError.

    Beyond `check_layers`: attention windows shorter than the longest text, and logits that are changed after the head.
    """
    values = config.to_dict()
    check_layers(values)
    text = config.get_text_config()
    positions = positions_of(config)
    layers = layer_kinds(text.to_dict())
    for kind, keys in BOUNDED.items():
        # without a list of layers a window holds for all of them
        if kind in layers or (not layers and kind == "sliding_attention"):
            for key in keys:
                if (limit := getattr(text, key, None)) and limit < positions:
                    raise ModelError(
                        "A model with an attention window cannot be used here: its layers would see beyond it.",
                        f"model_type={config.model_type}: {key}={limit}, max_position_embeddings={positions}",
                        f"Where no text is longer: model.published.positions={limit}, "
                        f"or max_position_embeddings={limit} in its config.json.",
                    )
    scales = {name: getattr(text, name, None) for name in LOGIT_SCALES}
    if scaled := {name: value for name, value in scales.items() if value not in (None, 1, 1.0)}:
        raise ModelError(
            "A model whose logits are scaled or capped after its head cannot be used here: its probabilities would be "
            "others.",
            f"model_type={config.model_type}: " + ", ".join(f"{name}={value}" for name, value in scaled.items()),
            TAKE_ANOTHER,
        )


def text_values(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part of config.json that describes the language model: all of it, or what is nested in it."""
    return next((values[name] for name in NESTED if isinstance(values.get(name), Mapping)), values)


def layer_kinds(text: Mapping[str, Any]) -> set[str]:
    """The kinds of layers that are listed; empty where config.json has no list.

    >>> sorted(layer_kinds({"layer_types": ["conv", "full_attention", "conv"]}))
    ['conv', 'full_attention']
    """
    return {kind for key in LAYER_LISTS for kind in text.get(key) or () if isinstance(kind, str)}


def known_positions(values: Mapping[str, Any]) -> int | None:
    """The longest text in tokens by a config.json, nested or not; None where it states none."""
    text = text_values(values)
    return next((text[name] for name in POSITIONS if isinstance(text.get(name), int)), None)


def positions_of(config: PretrainedConfig) -> float:
    """The longest text in tokens that a loaded configuration allows; infinity where it states none."""
    return getattr(config.get_text_config(), "max_position_embeddings", None) or math.inf
