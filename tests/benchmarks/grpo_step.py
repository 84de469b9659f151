"""Seconds of one GRPO step, sampling to update, against the GRPOTrainer of TRL.

``python tests/benchmarks/grpo_step.py MODEL_FOLDER --data train.jsonl --peer-python PYTHON --out grpo.json``. The same
4 questions x 16 completions of at most 128 tokens, temperature 1, a reference model and KL 0.001, one AdamW update
over the 64 of them. Either side has processes of its own, TRL's in the environment of requirements-trl.txt; loading and
compiling do not count. The model itself ends its completions, so sides differ by chance in the tokens they sample.
"""

import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import gsm8k_rollout as workload
import machine
from trl_grpo import KL, LEARNING_RATE, MAX_NEW_TOKENS, trl_steps


def stage_of(options):
    """The stage that a command would run, built from conf/ with the quantities of this benchmark."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from r1lab.config import paths, schema
    from r1lab.config.build import build
    from r1lab.folders import folder

    chosen = {
        "model": "smollm2_135m", "model.published.source": options.model, "model.compute_dtype": options.dtype,
        "mix": "gsm8k", "mix.path": options.data, "run.seed": options.seed, "optim.lr": LEARNING_RATE,
        "strategy.devices": options.ranks, "strategy.threads": options.threads // options.ranks,
        "strategy.accelerator": "cpu", "objective.kl.coef": KL,
        "stage.plan.questions": workload.NUM_QUESTIONS, "stage.plan.group_size": workload.GROUP_SIZE,
        "stage.plan.max_new_tokens": MAX_NEW_TOKENS, "stage.plan.temperature": 1.0,
    }  # fmt: skip
    paths.register()
    schema.register()
    with initialize_config_dir(str(folder("conf")), version_base="1.3"):
        config = compose("config", overrides=[f"{name}={value}" for name, value in chosen.items()])
    faults = []
    stage = build(OmegaConf.to_container(config.stage, resolve=True), "stage", faults)
    assert not faults, faults
    return stage


def r1lab_steps(options):
    """Phases of r1lab's module, one update each, as its stage builds and runs them."""
    import lightning

    from r1lab.models.causal import CausalPolicy
    from r1lab.rewards.rubric import Rubric
    from r1lab.rollouts.collect import Collector
    from r1lab.training.grpo import GRPOModule, Phases, Recipe
    from r1lab.training.trainer import build_trainer, fit

    steps = []

    class Clock(lightning.Callback):
        def on_train_batch_start(self, *_):
            self.start, self.sampling = time.perf_counter(), dict(module.clock.seconds).get("sampling", 0.0)

        def on_train_batch_end(self, *_):
            seconds, sampling = time.perf_counter() - self.start, module.clock.seconds["sampling"] - self.sampling
            tokens = int(module.report.metrics["tokens_sampled"])
            steps.append({"seconds": seconds, "sampling": sampling, "tokens": tokens})

    stage = stage_of(options)
    stage.strategy.set_threads()
    model, tokenizer = stage.policy.published(None)
    policy = CausalPolicy(model, stage.policy.compute())
    with closing(Rubric(stage.rewards)) as rubric:
        engine = stage.engine(policy=policy, pad_id=tokenizer.pad_token_id)
        collector = Collector(engine, tokenizer, stage.template, rubric)
        recipe = Recipe(stage.plan, stage.objective, stage.selection, stage.optim, stage.ref_refresh_steps)
        module = GRPOModule(policy, collector, recipe, options.seed, stage.mix.start())
        trainer = build_trainer(stage.strategy, [Clock()])
        fit(trainer, module, Phases(stage.mix, module, options.steps, trainer.global_rank, trainer.world_size))
    return {"steps": steps}


SIDES = {"r1lab": r1lab_steps, "peer": trl_steps}


def measure(options):
    found = {"r1lab": [], "peer": []}

    def seconds(side, python):
        words = {"side": side, "data": folder, "seed": len(found[side]), "steps": options.steps}
        words |= {"dtype": options.dtype, "threads": options.threads, "ranks": options.ranks}
        told = [part for name, value in words.items() for part in (f"--{name}", value)]
        found[side].append(machine.child(python, __file__, options.model, *told))
        return statistics.median(step["seconds"] for step in found[side][-1]["steps"])

    with tempfile.TemporaryDirectory() as folder:
        for name in ("train.jsonl", "test.jsonl"):
            Path(folder, name).write_text("".join(workload.read(options.data)), encoding="utf-8")
        compared = machine.compare(
            lambda: seconds("r1lab", sys.executable),
            lambda: seconds("peer", options.peer_python),
            options.repeats,
            lower_is_better=True,
        )
    steps = {side: [step for child in children for step in child["steps"]] for side, children in found.items()}
    return {"unit": "seconds a step", **compared, "steps": steps, "peer_versions": found["peer"][0]["versions"]}


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("model", help="Hugging Face folder")
    parser.add_argument("--data", required=True, help="questions of GSM8K, JSONL")
    parser.add_argument("--peer-python", help="interpreter that has TRL")
    parser.add_argument("--steps", type=int, default=1, help="of either side in each repeat")
    parser.add_argument("--side", choices=SIDES, help="run one side in this very process; --data is a folder then")
    parser.add_argument("--seed", type=int, default=0, help="of that side")
    parser.add_argument("--ranks", type=int, default=1, help="processes of r1lab, which share the threads")
    options = parser.parse_args()
    if options.side:
        machine.use_threads(options.threads)
        found = SIDES[options.side](options)
        if os.environ.get("LOCAL_RANK", "0") == "0":  # Lightning runs this file again for the other ranks
            print(json.dumps(found))
    elif options.peer_python:
        machine.run(options, measure)
    else:
        parser.error("--peer-python is needed")
