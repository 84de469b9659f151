"""Whether r1lab says of TRL's completions what TRL says: their rewards, and the KL of a policy that left its reference.

``python tests/benchmarks/trl_agreement.py MODEL_FOLDER --data train.jsonl --peer-python PYTHON --out agreement.json``.
TRL samples one step of grpo_step.py from a policy whose weights are the model's with noise; the model is the reference.
Exits with 1 where a reward differs, or a microbatch's KL by more than 1 in 1,000.
"""

import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import gsm8k_rollout as workload
import machine
from grpo_step import stage_of
from trl_grpo import trl_judgement

NOISE = 0.02
"""Of each weight's spread in its tensor."""
KL_AGREES = 1e-3
"""Relative; the KL is a small difference of large numbers."""


def write_noisy(model_folder, folder):
    """The model with noise in every matrix, as a folder."""
    import torch

    from r1lab.models.policy import load_model

    model, tokenizer = load_model(model_folder, "float32")
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.add_(torch.randn(weight.shape, generator=draw) * weight.std() * NOISE)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def mean_kls(microbatches, policy_folder, model_folder, dtype, kl):
    """The mean KL over each microbatch's tokens, as r1lab packs and scores them."""
    import torch

    from r1lab.functional.packing import microbatches as packed
    from r1lab.models.causal import CausalPolicy
    from r1lab.models.policy import load_model
    from r1lab.types import TrainingSample

    policies = [CausalPolicy(load_model(f, "float32")[0], getattr(torch, dtype)) for f in (policy_folder, model_folder)]
    means = []
    for part in microbatches:
        prompts = {}
        samples = []
        for prompt, ids in part["rows"]:
            shared = prompts.setdefault(tuple(prompt), torch.tensor(prompt))
            samples.append(TrainingSample(shared, torch.tensor(ids), torch.zeros(len(ids)), 0.0))
        total, count = 0.0, 0
        for batch in packed(samples, 2048, 2048, 0):
            with torch.no_grad():
                mine, reference = (policy.score(batch, 1.0)[0] for policy in policies)
            total += float(kl(mine, reference)[batch.loss_mask].double().sum())
            count += int(batch.loss_mask.sum())
        means.append(total / count)
    return means


def rewards_of(stage, judged, tokenizer):
    """The accuracy of completions (question, ids, ...) by the stage's own template and verifiers."""
    import torch

    from r1lab.rewards.rubric import Rubric
    from r1lab.types import Completion, Finish, Rollout

    questions, _ = stage.mix.draw(stage.mix.start(), workload.NUM_QUESTIONS, 0)
    asked = {question.text: question for question in questions}
    rollouts = []
    for text, ids, _ in judged:
        ids = torch.tensor(ids)
        written = tokenizer.decode(ids[:-1] if ids[-1] == tokenizer.eos_token_id else ids)
        completion = Completion(ids, torch.zeros(len(ids)), Finish.LENGTH, 0)
        rollouts.append(Rollout(asked[text], ids, completion, stage.template.parse(written), 0))
    with closing(Rubric({"accuracy": stage.rewards["accuracy"]})) as rubric:
        return [rollout.scores["accuracy"].value for rollout in rubric.score(rollouts, 0)]


def measure(options):
    from r1lab.models.policy import load_tokenizer

    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as policy:
        for name in ("train.jsonl", "test.jsonl"):
            Path(data, name).write_text("".join(workload.read(options.data)), encoding="utf-8")
        options.data = data
        write_noisy(options.model, policy)
        words = {"policy": policy, "data": data, "dtype": options.dtype, "threads": options.threads}
        told = [part for name, value in words.items() for part in (f"--{name}", value)]
        trl = machine.child(options.peer_python, __file__, options.model, *told)
        stage = stage_of(options)
        kls = mean_kls(trl["microbatches"], policy, options.model, options.dtype, stage.objective.kl)
        rewards = rewards_of(stage, trl["rewards"], load_tokenizer(options.model))
    pairs = [(mine, part["kl"]) for mine, part in zip(kls, trl["microbatches"])]
    its_rewards = [value for *_, value in trl["rewards"]]
    return {
        "kl_of_microbatches": {"r1lab": kls, "peer": [its for _, its in pairs]},
        "largest_relative_difference": max(abs(mine - its) / its for mine, its in pairs),
        "rewards_that_differ": sum(mine != its for mine, its in zip(rewards, its_rewards)),
        "right": sum(its_rewards),
        "completions": len(its_rewards),
    }


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="questions of GSM8K, JSONL")
    parser.add_argument("--peer-python", help="interpreter that has TRL")
    parser.add_argument("--policy", help="run TRL's side in this very process; --data is a folder then")
    parser.set_defaults(seed=0, steps=1, ranks=1)
    options = parser.parse_args()
    if options.policy:
        machine.use_threads(options.threads)
        print(json.dumps(trl_judgement(options)))
    elif options.peer_python:
        found = machine.run(options, measure)
        if found["rewards_that_differ"] or found["largest_relative_difference"] > KL_AGREES:
            sys.exit(1)
    else:
        parser.error("--peer-python is needed")
