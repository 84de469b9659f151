"""Rollout and training pass on one GPU, each as a share of what the device can do, in under ten minutes.

``python tests/benchmarks/gpu --out gpu.json``. Models of the shapes of Qwen2.5 with random weights, for the arithmetic
is the same: 16 questions x 16 completions behind prompts of 128 tokens. The peer is transformers on the same device:
`generate` with bfloat16 weights, then padded microbatches with full logits. The step is both parts together, without
reference and optimizer. `--device cpu --shapes tiny` tries the benchmark itself.
"""

import copy
import sys
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import machine
import training_pass

SHAPES = {
    "tiny": dict(hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, vocab_size=1_000, tie_word_embeddings=True),
    "qwen2_5_0_5b": dict(hidden_size=896, intermediate_size=4864, num_hidden_layers=24, num_attention_heads=14,
                         num_key_value_heads=2, vocab_size=151_936, tie_word_embeddings=True),
    "qwen2_5_1_5b": dict(hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12,
                         num_key_value_heads=2, vocab_size=151_936, tie_word_embeddings=True),
}  # fmt: skip
QUESTIONS, GROUP_SIZE, PROMPT_TOKENS = 16, 16, 128
MOST_TOKENS = 65_536
"""Positions the models have."""


def policy_of(shape, device):
    """A policy of that shape with random float32 weights; its products are in bfloat16."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    from r1lab.models.causal import CausalPolicy

    torch.manual_seed(0)
    config = Qwen2Config(**SHAPES[shape], max_position_embeddings=MOST_TOKENS, eos_token_id=0, pad_token_id=0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)
    return CausalPolicy(model, torch.bfloat16)


def prompts_of(policy):
    """Q prompts of random ids."""
    import torch

    return list(torch.randint(1, policy.config.vocab_size, (QUESTIONS, PROMPT_TOKENS)))


def rollout(policy, prompts, new_tokens):
    """Groups of completions, all of that length."""
    from r1lab.engines.base import Request, SamplingParams
    from r1lab.engines.torch_engine import TorchEngine

    engine = TorchEngine(policy, pad_id=0, max_rows=QUESTIONS * GROUP_SIZE)
    requests = [Request(p, tuple(range(GROUP_SIZE * i, GROUP_SIZE * (i + 1)))) for i, p in enumerate(prompts)]
    return dict(engine.generate(requests, SamplingParams(max_new_tokens=new_tokens)))


def generated(model, prompts, new_tokens):
    """The same by transformers: ids [N, T] with their prompts."""
    import torch

    rows = torch.stack(prompts).repeat_interleave(GROUP_SIZE, 0).to(model.device)
    with torch.inference_mode():
        return model.generate(
            rows, attention_mask=torch.ones_like(rows), do_sample=True, top_k=0, max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
        )  # fmt: skip


def samples_of(prompts, groups):
    """Completions as training samples with advantages above 0, so that the loss is no difference of large numbers."""
    from r1lab.types import TrainingSample

    return [
        TrainingSample(prompts[i], c.ids, c.logprobs, 0.5 + j / GROUP_SIZE)
        for i, group in sorted(groups.items())
        for j, c in enumerate(group)
    ]


def timed(work, device):
    """Seconds of work() and what it gave; a GPU has ended all of it."""
    import torch

    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    found = work()
    wait()
    return time.perf_counter() - start, found


def decode_bytes(policy, new_tokens):
    """Bytes that writing the completions must read: at each step the weights, and keys and values of every row once."""
    config = policy.config
    head_dim = config.hidden_size // config.num_attention_heads
    kept = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim * policy.product_dtype.itemsize
    weights = sum(p.numel() for p in policy.parameters()) * policy.product_dtype.itemsize
    # a group reads its prompt once
    rows = QUESTIONS * GROUP_SIZE * new_tokens / 2 + QUESTIONS * PROMPT_TOKENS
    return new_tokens * (weights + kept * rows)


def device_rates(device):
    """What the device reaches: FLOP/s of a large bfloat16 product, bytes/s of a large copy."""
    import torch

    size = 8192 if device == "cuda" else 512
    left, right = torch.randn(2, size, size, device=device, dtype=torch.bfloat16)
    source = torch.ones(size * size * 4, device=device)
    target, rates = torch.empty_like(source), []
    for work, amount in (
        (partial(torch.mm, left, right), 2 * size**3),
        (partial(target.copy_, source), 2 * source.nbytes),
    ):
        timed(work, device)
        seconds = min(timed(lambda: [work() for _ in range(10)], device)[0] for _ in range(5))  # noqa: B023
        rates.append(10 * amount / seconds)
    return rates


def of_shape(shape, options, flops_rate, byte_rate):
    """The figures of one model."""
    policy, device = policy_of(shape, options.device), options.device
    prompts, peer = prompts_of(policy), copy.deepcopy(policy.model).to(policy.product_dtype)
    found = {"rollout": [], "training": [], "step": [], "peer": []}
    for repeat in range(options.repeats + 1):  # the first one warms up
        policy.zero_grad()
        sampling, groups = timed(lambda: rollout(policy, prompts, options.new_tokens), device)
        samples = samples_of(prompts, groups)
        training, _ = timed(lambda: training_pass.packed_loss(policy, samples, options.microbatch_tokens, 0), device)  # noqa: B023
        policy.zero_grad()
        generating, _ = timed(lambda: generated(peer, prompts, options.new_tokens), device)
        padded, _ = timed(lambda: training_pass.padded_loss(policy, samples, 0), device)  # noqa: B023
        if repeat:
            for name, seconds in zip(found, (sampling, training, sampling + training, generating + padded)):
                found[name].append(seconds)
    medians = {name: sorted(values)[len(values) // 2] for name, values in found.items()}
    batches = training_pass.batches_of(samples, options.microbatch_tokens, 0)
    tokens = QUESTIONS * GROUP_SIZE * options.new_tokens
    return {
        "seconds": {name: [round(v, 3) for v in values] for name, values in found.items()},
        "rollout_tokens_per_second": round(tokens / medians["rollout"]),
        "rollout_share_of_bandwidth": round(
            decode_bytes(policy, options.new_tokens) / medians["rollout"] / byte_rate, 3
        ),
        "training_tokens_per_second": round(tokens / medians["training"]),
        "mfu": round(training_pass.flops(policy.model, batches) / medians["training"] / flops_rate, 3),
        "step_against_transformers": round(medians["peer"] / medians["step"], 2),
    }


def measure(options):
    flops_rate, byte_rate = device_rates(options.device)
    figures = {"device_tflops": round(flops_rate / 1e12, 2), "device_gbytes_per_second": round(byte_rate / 1e9, 1)}
    for shape in options.shapes:
        print(shape, file=sys.stderr, flush=True)
        figures[shape] = of_shape(shape, options, flops_rate, byte_rate)
    return figures


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.set_defaults(dtype="bfloat16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["qwen2_5_0_5b", "qwen2_5_1_5b"])
    parser.add_argument("--new-tokens", type=int, default=256)
    parser.add_argument("--microbatch-tokens", type=int, default=16_384)
    machine.run(parser.parse_args(), measure)
