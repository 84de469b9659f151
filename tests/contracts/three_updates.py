"""Three updates of a float64 policy under a strategy, as a program of its own: Lightning starts it once a rank.

usage: three_updates.py KIND DEVICES FOLDER [refilled|ppo]
"""

import dataclasses
import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from r1lab.data.difficulty import Difficulty
from r1lab.data.mix import GeneratedSource, Mix
from r1lab.data.template import R1ZeroTemplate
from r1lab.engines.torch_engine import TorchEngine
from r1lab.functional.advantages import GroupNormalized, PlainRewards
from r1lab.functional.aggregate import SequenceMean, TokenMean
from r1lab.functional.kl import KL
from r1lab.functional.surrogates import Clipped
from r1lab.models.causal import CausalPolicy
from r1lab.models.export import export
from r1lab.models.local import build_tokenizer
from r1lab.rewards.controls import RandomReward
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.collect import Collector
from r1lab.rollouts.plan import RolloutPlan
from r1lab.rollouts.selection import KeepAll, Refilled
from r1lab.training.baseline import ValueBaseline
from r1lab.training.grpo import GRPOModule, Phases, Recipe
from r1lab.training.memory import FitMemory, GroupShape
from r1lab.training.objective import Objective
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.training.trainer import build_trainer


def main(kind: str, devices: str, folder: str, how: str = "") -> None:
    torch.set_num_threads(1)
    template = R1ZeroTemplate()
    phrases = tuple(template.text.split("{question}"))
    tokenizer = build_tokenizer(["What is 7+5-3? First 7+5=12, then 12-3=9"] * 3, 300, phrases)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False, initializer_range=0.1,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float64)
    policy = CausalPolicy(model)
    engine = TorchEngine(policy, tokenizer.pad_token_id, max_rows=64)
    rubric = Rubric({"random": RandomReward(weight=1.0, seed=0)})
    plan = RolloutPlan(
        questions=4, group_size=3, minibatches=1, inner_epochs=1, max_new_tokens=12, temperature=1.0, top_p=1.0,
        top_k=0, old_logprobs="sampler", microbatch_tokens=128, activation_checkpointing="auto",
    )  # fmt: skip
    objective = Objective(GroupNormalized(1e-6, 0), Clipped(0.2, 0.2), KL(0.1, "k3"), SequenceMean())
    optim = AdamW(lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0, max_grad_norm=1.0)
    recipe = Recipe(plan, objective, KeepAll(), optim, ref_refresh_steps=2)
    source = GeneratedSource(families=["sums"], levels=[1], languages=["en"])
    mix = Mix({"sums": source}, {"sums": 1}, seed=0)
    if how == "ppo":
        baseline = ValueBaseline(0.9, optim, clip=0.2)
        penalty = KL(0.1, "k1", place="reward")
        objective = Objective(PlainRewards(), Clipped(0.2, 0.2), penalty, TokenMean(), critic=baseline, whiten=True)
        recipe = dataclasses.replace(recipe, objective=objective)
    if (
        how == "refilled"
    ):  # half of the groups of two coins have equal rewards, and ranks have different numbers of them
        recipe = dataclasses.replace(
            recipe, plan=dataclasses.replace(plan, questions=8, group_size=2), selection=Refilled(3)
        )
        weights = {"new": 2, "hard": 1, "medium": 2, "easy": 1}
        mix = dataclasses.replace(mix, difficulty=Difficulty(weights, 0.25, 0.75, "random"))
    module = GRPOModule(policy, Collector(engine, tokenizer, template, rubric), recipe, seed=0, cursor=mix.start())
    memory = FitMemory(GroupShape(100, plan.max_new_tokens, plan.group_size), plan.microbatch_tokens, "auto", print)
    trainer = build_trainer(Strategy(kind, int(devices), 1, "cpu", 1, 1), [memory])
    trainer.fit(module, Phases(mix, module, last=3, rank=trainer.global_rank, world_size=trainer.world_size))
    assert module.step == 3
    export(model, tokenizer, Path(folder))
    if module.critic is not None:
        export(module.critic.model, tokenizer, Path(folder) / "critic")
    seen = {"cursor": module.cursor, "groups": sorted(group.index for group in module.report.groups)}
    (Path(folder) / f"rank-{trainer.global_rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
