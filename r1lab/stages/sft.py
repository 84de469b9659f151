"""Supervised training as a stage: demonstrations go in, a policy comes out (cold start, second SFT, distillation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from r1lab.artifacts.address import is_artifact
from r1lab.config.reference import is_reference
from r1lab.data.demonstrations import (
    Demonstrations,
    batches,
    demonstrations_file,
    read_demonstrations,
    training_sample,
    unlike_template,
)
from r1lab.data.digests import data_digest
from r1lab.data.template import Template
from r1lab.errors import ConfigError, DataError
from r1lab.functional.schedules import Cosine, is_number, require, require_choice, require_integer
from r1lab.models.families import positions_of
from r1lab.stages.base import Context
from r1lab.stages.policy import ModelChoice
from r1lab.stages.policy_stage import PolicyStage
from r1lab.stages.supervised import train_steps
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.types import Demonstration, TrainingSample

if TYPE_CHECKING:
    from r1lab.training.checkpoint import Checkpoints

CHECKED = 20_000
"""Demonstrations that are looked at before training begins; where there are more, evenly spaced ones."""


@dataclass(frozen=True)
class SFTStage(PolicyStage):
    """Next-token training on the responses of demonstrations (paper v2, B.4.2 and B.4.3)."""

    outputs: ClassVar[tuple[str, ...]] = ("policy",)
    imports: ClassVar[tuple[str, ...]] = ("r1lab.training.trainer", "r1lab.training.sft", "r1lab.stages.watch")

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
    """Context: demonstrations share rows of so many tokens; a longer one is left out, and counted, never cut."""
    microbatch_tokens: int
    """Most tokens of one forward and backward."""
    activation_checkpointing: str | bool
    """Whether activations are recomputed in the backward, layer by layer; "auto": where memory asks for it."""
    strategy: Strategy
    checkpoint_steps: int
    keep_checkpoints: int

    def __post_init__(self):
        lowest = {"epochs": 1, "batch_size": 1, "row_tokens": 2, "checkpoint_steps": 1, "keep_checkpoints": 2}
        for name, low in lowest.items():
            require_integer(f"stage.{name}", getattr(self, name), low)
        require_integer("stage.microbatch_tokens", self.microbatch_tokens, self.row_tokens)
        require_choice("stage.activation_checkpointing", self.activation_checkpointing, ("auto", True, False))
        require("stage.final_lr_share", self.final_lr_share, 0)

    @property
    def sources(self) -> dict[str, str]:
        """The demonstrations that are taken, by name."""
        return {name: source for name, source in self.data.items() if source is not None}

    def faults(self) -> list[str]:
        """Something to learn from, and a model to teach."""
        faults = self.policy.faults() + self.policy.too_long("stage.row_tokens", self.row_tokens)
        if not is_number(self.optim.lr):
            faults.append(
                f"optim.lr={self.optim.lr}: a number, from which a cosine leads down to final_lr_share of it."
            )
        if not self.sources:
            faults.append("stage.data names no demonstrations. Try +stage.data.NAME=artifact:demonstrations/ADDRESS.")
        faults += [
            f"stage.data.{name}={source}: there is no such file or folder."
            for name, source in self.sources.items()
            if not is_reference(source) and not Path(source).exists()
        ]
        return faults

    def parents(self) -> dict[str, str]:
        """The model folder and files of demonstrations, by content; an artifact's address says what it holds."""
        files = {name: demonstrations_file(source) for name, source in self.sources.items() if not is_artifact(source)}
        return {f"data/{name}": data_digest(str(path)) for name, path in files.items()} | self.policy.digests()

    def read(self) -> Demonstrations:
        """The demonstrations of all sources."""
        return read_demonstrations(self.sources.values())

    def ready(self, context: Context, data: Demonstrations, model: Any, tokenizer: Any) -> Demonstrations:
        """Says how many cannot be learned; of very many, evenly spaced ones are looked at. Raises DataError: all."""
        if context.first_rank:
            positions = positions_of(model.config)
            if self.row_tokens > positions:
                raise ConfigError(
                    "The context is longer than the model's.",
                    f"stage.row_tokens={self.row_tokens}, max_position_embeddings={positions}",
                    f"stage.row_tokens={positions}, or ++model.published.positions={self.row_tokens}",
                )
            looked = range(0, len(data), -(-len(data) // CHECKED))
            faults = [fault for place in looked if (fault := self.fault(data[place], tokenizer))]
            if len(faults) == len(looked):
                raise faults[0]
            if faults:
                context.say(f"Left out: {len(faults)} of {len(looked)} demonstrations looked at. {faults[0]}")
            first = next(data[place] for place in looked if not self.fault(data[place], tokenizer))
            for line in (*self.template.remarks(tokenizer), *unlike_template(first, self.template, tokenizer)):
                context.say(line)
        return data

    def fault(self, shown: Demonstration, tokenizer: Any) -> DataError | None:
        """Why a demonstration is left out; None where it is trained on."""
        try:
            self.sample(shown, tokenizer)
        except DataError as error:
            return error
        return None

    def sample(self, shown: Demonstration, tokenizer: Any) -> TrainingSample:
        """A demonstration as it is trained on. Raises DataError: it is too long, or the tokenizer changes it."""
        sample = training_sample(shown, self.template, tokenizer)
        if sample.num_tokens > self.row_tokens:
            raise DataError(
                "A demonstration is longer than the context; none is cut.",
                f"question {shown.question.id}: {sample.num_tokens} tokens, stage.row_tokens={self.row_tokens}",
                f"stage.row_tokens={sample.num_tokens} with as many stage.microbatch_tokens",
            )
        return sample

    def learnable(self, shown: Demonstration, tokenizer: Any) -> TrainingSample | None:
        """The same, or None: a long run does not end at one response that cannot be learned."""
        try:
            return self.sample(shown, tokenizer)
        except DataError:
            return None

    def longest_text(self, data: Demonstrations, tokenizer: Any) -> float:
        """No demonstration is longer than a row."""
        return self.row_tokens

    def finish(self, context: Context, data: Demonstrations, worked: Checkpoints) -> None:
        """Writes the report, and stores the policy."""
        from r1lab.stages.report import write_sft_report

        last, state = worked.newest(context.say)
        told = (self.policy.describe(), self.policy.base)
        write_sft_report(context, *told, len(data), self.epochs, last, state["seconds"])

    def work(self, context: Context, data: Demonstrations, model: Any, tokenizer: Any) -> Checkpoints:
        """The steps that are not done yet; returns the checkpoints."""
        from r1lab.models.causal import CausalPolicy
        from r1lab.records.progress import PRETRAIN_COLUMNS
        from r1lab.training.memory import FitMemory, Rows
        from r1lab.training.sft import SFTModule, ShowLoss

        order = batches(len(data), self.epochs, self.batch_size, context.seed)
        context.say(f"Training on {len(data):,} demonstrations, {self.epochs} times: {len(order):,} steps")
        lr = Cosine(self.optim.lr, self.optim.lr * self.final_lr_share, max(len(order) - 1, 1))

        def module() -> SFTModule:
            policy = CausalPolicy(model, self.policy.compute())
            sizes = (self.row_tokens, self.microbatch_tokens, tokenizer.pad_token_id)
            return SFTModule(policy, replace(self.optim, lr=lr), *sizes)

        rows = Rows(self.row_tokens, "row_tokens")
        memory = FitMemory(rows, self.microbatch_tokens, self.activation_checkpointing, context.say)
        return train_steps(
            context, self.strategy, order, lambda place: self.learnable(data[place], tokenizer), module, tokenizer,
            PRETRAIN_COLUMNS, memory, ShowLoss, self.checkpoint_steps, self.keep_checkpoints,
        )  # fmt: skip
