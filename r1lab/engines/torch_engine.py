"""A sampler in plain torch over the training policy itself: exact on a CPU, one copy of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1lab.engines.base import Request, SamplingParams
from r1lab.functional.rng import uniforms
from r1lab.models.causal import CausalPolicy, gathered
from r1lab.types import Completion, Finish

COMPACT_BELOW = 0.75
"""Finished rows are dropped from the batch once the share of running rows falls below this: copying has a price too."""


@dataclass(eq=False)
class TorchEngine:
    """Samples from the policy that trains, with a key-value cache; a group's prompt is computed once."""

    policy: CausalPolicy
    pad_id: int
    max_rows: int
    """Completions in one batch; more requests are done in turns."""
    version: int = 0

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[tuple[int, list[Completion]]]:
        """Yields (index of the request, its completions), turn by turn; see `Engine`."""
        training = self.policy.training
        self.policy.eval()
        try:
            by_length = sorted(range(len(requests)), key=lambda i: len(requests[i].prompt_ids))
            # once for all turns: ranks may have more and fewer of them, or none, and gathering takes all ranks
            with gathered(self.policy):
                for places in split_rows([len(requests[i].seeds) for i in by_length], self.max_rows):
                    turn = [by_length[place] for place in places]
                    with torch.no_grad(), self.policy.precision():
                        groups = self._sample([requests[i] for i in turn], params)
                    yield from zip(turn, groups)
        finally:
            self.policy.train(training)

    def _sample(self, requests: Sequence[Request], params: SamplingParams) -> list[list[Completion]]:
        from transformers import DynamicCache

        device = self.policy.device
        cache = DynamicCache(config=self.policy.config)
        logits, mask = self._prefill([r.prompt_ids for r in requests], cache)
        owner = torch.repeat_interleave(
            torch.arange(len(requests), device=device), torch.tensor([len(r.seeds) for r in requests], device=device)
        )
        cache.batch_select_indices(owner)
        logits, mask = logits[owner], mask[owner]

        # rows: the running completions, as indexes into the N results
        num_rows = len(owner)
        noise = uniforms([s for r in requests for s in r.seeds], 0, params.max_new_tokens).to(device)
        out_ids = torch.zeros(num_rows, params.max_new_tokens, dtype=torch.long, device=device)
        out_logprobs = torch.zeros(num_rows, params.max_new_tokens, device=device)
        lengths = torch.zeros(num_rows, dtype=torch.long, device=device)
        stopped = torch.zeros(num_rows, dtype=torch.bool, device=device)
        stops = torch.tensor(params.stop_ids, dtype=torch.long, device=device)
        rows = torch.arange(num_rows, device=device)
        for t in range(params.max_new_tokens):
            next_ids, logprobs = draw(logits, noise[rows, t], params)
            running = ~stopped[rows]
            out_ids[rows, t], out_logprobs[rows, t] = next_ids, logprobs
            lengths[rows] += running
            stopped[rows] |= torch.isin(next_ids, stops)
            running = ~stopped[rows]
            num_running = int(running.sum())
            if t + 1 == params.max_new_tokens or not num_running:
                break
            if num_running < COMPACT_BELOW * len(rows):
                keep = running.nonzero().squeeze(1)
                cache.batch_select_indices(keep)
                rows, mask, next_ids = rows[keep], mask[keep], next_ids[keep]
            mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
            logits = self.policy(next_ids[:, None], positions_of(mask)[:, -1:], mask, cache=cache)
        return self._completions(requests, out_ids.cpu(), out_logprobs.cpu(), lengths.tolist(), stopped.tolist())

    def _prefill(self, prompts: Sequence[Tensor], cache) -> tuple[Tensor, Tensor]:
        """Reads the prompts into the cache, what they all begin with once; returns logits [B, V] and mask [B, L]."""
        device, start = self.policy.device, common_start(prompts)
        ids, mask = left_pad([prompt[start:] for prompt in prompts], self.pad_id)
        if start:
            shared = prompts[0][None, :start].to(device)
            seen = torch.ones_like(shared, dtype=torch.bool)
            self.policy(shared, positions_of(seen), seen, cache=cache)
            cache.batch_repeat_interleave(len(prompts))
            mask = torch.cat([mask.new_ones(len(prompts), start), mask], dim=1)
        ids, mask = ids.to(device), mask.to(device)
        return self.policy(ids, positions_of(mask)[:, start:], mask, cache=cache), mask

    def _completions(self, requests, ids: Tensor, logprobs: Tensor, lengths: list[int], stopped: list[bool]):
        done = iter(
            Completion(ids[n, :length].clone(), logprobs[n, :length].clone(),
                       Finish.STOP if stopped[n] else Finish.LENGTH, self.version)
            for n, length in enumerate(lengths)
        )  # fmt: skip
        return [[next(done) for _ in request.seeds] for request in requests]


def split_rows(group_sizes: Sequence[int], max_rows: int) -> list[list[int]]:
    """Consecutive requests in turns of at most `max_rows` completions; a larger group has a turn of its own.

    >>> split_rows([4, 4, 4], 8)
    [[0, 1], [2]]
    """
    turns, room = [], 0
    for index, size in enumerate(group_sizes):
        if size > room or not turns:
            turns.append([])
            room = max_rows
        turns[-1].append(index)
        room -= size
    return turns


def common_start(prompts: Sequence[Tensor]) -> int:
    """Number of leading ids that all prompts [L_i] share, at most all but the last one of the shortest.

    >>> common_start([torch.tensor([7, 8, 9]), torch.tensor([7, 8, 1, 2])])
    2
    """
    longest = min(len(prompt) for prompt in prompts) - 1
    heads = torch.stack([prompt[:longest] for prompt in prompts])
    return int((heads == heads[0]).all(dim=0).long().cumprod(dim=0).sum())


def left_pad(prompts: Sequence[Tensor], pad_id: int) -> tuple[Tensor, Tensor]:
    """Prompts [L_i] -> ids [B, L] padded on the left, and mask [B, L], True = token."""
    longest = max(len(p) for p in prompts)
    ids = torch.full((len(prompts), longest), pad_id, dtype=torch.long)
    mask = torch.zeros(len(prompts), longest, dtype=torch.bool)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = prompt
        mask[row, longest - len(prompt) :] = True
    return ids, mask


def positions_of(mask: Tensor) -> Tensor:
    """Positions [B, T] of left-padded rows: 0 at each row's first token, and on its padding."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)


def draw(logits: Tensor, noise: Tensor, params: SamplingParams) -> tuple[Tensor, Tensor]:
    """One id a row by the inverse of the cumulative distribution, and its logprob before top-p and top-k cut it.

    logits [N, V], noise [N] uniform in [0, 1) -> ids [N] int64, logprobs [N] float32. Temperature 0 takes the most
    likely id, with its logprob at temperature 1.
    """
    assert logits.ndim == 2 and noise.shape == logits.shape[:1]
    logprobs = torch.log_softmax(logits.float() / (params.temperature or 1.0), dim=-1)
    if params.temperature == 0:
        ids = logprobs.argmax(dim=-1)
    else:
        cumulative = restrict(logprobs.exp(), params).cumsum(dim=-1)
        target = noise.to(cumulative.dtype)[:, None] * cumulative[:, -1:]
        # rounding may lift the target to the very end of the distribution, behind which there is no id
        target = torch.minimum(target, torch.nextafter(cumulative[:, -1:], torch.zeros_like(target)))
        ids = torch.searchsorted(cumulative, target, right=True).squeeze(1)
    return ids, logprobs.gather(1, ids[:, None]).squeeze(1)


def restrict(probs: Tensor, params: SamplingParams) -> Tensor:
    """probs [N, V] with everything outside top-k and the top-p nucleus set to 0; not renormalized."""
    if params.top_k and params.top_k < probs.shape[1]:
        smallest = probs.topk(params.top_k, dim=-1).values[:, -1:]
        probs = probs.masked_fill(probs < smallest, 0.0)
    if params.top_p < 1:
        ordered, order = probs.sort(dim=-1, descending=True)
        # a token stays while the mass before it is under top_p: the first one always does
        before = ordered.cumsum(dim=-1) - ordered
        ordered = ordered.masked_fill(before >= params.top_p * ordered.sum(-1, keepdim=True), 0.0)
        probs = torch.zeros_like(probs).scatter(1, order, ordered)
    return probs
