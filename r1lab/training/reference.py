"""The reference policy: a frozen copy, replaced by the policy every n steps, saved with every checkpoint."""

from __future__ import annotations

import copy
import dataclasses

import torch

from r1lab.models.causal import CausalPolicy, reshard
from r1lab.types import PackedBatch


def frozen_copy(policy: CausalPolicy) -> CausalPolicy:
    """A copy of the policy that does not train."""
    reference = copy.deepcopy(policy).eval()
    return reference.requires_grad_(False)


@torch.no_grad()
def replace(reference: CausalPolicy, policy: CausalPolicy) -> None:
    """Copies the policy's weights into the reference, shard by shard: no rank gathers what it does not hold.

    Source: paper, Methods (R1-Zero): the reference becomes the latest policy every 400 steps.
    """
    reshard(reference)
    reshard(policy)
    for kept, new in zip(reference.parameters(), policy.parameters(), strict=True):
        kept.copy_(new)
    for kept, new in zip(reference.buffers(), policy.buffers(), strict=True):
        kept.copy_(new)


def is_due(step: int, every: int) -> bool:
    """Whether the reference is replaced after this step; every = 0 keeps the first one.

    >>> [is_due(step, 400) for step in (399, 400, 800)]
    [False, True, True]
    """
    return every > 0 and step > 0 and step % every == 0


@torch.no_grad()
def with_reference(reference: CausalPolicy, batch: PackedBatch, temperature: float) -> PackedBatch:
    """The batch with the reference's logprobs [R, T]."""
    logprobs, _ = reference.score(batch, temperature)
    return dataclasses.replace(batch, ref_logprobs=logprobs)
