"""Token logprobs and entropy from hidden states, without ever holding the logits of more than one chunk of tokens.

32,768 tokens of a vocabulary of 152,000 have 20 GB of float32 logits, and autograd would keep them twice. Here a chunk
has at most 128 MiB, the forward keeps one number per token (the logsumexp), and the backward computes the logits again.

The products are computed in float32 also for bfloat16 inputs. A sampler that computes in bfloat16 rounds its logits, so
its logprobs differ from these: by how much is measured in every phase.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_CHUNK_ELEMENTS = 2**25
"""Logits of one chunk: 128 MiB in float32."""
WORKING_BYTES = 3 * 4 * _CHUNK_ELEMENTS
"""Most that forward and backward hold of logits at a time, with what is computed from them."""
_BLOCK_ELEMENTS = 2**24
"""Elements of the weight that are converted at a time: 64 MiB in float32. Up to 32 MiB glibc would keep freed buffers
in a heap that fragments (measured: 250 MiB more)."""


def token_logprobs(
    hidden: Tensor,
    weight: Tensor,
    ids: Tensor,
    temperature: float = 1.0,
    chunk_size: int | None = None,
    bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return logprob of ``ids`` and entropy under softmax((hidden @ weight.T + bias) / temperature).

    hidden [..., D], weight [V, D], ids [...] int64, bias [V] -> logprobs [...], entropy [...] in nats, both float32
    (float64 where hidden is float64). Only logprobs carry a gradient, to hidden, weight and bias. ``hidden[t]`` must be
    the state that predicts ``ids[t]``: shift before calling, and select the counted tokens first: each costs V * D.
    ``chunk_size`` counts tokens; None takes as many as 128 MiB of logits hold.
    """
    # hidden [..., D], weight [V, D], ids [...] -> [...], [...]
    assert hidden.shape[:-1] == ids.shape, f"hidden {tuple(hidden.shape)} does not belong to ids {tuple(ids.shape)}"
    assert weight.ndim == 2 and weight.shape[1] == hidden.shape[-1]
    assert temperature > 0
    chunk = chunk_size or max(1, _CHUNK_ELEMENTS // len(weight))
    flat = hidden.reshape(-1, hidden.shape[-1])
    logprobs, entropy = _TokenLogprobs.apply(flat, weight, bias, ids.reshape(-1), temperature, chunk)
    return logprobs.view(ids.shape), entropy.view(ids.shape)


class _TokenLogprobs(torch.autograd.Function):
    """The chunked computation on flat tokens; d logprob / d logits = (one-hot - softmax) / temperature."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, ids: Tensor, temperature: float, chunk: int
    ) -> tuple[Tensor, Tensor]:
        dtype = _compute_dtype(hidden)
        logprobs, entropy, lse = torch.empty(3, len(ids), dtype=dtype, device=hidden.device).unbind()
        # Two buffers serve all chunks: to get and give back 128 MiB each time costs as much as the mathematics.
        first, second = hidden.new_empty(2, min(chunk, len(ids)), len(weight), dtype=dtype).unbind()
        for part in _slices(len(ids), chunk):
            logits = _logits(hidden[part].to(dtype), weight, bias, temperature, first)
            top = logits.amax(-1, keepdim=True)
            exps = torch.exp(logits.sub_(top), out=second[: len(logits)])
            total = exps.sum(-1)
            log_total = total.log()
            lse[part] = top.squeeze(-1) + log_total
            logprobs[part] = logits.gather(-1, ids[part, None]).squeeze(-1) - log_total
            # -sum p log p with log p = logit - log_total: neither term is negative, so rounding makes no entropy so.
            entropy[part] = log_total - exps.mul_(logits).sum(-1) / total
        ctx.save_for_backward(hidden, weight, bias, ids, lse)
        ctx.temperature, ctx.chunk = temperature, chunk
        ctx.mark_non_differentiable(entropy)
        return logprobs, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, bias, ids, lse = ctx.saved_tensors
        dtype = _compute_dtype(hidden)
        needs_hidden, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        grad_hidden = torch.zeros_like(hidden, dtype=dtype) if needs_hidden else None
        grad_weight = torch.zeros_like(weight, dtype=dtype) if needs_weight else None
        grad_bias = torch.zeros_like(bias, dtype=dtype) if needs_bias else None
        buffer = hidden.new_empty(min(ctx.chunk, len(ids)), len(weight), dtype=dtype)
        for part in _slices(len(ids), ctx.chunk):
            states, scale = hidden[part].to(dtype), grad[part].to(dtype)[:, None] / ctx.temperature
            logits = _logits(states, weight, bias, ctx.temperature, buffer)
            slope = logits.sub_(lse[part, None]).exp_().mul_(-scale)
            slope.scatter_add_(1, ids[part, None], scale)
            _accumulate(slope, states, weight, None if grad_hidden is None else grad_hidden[part], grad_weight)
            if grad_bias is not None:
                grad_bias += slope.sum(0)
        return grad_hidden, grad_weight, grad_bias, None, None, None


def _compute_dtype(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, length)) for start in range(0, length, size))


def _blocks(weight: Tensor, dtype: torch.dtype) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows of the weight in ``dtype``: all at once where nothing is converted, else few, to keep memory low."""
    size = len(weight) if weight.dtype == dtype else max(1, _BLOCK_ELEMENTS // weight.shape[1])
    for rows in _slices(len(weight), size):
        yield rows, weight[rows].to(dtype)


def _logits(states: Tensor, weight: Tensor, bias: Tensor | None, temperature: float, buffer: Tensor) -> Tensor:
    """Return (states @ weight.T + bias) / temperature, [tokens, V], written into the first rows of ``buffer``."""
    logits = buffer[: len(states)]
    # Autocast would turn the product back into bfloat16.
    with torch.autocast(states.device.type, enabled=False):
        for rows, block in _blocks(weight, states.dtype):
            torch.mm(states, block.T, out=logits[:, rows])
    if bias is not None:
        logits += bias
    return logits.div_(temperature) if temperature != 1.0 else logits


def _accumulate(
    slope: Tensor, states: Tensor, weight: Tensor, grad_hidden: Tensor | None, grad_weight: Tensor | None
) -> None:
    """Add the chunk's part, slope [tokens, V], to grad_hidden [tokens, D] and grad_weight [V, D], in place."""
    with torch.autocast(slope.device.type, enabled=False):
        for rows, block in _blocks(weight, slope.dtype):
            if grad_hidden is not None:
                grad_hidden.addmm_(slope[:, rows], block)
            if grad_weight is not None:
                grad_weight[rows].addmm_(slope[:, rows].T, states)
