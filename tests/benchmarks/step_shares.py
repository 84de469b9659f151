"""What sampling and training spend their time on: matrix products, attention, and the rest.

``python tests/benchmarks/step_shares.py MODEL_FOLDER --data train.jsonl --out shares.json``. torch's profiler over
decode steps of 64 rows and over the training pass of training_pass.py; beside them the same of transformers: decode
steps of ``generate`` and the padded pass. Time between operations counts as the rest.
"""

import time

import gsm8k_rollout as workload
import machine
import training_pass

PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "aten::linear")
ATTENTION = ("aten::bmm", "aten::baddbmm", "flash_attention", "scaled_dot_product", "aten::_softmax")
DECODE_STEPS = 16


def shares(work):
    """Shares of the wall time of work(), by the operations themselves and not what they call."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        start = time.perf_counter()
        work()
        seconds = time.perf_counter() - start
    found = {"matrix products": 0.0, "attention": 0.0}
    for event in profiled.key_averages():
        if event.key in PRODUCTS:
            found["matrix products"] += event.self_cpu_time_total / 1e6 / seconds
        elif any(name in event.key for name in ATTENTION):
            found["attention"] += event.self_cpu_time_total / 1e6 / seconds
    found["rest"] = 1 - sum(found.values())
    return {"seconds": round(seconds, 2), **{name: round(share, 3) for name, share in found.items()}}


def decoding(policy, prompts, pad_id):
    """A function: writes further tokens of 64 rows with r1lab's engine."""
    import torch

    from r1lab.engines.base import Request, SamplingParams
    from r1lab.engines.torch_engine import Batch

    requests = [Request(p, tuple(s)) for p, s in zip(prompts, workload.groups(range(workload.NUM_ROLLOUTS)))]
    batch = Batch(policy, pad_id, requests, SamplingParams(max_new_tokens=4 * DECODE_STEPS), workload.NUM_ROLLOUTS)

    def steps(num=DECODE_STEPS):
        with torch.no_grad(), policy.precision():
            for _ in range(num):
                batch.advance()

    steps(1 + DECODE_STEPS)  # prompts are read, buffers have their size
    return steps


def generating(model, prompts, tokenizer):
    """A function: `generate` over the same rows, of as many tokens; reading the prompts is in it."""
    import torch

    asked = [prompt.tolist() for prompt in prompts for _ in range(workload.GROUP_SIZE)]
    rows = tokenizer.pad({"input_ids": asked}, padding_side="left", return_tensors="pt")
    num = 2 * DECODE_STEPS

    def steps():
        with torch.inference_mode():
            model.generate(**rows, do_sample=True, top_k=0, top_p=1.0, max_new_tokens=num, min_new_tokens=num)

    return steps


def measure(options):
    import torch

    from r1lab.models.causal import CausalPolicy
    from r1lab.models.policy import load_model

    model, tokenizer = load_model(options.model, "float32")
    policy, pad_id = CausalPolicy(model, getattr(torch, options.dtype)), tokenizer.pad_token_id
    prompts = workload.prompts(tokenizer, options.data)
    samples = training_pass.samples_of(prompts, model.config.vocab_size)
    figures = {"sampling": {"r1lab": shares(decoding(policy, prompts, pad_id))}}
    figures["sampling"]["peer"] = shares(generating(model, prompts, tokenizer))
    figures["training"] = {
        "r1lab": shares(lambda: training_pass.packed_loss(policy, samples, options.microbatch_tokens, pad_id)),
        "peer": shares(lambda: training_pass.padded_loss(policy, samples, pad_id)),
    }
    return figures


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="questions of GSM8K, JSONL")
    parser.add_argument("--microbatch-tokens", type=int, default=2048)
    machine.run(parser.parse_args(), measure)
