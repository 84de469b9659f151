"""Tokens that count a second of forward and backward, against padded rows and full logits of transformers.

``python tests/benchmarks/training_pass.py MODEL_FOLDER --data train.jsonl --out training.json``. One rollout of 4
questions x 16 completions, ragged, at most 128 tokens. r1lab packs and computes a prompt once for its group; the peer
pads microbatches of 16 rows and keeps the logits of the completions. Losses and gradients must agree.
"""

import time

import gsm8k_rollout as workload
import machine

LONGEST = 128
AGREE = {"float32": 1e-4, "bfloat16": 3e-2}
"""Relative difference that rounding may make in loss and gradient."""


def samples_of(prompts, vocabulary):
    """The rollout as training samples; ids and advantages are random, for their values cost nothing."""
    import torch

    from r1lab.types import TrainingSample

    draw = torch.Generator().manual_seed(0)
    samples = []
    for prompt, lengths in zip(prompts, workload.groups(workload.ragged(LONGEST))):
        for length in lengths:
            ids = torch.randint(vocabulary, (length,), generator=draw)
            # above 0, so that the loss is no small difference of large numbers
            advantage = 0.5 + float(torch.rand((), generator=draw))
            samples.append(TrainingSample(prompt, ids, torch.zeros(length), advantage))
    return samples


def packed_loss(policy, samples, microbatch_tokens, pad_id):
    """Backward of r1lab's objective without a ratio, microbatch by microbatch; the loss."""
    from r1lab.functional.aggregate import Counts, SequenceMean

    counts = Counts(len(samples), sum(len(s.completion_ids) for s in samples))
    total = 0.0
    for batch in batches_of(samples, microbatch_tokens, pad_id):
        batch = batch.to(policy.device)
        logprobs, _ = policy.score(batch, 1.0)
        loss = SequenceMean()(-logprobs * batch.advantages, batch.loss_mask, batch.segments, counts)
        loss.backward()
        total += loss.detach()
    return float(total)


def batches_of(samples, microbatch_tokens, pad_id):
    """The samples packed as r1lab trains on them."""
    from r1lab.functional.packing import microbatches

    return microbatches(samples, microbatch_tokens, microbatch_tokens, pad_id)


def padded_loss(policy, samples, pad_id):
    """The same loss and backward over padded rows, as trainers on transformers compute it."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    total = 0.0
    for group in workload.groups(samples):
        rows = [torch.cat([s.prompt_ids, s.completion_ids]) for s in group]
        ids = pad_sequence(rows, batch_first=True, padding_value=pad_id)
        lengths = torch.tensor([len(s.completion_ids) for s in group])
        seen = torch.arange(ids.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]
        ids, lengths, seen = (t.to(policy.device) for t in (ids, lengths, seen))
        width = int(lengths.max())  # a group's prompts are one, so its completions begin together
        with policy.precision():
            found = policy.model(ids, attention_mask=seen.long(), logits_to_keep=width + 1, use_cache=False)
        logits = found.logits[:, :-1].float()
        chosen = logits.gather(-1, ids[:, -width:, None]).squeeze(-1)
        # row by row: a logsumexp of all of them would hold another copy of the logits
        logprobs = chosen - torch.stack([torch.logsumexp(row, dim=-1) for row in logits])
        mean = (logprobs * (torch.arange(width, device=ids.device) < lengths[:, None])).sum(1) / lengths
        loss = -(mean * torch.tensor([s.advantage for s in group], device=ids.device)).sum() / len(samples)
        loss.backward()
        total += loss.detach()
    return float(total)


def flops(model, batches):
    """FLOPs of forward and backward that packed batches need: 6 a weight and token, 12 a pair and attended number."""
    from torch import nn

    from r1lab.functional.packing import attention_mask

    config, head = model.config, model.get_output_embeddings().weight.numel()
    layers = sum(part.weight.numel() for part in model.base_model.modules() if isinstance(part, nn.Linear))
    tokens, counted = (sum(count) for count in zip(*((b.num_tokens, int(b.loss_mask.sum())) for b in batches)))
    pairs = sum(int(attention_mask(b.branches, b.segments).sum()) for b in batches)
    # of all heads together; Qwen2 names no width of a head
    width = config.num_attention_heads * getattr(config, "head_dim", config.hidden_size // config.num_attention_heads)
    attended = config.num_hidden_layers * width
    return 6 * (layers * tokens + head * counted) + 12 * attended * pairs


def share_of_machine(model, samples, microbatch_tokens, pad_id, dtype, counted_per_second):
    """What the pass makes of the rate of a matrix product of its size."""
    batches = batches_of(samples, microbatch_tokens, pad_id)
    tokens, counted = sum(b.num_tokens for b in batches), sum(len(s.completion_ids) for s in samples)
    size = (tokens // len(batches), model.config.hidden_size, model.config.intermediate_size)
    rate, best = flops(model, batches) * counted_per_second / counted, machine.mm_rate(*size, dtype=dtype)
    return {
        "tokens_computed": tokens,
        "tokens_padded": sum(b.ids.numel() for b in batches) - tokens,
        "gflops": round(rate / 1e9, 1),
        "mm_gflops_at_this_size": round(best / 1e9, 1),
        "share_of_mm_rate": round(rate / best, 3),
    }


def measure(options):
    import torch

    from r1lab.models.causal import CausalPolicy
    from r1lab.models.policy import load_model

    model, tokenizer = load_model(options.model, "float32")
    policy, pad_id = CausalPolicy(model, getattr(torch, options.dtype)), tokenizer.pad_token_id
    samples = samples_of(workload.prompts(tokenizer, options.data), model.config.vocab_size)
    counted, seen = sum(len(s.completion_ids) for s in samples), {"r1lab": [], "peer": []}

    def rate(side, work):
        policy.zero_grad()
        start = time.perf_counter()
        loss = work()
        seconds = time.perf_counter() - start
        seen[side].append((loss, float(torch.nn.utils.get_total_norm(p.grad for p in policy.parameters()))))
        return counted / seconds

    compared = machine.compare(
        lambda: rate("r1lab", lambda: packed_loss(policy, samples, options.microbatch_tokens, pad_id)),
        lambda: rate("peer", lambda: padded_loss(policy, samples, pad_id)),
        options.repeats,
    )
    for mine, its in zip(seen["r1lab"], seen["peer"]):
        agree = all(abs(a - b) <= AGREE[options.dtype] * abs(b) for a, b in zip(mine, its))
        assert agree, f"loss and norm of the gradient are {mine} here and {its} there"
    return {
        "unit": "tokens that count/s",
        "tokens": counted,
        **compared,
        "loss_and_gradient_norm": {side: values[0] for side, values in seen.items()},
        **share_of_machine(model, samples, options.microbatch_tokens, pad_id, options.dtype, compared["r1lab"]),
    }


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="questions of GSM8K, JSONL")
    parser.add_argument("--microbatch-tokens", type=int, default=2048, help="as local R1-Zero runs of SmolLM2 pack")
    machine.run(parser.parse_args(), measure)
