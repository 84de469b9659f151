"""Supervised training as a stage: demonstrations go in, a policy comes out (cold start, second SFT, distillation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from r1lab.config.reference import is_reference
from r1lab.data.demonstrations import Demonstrations, batches, read_demonstrations, training_sample
from r1lab.data.digests import data_digest
from r1lab.data.template import Template
from r1lab.errors import DataError
from r1lab.functional.schedules import Cosine, require, require_integer
from r1lab.processes import together
from r1lab.stages.base import Context, Stage
from r1lab.stages.policy import ModelChoice
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.types import TrainingSample

if TYPE_CHECKING:
    from r1lab.training.checkpoint import Checkpoints

TRAINING = ("r1lab.training.trainer", "r1lab.training.sft", "r1lab.stages.watch")
"""What takes seconds to import, and every rank needs."""


@dataclass(frozen=True)
class SFTStage(Stage):
    """Next-token training on the responses of demonstrations (paper v2, B.4.2 and B.4.3)."""

    outputs: ClassVar[tuple[str, ...]] = ("policy",)

    policy: ModelChoice
    data: Mapping[str, str | None]
    """Demonstrations by name: an artifact, a folder, or a JSONL file; None takes nothing of that name."""
    template: Template
    optim: AdamW
    """Its learning rate is that of the first step."""
    final_lr_share: float
    """The learning rate of the last step, as a share of the first; a cosine leads from one to the other."""
    epochs: int
    batch_size: int
    """Demonstrations of a step, over all ranks."""
    row_tokens: int
    """Context: demonstrations share rows of so many tokens; a longer one is refused."""
    microbatch_tokens: int
    """Most tokens of one forward and backward."""
    strategy: Strategy
    checkpoint_steps: int
    keep_checkpoints: int

    def __post_init__(self):
        lowest = {"epochs": 1, "batch_size": 1, "row_tokens": 2, "checkpoint_steps": 1, "keep_checkpoints": 2}
        for name, low in lowest.items():
            require_integer(f"stage.{name}", getattr(self, name), low)
        require_integer("stage.microbatch_tokens", self.microbatch_tokens, self.row_tokens)
        require("stage.final_lr_share", self.final_lr_share, 0)

    @property
    def sources(self) -> dict[str, str]:
        """The demonstrations that are taken, by name."""
        return {name: source for name, source in self.data.items() if source is not None}

    def faults(self) -> list[str]:
        """Something to learn from, and a model to teach."""
        faults = self.policy.faults()
        if not self.sources:
            faults.append("stage.data names no demonstrations. Try +stage.data.NAME=artifact:demonstrations/ADDRESS.")
        faults += [
            f"stage.data.{name}={source}: there is no such file or folder."
            for name, source in self.sources.items()
            if not is_reference(source) and not Path(source).exists()
        ]
        return faults

    def parents(self) -> dict[str, str]:
        """The model folder and files of demonstrations, by content; artifacts have it in their name."""
        files = {name: source for name, source in self.sources.items() if Path(source).is_file()}
        return {f"data/{name}": data_digest(source) for name, source in files.items()} | self.policy.digests()

    def run(self, context: Context) -> None:
        """Trains from wherever the run stands, and stores the policy."""
        context.say(self.policy.describe())
        with together(partial(self.run, context.of_others()), self.strategy.local_size, imports=TRAINING) as meet:
            self.strategy.set_threads()
            shown = read_demonstrations(self.sources.values())
            if not context.first_rank:
                meet()  # until what is missing has been made, once
            model, tokenizer = self.policy.obtain(context)
            if context.first_rank:
                self.check_lengths(shown, tokenizer)
                meet()
            checkpoints = self.train(context, model, tokenizer, shown)
        if context.first_rank:
            from r1lab.stages.report import write_sft_report

            last, state = checkpoints.newest(context.say)
            write_sft_report(context, self.policy.describe(), len(shown), last, state["seconds"])

    def check_lengths(self, shown: Demonstrations, tokenizer: Any) -> None:
        """Nothing is cut: every response that was counted when it was written fits, and the first ones as a whole."""
        longest = max((shown[place].num_tokens, place) for place in range(len(shown)))
        if longest[0] >= self.row_tokens:
            self._refuse(shown[longest[1]].question.id, longest[0])
        for place in range(min(len(shown), 64)):
            self.sample(shown, place, tokenizer)

    def sample(self, shown: Demonstrations, place: int, tokenizer: Any) -> TrainingSample:
        """A demonstration as it is trained on. Raises DataError where it is longer than the context."""
        sample = training_sample(shown[place], self.template, tokenizer)
        if sample.num_tokens > self.row_tokens:
            self._refuse(shown[place].question.id, sample.num_tokens)
        return sample

    def _refuse(self, question_id: str, num_tokens: int) -> None:
        raise DataError(
            "A demonstration is longer than the context; none is cut.",
            f"question {question_id}: {num_tokens} tokens, stage.row_tokens={self.row_tokens}",
            f"stage.row_tokens={2 * num_tokens} stage.microbatch_tokens={2 * num_tokens}, or leave it out",
        )

    def train(self, context: Context, model: Any, tokenizer: Any, shown: Demonstrations) -> Checkpoints:
        """The steps that are not done yet; returns the checkpoints."""
        from r1lab.models.causal import CausalPolicy
        from r1lab.records.loggers import JsonlLog
        from r1lab.records.progress import PRETRAIN_COLUMNS, track
        from r1lab.stages.watch import Checkpointer, StepLog
        from r1lab.training.checkpoint import Checkpoints
        from r1lab.training.sft import SFTModule, ShowLoss
        from r1lab.training.trainer import build_trainer, fit

        checkpoints = Checkpoints(context.folder / "checkpoints", self.keep_checkpoints)
        newest, state = checkpoints.newest(context.say) or (None, None)
        order = batches(len(shown), self.epochs, self.batch_size, context.seed)
        if state:
            context.say(f"Going on from step {state['step']} of {len(order)}")
        elif context.first_rank:
            context.say(f"Training on {len(shown):,} demonstrations, {self.epochs} times: {len(order):,} steps")
        log = JsonlLog(context.folder / "log.jsonl")
        if context.first_rank:
            done = state["step"] if state else 0
            log.truncate_from(done + 1)
            checkpoints.drop_after(done)
        if state and state["step"] >= len(order):
            return checkpoints
        lr = Cosine(self.optim.lr, self.optim.lr * self.final_lr_share, max(len(order) - 1, 1))
        with ExitStack() as stack:
            mirror = stack.enter_context(context.mirror())
            policy = CausalPolicy(model, self.policy.compute())
            module = SFTModule(
                policy, replace(self.optim, lr=lr), self.row_tokens, self.microbatch_tokens, tokenizer.pad_token_id
            )
            if state:
                module.go_on(state)
            quiet = not context.first_rank
            progress = stack.enter_context(track(len(order), "training", PRETRAIN_COLUMNS, module.step, quiet=quiet))
            callbacks = [
                ShowLoss(progress),
                StepLog(log, mirror),
                # last: a checkpoint vouches for the rows before it
                Checkpointer(checkpoints, tokenizer, self.checkpoint_steps, len(order), newest),
            ]
            trainer = build_trainer(self.strategy, callbacks)
            rank, world_size = trainer.global_rank, trainer.world_size
            fit(trainer, module, self.shares(order[module.step :], shown, tokenizer, rank, world_size))
        return checkpoints

    def shares(self, order: list[list[int]], shown: Demonstrations, tokenizer: Any, rank: int, world_size: int
               ) -> Iterator[list[TrainingSample]]:  # fmt: skip
        """This rank's samples of each step."""
        for places in order:
            yield [self.sample(shown, place, tokenizer) for place in places[rank::world_size]]
