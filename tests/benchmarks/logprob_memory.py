"""Peak memory of the loss of one long completion, against the loss over full logits.

``python tests/benchmarks/logprob_memory.py --out memory.json``. Forward and backward of 32,768 tokens over a vocabulary
of 152,000, beyond hidden states and weight; bound: 1 GB. Full logits of so many tokens fit nowhere: their memory is
measured at two small sizes and goes on along the line through both. Each measurement is a process of its own.
"""

import json
import re
import sys
from pathlib import Path

import machine

NUM_TOKENS, VOCABULARY, HIDDEN = 32_768, 152_000, 64
BOUND_BYTES = 10**9
SMALL = 512
"""Tokens of the smaller of the two sizes at which full logits are measured; the other has twice as many."""


def resident_bytes(field):
    """What this process holds (VmRSS), or the most that it ever held (VmHWM)."""
    # getrusage would count what the parent held before this program was started
    return 1024 * int(re.search(rf"{field}:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def chunked(hidden, weight, ids):
    from r1lab.functional.logprobs import token_logprobs

    return token_logprobs(hidden, weight, ids)[0]


def full(hidden, weight, ids):
    logprobs = (hidden @ weight.T).float().log_softmax(-1)
    return logprobs.gather(-1, ids[:, None]).squeeze(-1)


SIDES = {"r1lab": chunked, "peer": full}


def added_bytes(loss, num_tokens, dtype):
    """By how much the peak of forward and backward lies above what was held before, gradients included."""
    import torch

    torch.manual_seed(0)
    kind = {"dtype": getattr(torch, dtype), "requires_grad": True}
    hidden, weight = torch.randn(num_tokens, HIDDEN, **kind), torch.randn(VOCABULARY, HIDDEN, **kind)
    ids = torch.randint(VOCABULARY, (num_tokens,))
    # what the first call of anything loads is not the loss's
    loss(hidden[:8], weight[:64], ids[:8] % 64).sum().backward()
    hidden.grad = weight.grad = None
    before = resident_bytes("VmRSS")
    loss(hidden, weight, ids).sum().backward()
    return resident_bytes("VmHWM") - before


def measure(options):
    def in_child(side, num_tokens):
        words = ("--side", side, "--tokens", num_tokens, "--dtype", options.dtype, "--threads", options.threads)
        return machine.child(sys.executable, __file__, *words)

    def of_full_logits():
        small, large = (in_child("peer", size) for size in (SMALL, 2 * SMALL))
        return (small + (large - small) / SMALL * (options.tokens - SMALL)) / 1e6

    compared = machine.compare(
        lambda: in_child("r1lab", options.tokens) / 1e6, of_full_logits, options.repeats, lower_is_better=True
    )
    return {
        "unit": "MB",
        "sizes": {"tokens": options.tokens, "vocabulary": VOCABULARY, "hidden": HIDDEN},
        **compared,
        "within_bound": compared["r1lab"] * 1e6 < BOUND_BYTES,
    }


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("--tokens", type=int, default=NUM_TOKENS)
    parser.add_argument("--side", choices=SIDES, help="measure one side in this very process")
    options = parser.parse_args()
    if options.side:
        machine.use_threads(options.threads)
        print(json.dumps(added_bytes(SIDES[options.side], options.tokens, options.dtype)))
    else:
        machine.run(options, measure)
