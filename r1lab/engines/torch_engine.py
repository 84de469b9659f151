"""A sampler in plain torch over the training policy itself: exact where products are computed in float32."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from r1lab.engines.base import Request, SamplingParams
from r1lab.engines.decoder import Decoder, is_written_out
from r1lab.engines.draw import draw
from r1lab.engines.groups import GroupCache
from r1lab.engines.rows import RowCache
from r1lab.functional.rng import uniforms
from r1lab.models.causal import CausalPolicy, gathered
from r1lab.types import Completion, Finish

PREFILL_TOKENS = 16_384
"""Prompts are read together up to so many tokens, padding included."""
FEW_ROWS = 8
"""When so many rows are left, and no more come, a step costs more in calls than in products."""


@dataclass(eq=False)
class TorchEngine:
    """Samples from the policy that trains: a group's prompt is computed once, rows that end make room for others."""

    policy: CausalPolicy
    pad_id: int
    max_rows: int
    """Completions that are written at once; more requests wait for room. A larger group is written alone."""
    version: int = 0

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Those of the model's generation config: Llama 3 has three."""
        generation = getattr(self.policy.model, "generation_config", None)
        ids = generation.eos_token_id if generation is not None else None
        return () if ids is None else (ids,) if isinstance(ids, int) else tuple(ids)

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[tuple[int, list[Completion]]]:
        """Yields (index of the request, its completions) as groups finish; see `Engine`."""
        training = self.policy.training
        self.policy.eval()
        try:
            # ranks have more and fewer steps, or none, and gathering takes all ranks
            with gathered(self.policy), self.policy.casts_kept():
                batch = Batch(self.policy, self.pad_id, requests, params, self.max_rows)
                while batch.waiting or batch.num_rows:
                    # a tenth faster than no_grad: operations on few rows cost their calls
                    with torch.inference_mode(), self.policy.precision():
                        finished = batch.advance()
                    for place in finished:
                        yield place, self._completions(batch.written.pop(place))
        finally:
            self.policy.train(training)

    def _completions(self, written: list[tuple[Tensor, Tensor, bool]]) -> list[Completion]:
        # copies: what was made in inference mode may not be kept for a backward
        return [
            Completion(ids.clone(), logprobs.clone(), Finish.STOP if stopped else Finish.LENGTH, self.version)
            for ids, logprobs, stopped in written
        ]


class Batch:
    """The completions that are being written, one row each, and the requests that wait for rows."""

    def __init__(
        self, policy: CausalPolicy, pad_id: int, requests: Sequence[Request], params: SamplingParams, max_rows: int
    ):
        self.policy, self.pad_id, self.requests, self.params = policy, pad_id, requests, params
        sizes = [len(request.seeds) for request in requests]
        self.max_rows = min(max(max_rows, *sizes), sum(sizes)) if sizes else 0
        self.waiting = sorted(range(len(requests)), key=lambda i: (-len(requests[i].prompt_ids), -i))
        """Requests without rows, the next one last: those with short prompts come first."""
        self.written: dict[int, list] = {place: [None] * size for place, size in enumerate(sizes)}
        """By request what is finished: (ids, logprobs, ended by a stop id) for each completion."""
        longest = max((len(request.prompt_ids) for request in requests), default=0)
        with torch.no_grad():
            self.decoder = Decoder(policy) if is_written_out(policy.model) else None
        if self.decoder is None:
            self.cache = RowCache(self.max_rows, longest + params.max_new_tokens)
        else:
            self.cache = GroupCache(self.max_rows, params.max_new_tokens, policy.product_dtype)
        self.start = common_start([request.prompt_ids for request in requests]) if requests else 0
        self.stops = torch.tensor(params.stop_ids, dtype=torch.long, device=policy.device)
        self.num_rows = 0
        shape, device = (self.max_rows, params.max_new_tokens), policy.device
        # of each row: where it belongs, what it has written, how much, how much it may, and its random numbers
        self.places = torch.zeros(self.max_rows, 2, dtype=torch.long, device=device)
        self.ids = torch.zeros(shape, dtype=torch.long, device=device)
        self.logprobs = torch.zeros(shape, device=device)
        self.lengths, self.limits = torch.zeros(2, self.max_rows, dtype=torch.long, device=device)
        self.noise = torch.zeros(shape, dtype=torch.float64, device=device)

    def advance(self) -> list[int]:
        """Every row writes one token and new rows their first; returns the requests that are finished by that."""
        finished = []
        if self.num_rows:
            rows = torch.arange(self.num_rows, device=self.policy.device)
            positions, mask = self.cache.advance(self.policy.device)
            last = self.ids[rows, self.lengths[rows] - 1]
            finished += self._write(rows, self._decode(last, positions, mask))
        while places := self._next():
            first = self.num_rows
            logits = self._read(places)
            rows = torch.arange(first, self.num_rows, device=self.policy.device)
            finished += self._write(rows, logits)
        return finished

    def _decode(self, last: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Logits [n, V] behind the last id [n] of every running row."""
        if self.decoder is None:
            return self.policy.next_logits(last[:, None], positions, mask, self.cache)
        return self.decoder(last, positions, mask, self.cache)

    def _next(self) -> list[int]:
        """The requests that are read next: as many as have room for all of their completions."""
        places, room, longest = [], self.max_rows - self.num_rows, 1
        while self.waiting and len(self.requests[self.waiting[-1]].seeds) <= room:
            longest = max(longest, len(self.requests[self.waiting[-1]].prompt_ids) - self.start)
            if places and longest * (len(places) + 1) > PREFILL_TOKENS:
                break
            places.append(self.waiting.pop())
            room -= len(self.requests[places[-1]].seeds)
        return places

    def _read(self, places: Sequence[int]) -> Tensor:
        """Gives each completion of these requests a row that has read its prompt; returns the logits [m, V] there."""
        requests, device = [self.requests[place] for place in places], self.policy.device
        logits, prompts = self._prefill([request.prompt_ids for request in requests])
        sizes = torch.tensor([len(request.seeds) for request in requests])
        owner = torch.arange(len(requests)).repeat_interleave(sizes)
        lengths = torch.tensor([len(request.prompt_ids) for request in requests])
        self.cache.admit(prompts, owner.to(device), lengths[owner])
        new = slice(self.num_rows, self.num_rows + len(owner))
        self.num_rows = new.stop
        most = self.params.max_new_tokens
        self.places[new, 0] = torch.tensor(places)[owner].to(device)
        self.places[new, 1] = torch.cat([torch.arange(size) for size in sizes.tolist()]).to(device)
        limits = [min(most, own) for r in requests for own in r.max_new_tokens or [most] * len(r.seeds)]
        self.lengths[new], self.limits[new] = 0, torch.tensor(limits, device=device)
        self.noise[new] = uniforms([seed for request in requests for seed in request.seeds], 0, most).to(device)
        return logits[owner.to(device)]

    def _prefill(self, prompts: Sequence[Tensor]) -> tuple[Tensor, RowCache]:
        """Reads prompts, what all requests begin with once; returns logits [B, V] behind each, and their cache."""
        device, start = self.policy.device, self.start
        rest = [prompt[start:] for prompt in prompts]
        ids = torch.nn.utils.rnn.pad_sequence(rest, batch_first=True, padding_value=self.pad_id).to(device)
        cache = RowCache(len(prompts), start + ids.shape[1])
        if start:
            begun = torch.zeros(len(prompts), dtype=torch.long)
            cache.admit(self._beginning, begun.to(device), begun + start)
        cache.begin(len(prompts), start, ids.shape[1])
        last = torch.tensor([len(prompt) - 1 for prompt in rest], device=device)
        place = causal(start, ids.shape[1], len(prompts), device)
        return self.policy.next_logits(ids, *place, cache, last), cache

    @cached_property
    def _beginning(self) -> RowCache:
        """The cache of what all requests begin with, one row; read when the first of them is."""
        shared = self.requests[0].prompt_ids[None, : self.start].to(self.policy.device)
        cache = RowCache(1, self.start)
        cache.begin(1, 0, self.start)
        self.policy.next_logits(shared, *causal(0, self.start, 1, self.policy.device), cache)
        return cache

    def _write(self, rows: Tensor, logits: Tensor) -> list[int]:
        """Draws the next token of ``rows`` (the last ones), takes finished rows out; returns finished requests."""
        at = self.lengths[rows]
        drawn, its_logprobs = draw(logits, self.noise[rows, at], self.params)
        self.ids[rows, at], self.logprobs[rows, at] = drawn, its_logprobs
        self.lengths[rows] = at + 1
        stopped = torch.isin(drawn, self.stops)
        over = stopped | (at + 1 >= self.limits[rows])
        if not over.any():
            return []
        done = []
        for row, stop in zip(rows[over].tolist(), stopped[over].tolist()):
            place, sample = self.places[row].tolist()
            ids, logprobs = (table[row, : self.lengths[row]].clone().cpu() for table in (self.ids, self.logprobs))
            self.written[place][sample] = ids, logprobs, stop
            done += [place] if all(self.written[place]) else []
        self._leave(rows[over])
        return done

    def _leave(self, rows: Tensor) -> None:
        """Takes rows out of the batch: the last ones that stay move to their places."""
        stays = torch.ones(self.num_rows, dtype=torch.bool, device=rows.device)
        stays[rows] = False
        self.num_rows -= len(rows)
        holes, movers = (
            (~stays[: self.num_rows]).nonzero()[:, 0],
            stays[self.num_rows :].nonzero()[:, 0] + self.num_rows,
        )
        for table in (self.places, self.ids, self.logprobs, self.lengths, self.limits, self.noise):
            table[holes] = table[movers]
        self.cache.move(holes, movers, self.num_rows)
        if self.decoder is not None and not self.waiting and self.num_rows <= FEW_ROWS:
            self.cache.absorb()


def causal(start: int, length: int, num_rows: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Positions [B, T] and mask [1, 1, T, start + T] of rows that read T ids behind ``start`` ids they hold."""
    places = torch.arange(start, start + length, device=device)
    span = torch.arange(start + length, device=device)
    return places.expand(num_rows, -1), (span <= places[:, None])[None, None]


def common_start(prompts: Sequence[Tensor]) -> int:
    """Number of leading ids that all prompts [L_i] share, at most all but the last one of the shortest.

    >>> common_start([torch.tensor([7, 8, 9]), torch.tensor([7, 8, 1, 2])])
    2
    """
    longest = min(len(prompt) for prompt in prompts) - 1
    heads = torch.stack([prompt[:longest] for prompt in prompts])
    return int((heads == heads[0]).all(dim=0).long().cumprod(dim=0).sum())
