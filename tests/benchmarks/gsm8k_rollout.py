"""The rollout that the benchmarks share: 4 questions of GSM8K x 16 completions, of fixed or of ragged lengths."""

import json

NUM_QUESTIONS, GROUP_SIZE = 4, 16
NUM_ROLLOUTS = NUM_QUESTIONS * GROUP_SIZE
MEDIAN = 32
"""Tokens of the median completion where lengths are ragged."""


def read(path):
    """The questions, as the file's lines."""
    with open(path, encoding="utf-8") as lines:
        return [line for line, _ in zip(lines, range(NUM_QUESTIONS))]


def prompts(tokenizer, path):
    """The questions as prompts of the model's chat template: Q tensors [L_i]."""
    import torch

    turns = [[{"role": "user", "content": json.loads(line)["question"]}] for line in read(path)]
    asked = [tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=True) for turn in turns]
    return [torch.tensor(prompt["input_ids"]) for prompt in asked]


def fixed(length):
    """The same length for all."""
    return [length] * NUM_ROLLOUTS


def ragged(longest):
    """Log-normal lengths of that median, from 4 tokens to the longest, which the first completion has."""
    import torch

    spread = torch.exp(torch.randn(NUM_ROLLOUTS, generator=torch.Generator().manual_seed(0)))
    lengths = spread.mul(MEDIAN).clamp(4, longest).long()
    lengths[0] = longest
    return lengths.tolist()


def groups(values):
    """Values of all completions, group by group."""
    return [values[start : start + GROUP_SIZE] for start in range(0, len(values), GROUP_SIZE)]
