"""Reward models as a stage: preferences go in, a sequence classifier comes out (paper, Methods, reward design)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from r1lab.data.demonstrations import batches
from r1lab.data.mix import Mix
from r1lab.disk import write_json_atomic
from r1lab.errors import DataError
from r1lab.functional.schedules import require_integer
from r1lab.processes import together
from r1lab.stages.base import Context, Stage
from r1lab.stages.dropped import tell_dropped
from r1lab.stages.policy import ModelChoice
from r1lab.stages.supervised import train_steps
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.types import LabeledResponse, PreferencePair

if TYPE_CHECKING:
    from r1lab.training.checkpoint import Checkpoints
    from r1lab.training.reward_model import Item, Judged

TRAINING = ("r1lab.training.trainer", "r1lab.training.reward_model", "r1lab.stages.watch")
"""What takes seconds to import, and every rank needs."""


@dataclass(frozen=True)
class RewardModelStage(Stage):
    """Pair-wise from preferences (helpful), point-wise from labeled responses (safety): the mix says which."""

    outputs: ClassVar[tuple[str, ...]] = ("reward_model",)

    policy: ModelChoice
    """Whose body it takes over."""
    mix: Mix
    """Of `PreferencePair`, or of `LabeledResponse`."""
    optim: AdamW
    epochs: int
    batch_size: int
    """Pairs, or labeled responses, of a step, over all ranks."""
    max_tokens: int
    """A pair, or a response, with its prompt has at most so many tokens; a longer one is left out, and counted."""
    microbatch_tokens: int
    """Most tokens of one forward and backward."""
    heldout: int
    """Held-out items that are judged at the end."""
    strategy: Strategy
    checkpoint_steps: int
    keep_checkpoints: int

    def __post_init__(self):
        lowest = {"epochs": 1, "batch_size": 1, "max_tokens": 2, "heldout": 1, "checkpoint_steps": 1,
                  "keep_checkpoints": 2}  # fmt: skip
        for name, low in lowest.items():
            require_integer(f"stage.{name}", getattr(self, name), low)
        require_integer("stage.microbatch_tokens", self.microbatch_tokens, self.max_tokens)

    def faults(self) -> list[str]:
        """A body that can be loaded."""
        return self.policy.faults() + self.mix.faults((0,))

    def parents(self) -> dict[str, str]:
        """The data files and the model folder, by content."""
        return self.mix.digests() | self.policy.digests()

    def run(self, context: Context) -> None:
        """Trains from wherever the run stands, judges what was held out, and stores the model."""
        context.say(self.policy.describe())
        self.policy.prepare(context, self.mix.check)
        with together(partial(self.run, context.of_others()), self.strategy.local_size, imports=TRAINING) as meet:
            self.strategy.set_threads()
            items, heldout = self.items(context)
            if not context.first_rank:
                meet()  # until what is missing has been made, once
            model, tokenizer = self.policy.obtain(context)
            judged = self.short_enough(context, items, tokenizer, "training")
            kept = self.short_enough(context, heldout, tokenizer, "held-out")
            if context.first_rank:
                meet()
            checkpoints = self.train(context, model, tokenizer, judged, kept, isinstance(items[0], PreferencePair))
        if context.first_rank:
            from r1lab.training.checkpoint import copy_policy

            last, state = checkpoints.newest(context.say)
            stored = context.put("reward_model", partial(copy_policy, last))
            found = {"items": len(judged), "left_out": len(items) - len(judged), **state["metrics"]}
            found |= {"seconds": state["seconds"], "path": str(stored.path)}
            write_json_atomic(context.folder / "summary.json", found)
            right, kind = found["heldout_accuracy"], "pairs" if len(judged[0].texts) == 2 else "labeled responses"
            context.report(
                f"{len(judged):,} {kind}; of {found['heldout']} held-out ones {right['mean']:.1%} "
                f"[{right['low']:.1%}, {right['high']:.1%}] are judged rightly\n"
                f"Time: {sum(state['seconds'].values()) / 60:.1f} minutes"
            )

    def items(self, context: Context) -> tuple[list[Item], list[Item]]:
        """What is trained on, once, and what is held out. Raises DataError: questions, or both kinds together."""
        counts = self.mix.check()
        tell_dropped(context, self.mix)
        if endless := [name for name, count in counts.items() if count is None]:
            raise DataError("A source has no end.", ", ".join(endless), "Take sources of files, such as preferences.")
        items, _ = self.mix.draw(self.mix.start(), sum(counts.values()), 0)
        heldout = self.mix.heldout(self.heldout)
        kinds = {type(item) for item in [*items, *heldout]}
        if kinds not in ({PreferencePair}, {LabeledResponse}):
            raise DataError(
                "A reward model learns from pairs, or from labeled responses.",
                ", ".join(sorted(kind.__name__ for kind in kinds)),
                "mix=hh_helpful_pairs, mix=hh_harmless_points, or a mix of your own with PairFields or PointFields",
            )
        return items, heldout

    def short_enough(self, context: Context, items: Sequence[Item], tokenizer: Any, split: str) -> list[Judged]:
        """The items as ids, without those that are too long, which are counted. Raises DataError where none is left."""
        from r1lab.training.reward_model import Judged

        judged = [one for item in items if (one := Judged.of(item, tokenizer)).num_tokens <= self.max_tokens]
        if not judged:
            remedy = "Raise stage.max_tokens and stage.microbatch_tokens."
            raise DataError(f"Every {split} item is too long.", f"stage.max_tokens={self.max_tokens}", remedy)
        if gone := len(items) - len(judged):
            context.say(f"Left out: {gone} of {len(items)} {split} items with more than {self.max_tokens} tokens")
        return judged

    def train(self, context: Context, model: Any, tokenizer: Any, judged: list[Judged], heldout: list[Judged],
              pairwise: bool) -> Checkpoints:  # fmt: skip
        """The steps that are not done yet; returns the checkpoints."""
        from r1lab.records.progress import REWARD_COLUMNS
        from r1lab.stages.watch import HeldoutJudgements
        from r1lab.training.reward_model import RewardModel, RewardModelModule, classifier_of

        order = batches(len(judged), self.epochs, self.batch_size, context.seed)
        context.say(f"Training on {len(judged):,} items: {len(order):,} steps")

        def module() -> RewardModelModule:
            body = RewardModel(classifier_of(model), self.policy.compute())
            sizes = (self.max_tokens, self.microbatch_tokens, tokenizer.pad_token_id)
            return RewardModelModule(body, self.optim, *sizes, pairwise)

        return train_steps(
            context, self.strategy, order, lambda place: judged[place], module, tokenizer, REWARD_COLUMNS,
            lambda progress: HeldoutJudgements(progress, heldout, len(order), context.seed),
            self.checkpoint_steps, self.keep_checkpoints,
        )  # fmt: skip
