"""The critic of PPO: the policy's architecture with one number a token in the place of the vocabulary."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from r1lab.models.causal import CausalPolicy
from r1lab.types import PackedBatch


class Critic(CausalPolicy):
    """What reward it expects of a completion, before each of its tokens; begins as the policy that expects 0."""

    def __init__(self, policy: CausalPolicy):
        super().__init__(copy.deepcopy(policy.model), policy.compute_dtype)
        # its embeddings of outputs are not read; where they are those of the inputs, they train as such
        if not policy.config.get_text_config().tie_word_embeddings:
            self.model.get_output_embeddings().requires_grad_(False)
        hidden = policy.config.get_text_config().hidden_size
        self.head = nn.Parameter(torch.zeros(hidden, device=policy.device, dtype=policy.model.dtype))

    def values(self, batch: PackedBatch) -> Tensor:
        """Values [R, T] of the counted tokens, each as the token before it is read; 0 elsewhere."""

        def read(hidden: Tensor, _: nn.Module) -> Tensor:
            # no matrix product: autocast would round it
            return (hidden.to(self.head.dtype) * self.head).sum(dim=-1)

        with self.precision():
            found = self.at_predictors(batch, read)
        return batch.grid(found)
