"""Tokens sampled a second, against `generate` of transformers: the same 64 sequences, fixed and ragged lengths.

``python tests/benchmarks/rollout.py MODEL_FOLDER --data train.jsonl --out rollout.json``. 4 questions x 16 completions,
temperature 1; the ragged lengths are log-normal, the longest 16 times the median. Both sides stop each sequence at the
length drawn for it; what is computed after that does not count.
"""

import time

import gsm8k_rollout as workload
import machine

LENGTHS = {"fixed_64": lambda: workload.fixed(64), "ragged_32_to_512": lambda: workload.ragged(16 * workload.MEDIAN)}


def engine_rate(folder, data, dtype):
    """A function: lengths [64] -> tokens a second of r1lab's engine, as a run builds it: float32 weights, autocast."""
    import torch

    from r1lab.engines.base import Request, SamplingParams
    from r1lab.engines.torch_engine import TorchEngine
    from r1lab.models.causal import CausalPolicy
    from r1lab.models.policy import load_model

    model, tokenizer = load_model(folder, "float32")
    policy = CausalPolicy(model, getattr(torch, dtype))
    engine = TorchEngine(policy, tokenizer.pad_token_id, max_rows=workload.NUM_ROLLOUTS)
    prompts, seeds = workload.prompts(tokenizer, data), workload.groups(range(workload.NUM_ROLLOUTS))

    def rate(lengths):
        limits = workload.groups(lengths)
        requests = [Request(p, tuple(s), max_new_tokens=tuple(own)) for p, s, own in zip(prompts, seeds, limits)]
        start = time.perf_counter()
        groups = dict(engine.generate(requests, SamplingParams(max_new_tokens=max(lengths))))
        seconds = time.perf_counter() - start
        assert [[len(c) for c in groups[i]] for i in range(len(requests))] == limits
        return sum(lengths) / seconds

    return rate


def generate_rate(folder, data, dtype):
    """A function: lengths [64] -> tokens a second of transformers' `generate`, weights in the dtype of its products."""
    import torch
    from transformers import StoppingCriteriaList

    from r1lab.models.policy import load_model

    model, tokenizer = load_model(folder, dtype)
    asked = [prompt.tolist() for prompt in workload.prompts(tokenizer, data) for _ in range(workload.GROUP_SIZE)]
    rows = tokenizer.pad({"input_ids": asked}, padding_side="left", return_tensors="pt")
    width = rows["input_ids"].shape[1]

    def rate(lengths):
        own, longest = torch.tensor(lengths), max(lengths)
        stop = StoppingCriteriaList([lambda written, scores, **_: own <= written.shape[1] - width])
        sampling = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "stopping_criteria": stop}
        start = time.perf_counter()
        with torch.inference_mode():
            # the least length keeps the end token away: a row stops where it is told to
            model.generate(**rows, max_new_tokens=longest, min_new_tokens=longest, **sampling)
        return sum(lengths) / (time.perf_counter() - start)

    return rate


def measure(options):
    ours, peer = (make(options.model, options.data, options.dtype) for make in (engine_rate, generate_rate))
    figures = {}
    for name in options.lengths or LENGTHS:
        lengths = LENGTHS[name]()
        compared = machine.compare(lambda: ours(lengths), lambda: peer(lengths), options.repeats)  # noqa: B023
        figures[name] = {"unit": "tokens/s", "tokens": sum(lengths), **compared}
    return figures


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="questions of GSM8K, JSONL")
    parser.add_argument("--lengths", nargs="+", choices=LENGTHS, help="default: all")
    machine.run(parser.parse_args(), measure)
