"""The peer of grpo_step.py: steps of TRL's GRPOTrainer, run by an interpreter that has TRL and need not have r1lab."""

import json
import re
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import gsm8k_rollout as workload

MAX_NEW_TOKENS, KL, LEARNING_RATE = 128, 0.001, 1e-6


def trl_steps(options):
    """Seconds, seconds spent sampling and completion tokens of each step."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOTrainer

    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=getattr(torch, options.dtype))
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    steps = []
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model,
            last_number_is_gold,
            config_of(options, folder),
            questions_of(options.data),
            processing_class=tokenizer,
            callbacks=[clock(steps)],
        )
        generate = trainer._generate

        def timed(*arguments):
            start = time.perf_counter()
            made = generate(*arguments)
            steps[-1]["sampling"] += time.perf_counter() - start
            return made

        trainer._generate = timed
        trainer.train()
    return {"steps": steps, "versions": {name: version(name) for name in ("trl", "transformers", "torch")}}


def trl_judgement(options):
    """Of one step each microbatch's prompts, completions and KL, and of each completion its question, ids and reward.

    The policy is the model of options.policy; options.model is its reference.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOTrainer

    microbatches, rewards = [], []

    class Watched(GRPOTrainer):
        def _compute_loss(self, model, inputs):
            loss = super()._compute_loss(model, inputs)
            ids = ([row[kept.bool()].tolist() for row, kept in zip(inputs[f"{part}_ids"], inputs[f"{part}_mask"])]
                   for part in ("prompt", "completion"))  # fmt: skip
            microbatches.append({"rows": list(zip(*ids)), "kl": self._metrics["train"]["kl"][-1]})
            return loss

    def reward(prompts, completions, gold, completion_ids, **_):
        found = last_number_is_gold(completions, gold)
        asked = [turns[0]["content"] for turns in prompts]
        rewards.extend(zip(asked, map(list, completion_ids), found))
        return found

    model = AutoModelForCausalLM.from_pretrained(options.policy, dtype=getattr(torch, options.dtype))
    model.config._name_or_path = options.model  # where TRL loads the reference from
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    with tempfile.TemporaryDirectory() as folder:
        Watched(
            model, reward, config_of(options, folder), questions_of(options.data), processing_class=tokenizer
        ).train()
    return {"microbatches": microbatches, "rewards": rewards}


def config_of(options, folder):
    """One update a step over 4 microbatches of 16 rows; what is not named here is TRL's default."""
    from trl import GRPOConfig

    return GRPOConfig(
        folder, per_device_train_batch_size=workload.GROUP_SIZE, gradient_accumulation_steps=workload.NUM_QUESTIONS,
        num_generations=workload.GROUP_SIZE, max_completion_length=MAX_NEW_TOKENS, temperature=1.0, beta=KL,
        loss_type="grpo", learning_rate=LEARNING_RATE, max_steps=options.steps, seed=options.seed, use_cpu=True,
        bf16=options.dtype == "bfloat16", gradient_checkpointing=False, logging_steps=1, save_strategy="no",
        report_to=[], disable_tqdm=True,
    )  # fmt: skip


def questions_of(folder):
    """The questions as chat turns, each with its number."""
    from datasets import Dataset

    rows = [json.loads(line) for line in workload.read(Path(folder, "train.jsonl"))]
    asked = [[{"role": "user", "content": row["question"]}] for row in rows]
    return Dataset.from_dict({"prompt": asked, "gold": [row["answer"].rpartition("#### ")[2] for row in rows]})


def last_number_is_gold(completions, gold, **_):
    """1 where the last number is the gold answer: r1lab's rule for small chat models."""
    numbers = [re.findall(r"-?[0-9][0-9,]*(?:\.[0-9]+)?", turns[0]["content"]) for turns in completions]
    return [float(bool(found) and found[-1] == answer) for found, answer in zip(numbers, gold)]


def clock(steps):
    """A callback that adds an entry to ``steps`` for each step: from its questions to its update."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def on_step_begin(self, *_, **__):
            self.start = time.perf_counter()
            steps.append({"sampling": 0.0})

        def on_step_end(self, *_, **__):
            steps[-1]["seconds"] = time.perf_counter() - self.start

        def on_log(self, args, state, control, logs, **_):
            if "completions/mean_length" in logs:
                steps[-1]["tokens"] = round(logs["completions/mean_length"] * workload.NUM_ROLLOUTS)

    return Clock()
