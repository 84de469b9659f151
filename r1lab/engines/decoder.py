"""One token a row for Llama, Qwen2, Qwen3 and DeepSeek-V3: their layers written out for sampling.

The layers of transformers copy keys and values for every query head. Here the queries that share a key attend to it
together. A product has its weight on the left: a CPU multiplies a large matrix by a few columns faster than a few rows
by a large matrix. Weights are the policy's own, but for copies of what is joined (queries, keys and values) or is
converted, where it computes in bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from r1lab.engines.groups import GroupCache
from r1lab.engines.latent import LatentAttention
from r1lab.engines.layers import Attention, GatedMLP, GroupedQueryAttention, Norm, Product, Step
from r1lab.models.causal import CausalPolicy

ATTENTION = {
    "llama": GroupedQueryAttention,
    "qwen2": GroupedQueryAttention,
    "qwen3": GroupedQueryAttention,
    "deepseek_v3": LatentAttention,
}


def is_written_out(model: nn.Module) -> bool:
    """Whether a transformers model is of one of the families, with plain attention in every layer."""
    config = model.config
    plain = set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
    return config.model_type in ATTENTION and plain and config.hidden_act == "silu"


@dataclass(frozen=True, eq=False)
class Layer:
    """One decoder layer."""

    attention_norm: Norm
    attention: Attention
    mlp_norm: Norm
    mlp: Callable[[Tensor], Tensor]

    def __call__(self, states: Tensor, step: Step) -> Tensor:
        """states [N, hidden] -> the same behind the layer."""
        states = states + self.attention(self.attention_norm(states), step)
        return states + self.mlp(self.mlp_norm(states))


class Decoder:
    """Next-token logits of rows that read one id each; to be made anew when the weights have changed."""

    def __init__(self, policy: CausalPolicy):
        model, dtype = policy.model.base_model, policy.product_dtype
        attention = ATTENTION[policy.config.model_type]
        self.embed, self.rotary, self.dtype = model.embed_tokens, model.rotary_emb, dtype
        self.layers = [
            Layer(
                Norm.of(layer.input_layernorm, dtype),
                attention.of(layer.self_attn, dtype),
                Norm.of(layer.post_attention_layernorm, dtype),
                # the experts of transformers are sorted and grouped already
                layer.mlp if hasattr(layer.mlp, "experts") else GatedMLP.of(layer.mlp, dtype),
            )
            for layer in model.layers
        ]
        self.norm = Norm.of(model.norm, dtype)
        self.head = Product.of(policy.model.get_output_embeddings(), dtype=dtype)
        self._logits = torch.empty(0, device=policy.device)

    def __call__(self, ids: Tensor, positions: Tensor, mask: Tensor, cache: GroupCache) -> Tensor:
        """ids [N] -> logits [N, V] float32, which the next call overwrites.

        positions [N, 1] and mask [N, 1, 1, L] are as `GroupCache.advance` gives them.
        """
        states = self.embed(ids)
        cos, sin = self.rotary(states, positions)
        sin = torch.cat([-sin[..., : sin.shape[-1] // 2], sin[..., sin.shape[-1] // 2 :]], dim=-1)
        # numbers from here on: no layer converts it again
        mask = torch.zeros(mask.shape, dtype=self.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
        step = Step(cos, sin, mask, cache)
        for layer in self.layers:
            states = layer(states, step)
        if len(self._logits) < len(ids):
            self._logits = self._logits.new_empty(len(ids), len(self.head.weight))
        return self.head.by_row(self.norm(states), self._logits[: len(ids)])
