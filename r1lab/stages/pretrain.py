"""The local base: a small model of the family's own architecture that has read a generated corpus."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from r1lab import ranks
from r1lab.artifacts.address import address
from r1lab.artifacts.store import CARD, Artifact
from r1lab.config.resolved import plain_config
from r1lab.data.corpus import Corpus
from r1lab.data.template import R1ZeroTemplate
from r1lab.disk import write_json_atomic
from r1lab.functional.schedules import Points, as_schedule
from r1lab.processes import startable, together
from r1lab.records.progress import PRETRAIN_COLUMNS, track
from r1lab.stages.base import Context, Stage
from r1lab.stages.card import base_card
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy, num_cores, num_gpus
from r1lab.types import TrainingSample

TRAINING = ("r1lab.training.trainer", "r1lab.training.sft", "r1lab.stages.watch")
"""What takes seconds to import, and every rank needs."""
CHECKPOINT_STEPS = 100
"""A killed base goes on from here: a quarter of a minute of work."""


@dataclass(frozen=True)
class LocalBase:
    """How a local base is made; one base serves every run whose recipe is the same, whatever its seed."""

    family: str
    """deepseek_v3, qwen2 or llama."""
    architecture: Mapping[str, Any]
    """Keys of the family's transformers config."""
    vocab_size: int
    tokenizer_texts: int
    """Corpus texts the tokenizer is learned from."""
    corpus: Corpus
    template: R1ZeroTemplate
    """Its fixed sentences become single tokens: the paper's words cost a handful of them."""
    optim: AdamW
    steps: int
    texts_per_step: int | Points
    """A mapping is a schedule over steps."""
    row_tokens: int
    microbatch_tokens: int
    compute_dtype: str
    processes: int
    """Ranks that share each step, where this machine may start so many: another number sums in another order."""
    seed: int
    tokenizer_like: str | None = None
    """The class of transformers that its tokenizer splits texts like: what AutoTokenizer takes for the family."""

    @property
    def address(self) -> str:
        """Address of the base: its recipe, without how many processes share the work."""
        recipe = plain_config(self)
        said = {key: value for key, value in recipe.items() if value is not None and key != "processes"}
        return address({"local base": said})

    @property
    def num_texts(self) -> int:
        """Texts of the whole corpus."""
        return self.texts_before(self.steps)

    def texts_before(self, step: int) -> int:
        """Texts read by the steps before this one."""
        per_step = as_schedule(self.texts_per_step)
        return sum(per_step(earlier) for earlier in range(step))

    def describe(self) -> str:
        """One line: what is small about it."""
        layers, width = self.architecture.get("num_hidden_layers"), self.architecture.get("hidden_size")
        return f"a {self.family} of {layers} layers, width {width}, trained on {self.num_texts:,} generated texts"

    def obtain(self, context: Context) -> Artifact:
        """The stored base, trained now if it is not there yet."""
        found = context.store.get("policy", self.address)
        if found is None:
            context.say(f"No base {self.address} yet: training {self.describe()}")
            found = context.store.put(
                "policy",
                self.address,
                lambda folder: self.build(folder, context),
                {"config": plain_config(self), "parents": {}},
                resumable=True,
            )
        return found

    def build(self, folder: Path, context: Context) -> None:
        """Trains the base, going on from the checkpoints in `folder`, and leaves it there as a Hugging Face folder."""
        from r1lab.training.checkpoint import Checkpoints, copy_policy

        checkpoints, done = Checkpoints(folder / "checkpoints", keep=2), folder / "base.json"
        if not done.exists():
            size = 1 if num_gpus() else startable(min(self.processes, num_cores()))
            self.train(context, checkpoints.folder, Strategy("auto", size, 1, "cpu" if size > 1 else "auto", 1, 1))
            ranks.leave()  # the stage that wants the base makes a group of its own
            newest, state = checkpoints.newest(context.say)
            copy_policy(newest, folder)
            loss = state["metrics"]["loss"]
            (folder / CARD).write_text(base_card(self.describe(), plain_config(self), loss), encoding="utf-8")
            write_json_atomic(done, {"loss": loss, "steps": self.steps})
        # killed in the midst of this, the base is there, and only this is done again
        shutil.rmtree(checkpoints.folder, ignore_errors=True)

    def train(self, context: Context, folder: Path, strategy: Strategy) -> None:
        """The steps after the newest checkpoint in `folder`, on every rank; the last one ends with a checkpoint."""
        import torch

        others = partial(self.train, context.of_others(), folder, strategy)
        with together(others, strategy.local_size, imports=TRAINING) as meet:
            from r1lab.models.causal import CausalPolicy
            from r1lab.stages.watch import Checkpointer
            from r1lab.training.checkpoint import Checkpoints
            from r1lab.training.sft import SFTModule, ShowLoss
            from r1lab.training.trainer import build_trainer, fit

            meet()
            strategy.set_threads()
            checkpoints = Checkpoints(folder, keep=2)
            newest, state = checkpoints.newest(context.say) or (None, {"step": 0})
            if state["step"] >= self.steps:
                return
            tokenizer = self.tokenizer()
            policy = CausalPolicy(self.untrained(tokenizer), getattr(torch, self.compute_dtype))
            module = SFTModule(policy, self.optim, self.row_tokens, self.microbatch_tokens, tokenizer.pad_token_id)
            if newest:
                context.say(f"Going on from step {state['step']} of {self.steps}")
                module.go_on(state)
            quiet = not context.first_rank
            with track(self.steps, "pretraining", PRETRAIN_COLUMNS, module.step, quiet=quiet) as progress:
                save = Checkpointer(checkpoints, tokenizer, CHECKPOINT_STEPS, self.steps, newest)
                trainer = build_trainer(strategy, [ShowLoss(progress), save])
                own = self.batches(tokenizer, module.step, trainer.global_rank, trainer.world_size)
                fit(trainer, module, own)

    def untrained(self, tokenizer):
        """The model before its first step, a function of `seed`."""
        import torch
        from transformers import AutoModelForCausalLM

        from r1lab.models.local import shrink

        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            config = shrink(
                self.family,
                {
                    **self.architecture,
                    "vocab_size": len(tokenizer),
                    "eos_token_id": tokenizer.eos_token_id,
                    "pad_token_id": tokenizer.pad_token_id,
                    "bos_token_id": None,
                },
            )
            return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=torch.float32)

    def tokenizer(self):
        """The small tokenizer, learned from the first texts of the corpus."""
        from r1lab.models.local import build_tokenizer

        before, after = self.template.text.split("{question}")
        # apart, or merges would be learned across the place where the template's end stands
        texts = (
            text
            for question, response in map(self.corpus.text, range(self.tokenizer_texts))
            for text in (question.text, response)
        )
        return build_tokenizer(texts, self.vocab_size, phrases=(before, after), like=self.tokenizer_like)

    def batches(self, tokenizer, start: int, rank: int, world_size: int) -> Iterator[list[TrainingSample]]:
        """This rank's samples of each optimizer step from `start` on, in the order of the corpus."""
        import torch

        per_step, done = as_schedule(self.texts_per_step), self.texts_before(start)
        for step in range(start, self.steps):
            texts = range(done, done + per_step(step))
            done = texts.stop
            pairs = [self.corpus.text(index) for index in texts[rank::world_size]]
            if not pairs:
                yield []
                continue
            prompts = tokenizer([self.template.render(question) for question, _ in pairs])["input_ids"]
            responses = tokenizer([response for _, response in pairs])["input_ids"]
            yield [
                TrainingSample(torch.tensor(prompt), torch.tensor([*response, tokenizer.eos_token_id]),
                               torch.zeros(len(response) + 1), 0.0)
                for prompt, response in zip(prompts, responses)
            ]  # fmt: skip


@dataclass(frozen=True)
class PretrainStage(Stage):
    """`stage=pretrain`: makes the local base by itself; the other stages make it when they need it."""

    base: LocalBase | None
    strategy: Strategy

    def faults(self) -> list[str]:
        """Only a model at local scale has a base to train."""
        return (
            []
            if self.base
            else ["stage=pretrain makes local bases; this model has none. Try model=v3base scale=local."]
        )

    def run(self, context: Context) -> None:
        """Trains and stores the base, or finds it; the first process of all does."""
        if not context.first_rank:
            return
        artifact = self.base.obtain(context)
        write_json_atomic(context.folder / "summary.json", {"address": artifact.address, "path": str(artifact.path)})
        context.report(f"Base {artifact.address}: {artifact.path}")
