"""One token a row by the inverse of the cumulative distribution: one uniform number decides it, on any machine."""

from __future__ import annotations

import torch
from torch import Tensor

from r1lab.engines.base import SamplingParams

BLOCK = 256
"""Ids whose probabilities are summed first: the running sums are of blocks, then of one block's ids."""
NUCLEUS = (64, 1024)
"""Ids among which the top-p nucleus is looked for first; all are put in order only where it is larger."""


def draw(logits: Tensor, noise: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """One id a row by the inverse of the cumulative distribution, and its logprob before top-p and top-k cut it.

    logits [N, V], noise [N] uniform in [0, 1) -> ids [N] int64, logprobs [N] float32. Temperature 0 takes the most
    likely id, with its logprob at temperature 1. Float32 logits are overwritten: they are large.
    """
    assert logits.ndim == 2 and noise.shape == logits.shape[:1]
    logits = logits.float()
    if params.temperature not in (0, 1):
        logits.div_(params.temperature)
    # of the logits: what differs little may be equal as probabilities
    greedy = logits.argmax(dim=-1) if params.temperature == 0 else None
    probs = torch.softmax(logits, dim=-1, out=logits)
    ids = invert(restrict(probs, params), noise) if greedy is None else greedy
    return ids, probs.gather(1, ids[:, None]).squeeze(1).log()


def invert(weights: Tensor, noise: Tensor) -> Tensor:
    """The id at which the running sum of weights [N, V] passes noise [N] times their sum; never one of weight 0."""
    num_blocks = -(-weights.shape[1] // BLOCK)
    if padding := num_blocks * BLOCK - weights.shape[1]:
        weights = torch.nn.functional.pad(weights, (0, padding))
    blocks = weights.view(len(weights), num_blocks, BLOCK)
    before = blocks.sum(dim=-1).double().cumsum(dim=-1)
    target = noise.to(torch.float64)[:, None] * before[:, -1:]
    # rounding may lift the target to the very end, behind which there is no id
    target = torch.minimum(target, torch.nextafter(before[:, -1:], torch.zeros_like(target)))
    block = torch.searchsorted(before, target, right=True)
    chosen = blocks.gather(1, block[..., None].expand(-1, -1, BLOCK)).squeeze(1).double().cumsum(dim=-1)
    # the block's share of the target, of the sum that its ids really have
    begin = torch.nn.functional.pad(before, (1, 0)).gather(1, block)
    rest = (target - begin) / (before.gather(1, block) - begin) * chosen[:, -1:]
    rest = torch.minimum(rest, torch.nextafter(chosen[:, -1:], torch.zeros_like(rest)))
    return (block * BLOCK + torch.searchsorted(chosen, rest, right=True)).squeeze(1)


def restrict(weights: Tensor, params: SamplingParams) -> Tensor:
    """weights [N, V] with everything outside top-k and the top-p nucleus set to 0; not renormalized.

    What is as likely as the last token of either stays as well.
    """
    if params.top_k and params.top_k < weights.shape[1]:
        smallest = weights.topk(params.top_k, dim=-1).values[:, -1:]
        weights = weights.masked_fill(weights < smallest, 0.0)
    if params.top_p < 1:
        mass = params.top_p * weights.sum(dim=-1, keepdim=True)
        for size in (*NUCLEUS, weights.shape[1]):
            ordered = weights.topk(min(size, weights.shape[1]), dim=-1).values
            if (ordered.sum(dim=-1, keepdim=True) >= mass).all():
                break
        # a token stays while the mass before it is under top_p: the first one always does
        stays = ordered.cumsum(dim=-1) - ordered < mass
        smallest = ordered.where(stays, torch.inf).amin(dim=-1, keepdim=True)
        weights = weights.masked_fill(weights < smallest, 0.0)
    return weights
