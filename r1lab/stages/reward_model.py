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
from r1lab.functional.schedules import require_choice, require_integer
from r1lab.stages.base import Context
from r1lab.stages.compared import compare_once
from r1lab.stages.dropped import tell_dropped
from r1lab.stages.policy import ModelChoice
from r1lab.stages.policy_stage import SAMPLER, PolicyStage
from r1lab.stages.supervised import train_steps
from r1lab.training.optim import AdamW
from r1lab.training.strategy import Strategy
from r1lab.types import LabeledResponse, PreferencePair

if TYPE_CHECKING:
    from r1lab.models.causal import CausalPolicy
    from r1lab.training.checkpoint import Checkpoints
    from r1lab.training.reward_model import Item, Judged


@dataclass(frozen=True)
class Examples:
    """What a reward model learns from and is judged by: items of the mix, or those that are short enough, as ids."""

    trained: Sequence[Any]
    heldout: Sequence[Any]
    pairwise: bool
    left_out: int = 0
    """Training items that are too long."""


@dataclass(frozen=True)
class RewardModelStage(PolicyStage):
    """Pair-wise from preferences (helpful), point-wise from labeled responses (safety): the mix says which."""

    outputs: ClassVar[tuple[str, ...]] = ("reward_model",)
    imports: ClassVar[tuple[str, ...]] = (
        "r1lab.training.trainer", "r1lab.training.reward_model", "r1lab.stages.watch"
    )  # fmt: skip

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
    activation_checkpointing: str | bool
    """Whether activations are recomputed in the backward, layer by layer; "auto": where memory asks for it."""
    heldout: int
    """Held-out items that are judged at the end."""
    strategy: Strategy
    checkpoint_steps: int
    keep_checkpoints: int
    text_tokens: int | None = None
    """And so many at most of each response of a pair with its prompt; None: only both together are counted."""

    def __post_init__(self):
        lowest = {"epochs": 1, "batch_size": 1, "max_tokens": 2, "heldout": 1, "checkpoint_steps": 1,
                  "keep_checkpoints": 2}  # fmt: skip
        for name, low in lowest.items():
            require_integer(f"stage.{name}", getattr(self, name), low)
        if self.text_tokens is not None:
            require_integer("stage.text_tokens", self.text_tokens, 2)
        require_integer("stage.microbatch_tokens", self.microbatch_tokens, self.max_tokens)
        require_choice("stage.activation_checkpointing", self.activation_checkpointing, ("auto", True, False))

    def faults(self) -> list[str]:
        """A body that can be loaded."""
        return self.policy.faults() + self.mix.faults((0,))

    def parents(self) -> dict[str, str]:
        """The data files and the model folder, by content."""
        return self.mix.digests() | self.policy.digests()

    def read(self) -> Examples:
        """What is trained on, once, and what is held out. Raises DataError: questions, or both kinds together."""
        counts = self.mix.check()
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
        return Examples(items, heldout, kinds == {PreferencePair})

    def ready(self, context: Context, data: Examples, model: Any, tokenizer: Any) -> Examples:
        """Those that are short enough, as ids."""
        tell_dropped(context, self.mix)
        trained = self.short_enough(context, data.trained, tokenizer, "training")
        heldout = self.short_enough(context, data.heldout, tokenizer, "held-out")
        return Examples(trained, heldout, data.pairwise, len(data.trained) - len(trained))

    def short_enough(self, context: Context, items: Sequence[Item], tokenizer: Any, split: str) -> list[Judged]:
        """The items as ids, without those that are too long, which are counted. Raises DataError where none is left."""
        from r1lab.training.reward_model import Judged

        judged = [one for item in items if self.fits(one := Judged.of(item, tokenizer))]
        if not judged:
            remedy = "Raise stage.max_tokens and stage.microbatch_tokens."
            raise DataError(f"Every {split} item is too long.", f"stage.max_tokens={self.max_tokens}", remedy)
        if gone := len(items) - len(judged):
            each = f", or {self.text_tokens} of a response" if self.text_tokens else ""
            told = f"{gone} of {len(items)} {split} items with more than {self.max_tokens} tokens{each}"
            context.say(f"Left out: {told}")
        return judged

    def fits(self, item: Judged) -> bool:
        """Whether it is short enough, in all and text by text."""
        most = self.max_tokens if self.text_tokens is None else self.text_tokens
        return item.num_tokens <= self.max_tokens and all(len(text) <= most for text in item.texts)

    def longest_text(self, data: Examples, tokenizer: Any) -> float:
        """No text is longer than what is left in."""
        return self.max_tokens if self.text_tokens is None else self.text_tokens

    def compare(self, context: Context, data: Examples, model: Any, tokenizer: Any) -> None:
        """Beside the language model its number for a text: packed in training, and alone in transformers."""
        from r1lab.training.reward_model import RewardModel, classifier_of
        from r1lab.training.score_agreement import compare_scores

        longest = self.longest_text(data, tokenizer)

        def scores(policy: CausalPolicy, ids: Sequence[int]) -> None:
            compare_scores(
                RewardModel(classifier_of(model), policy.compute_dtype), ids, longest, tokenizer.pad_token_id
            )

        compare_once(context, self.policy, self.strategy, SAMPLER, model, tokenizer, longest, scores)

    def finish(self, context: Context, data: Examples, worked: Checkpoints) -> None:
        """Stores the model, and says how much of what was held out it judges rightly."""
        from r1lab.training.checkpoint import copy_policy

        last, state = worked.newest(context.say)
        stored = context.put("reward_model", partial(copy_policy, last), self.policy.base)
        found = {"items": len(data.trained), "left_out": data.left_out, **state["metrics"]}
        found |= {"seconds": state["seconds"], "path": str(stored.path)}
        write_json_atomic(context.folder / "summary.json", found)
        right, kind = found["heldout_accuracy"], "pairs" if data.pairwise else "labeled responses"
        context.report(
            f"{len(data.trained):,} {kind}; of {found['heldout']} held-out ones {right['mean']:.1%} "
            f"[{right['low']:.1%}, {right['high']:.1%}] are judged rightly\n"
            f"Time: {sum(state['seconds'].values()) / 60:.1f} minutes"
        )

    def work(self, context: Context, data: Examples, model: Any, tokenizer: Any) -> Checkpoints:
        """The steps that are not done yet; returns the checkpoints."""
        from r1lab.records.progress import REWARD_COLUMNS
        from r1lab.stages.watch import HeldoutJudgements
        from r1lab.training.memory import FitMemory, Rows
        from r1lab.training.reward_model import RewardModel, RewardModelModule, classifier_of

        order = batches(len(data.trained), self.epochs, self.batch_size, context.seed)
        context.say(f"Training on {len(data.trained):,} items: {len(order):,} steps")

        def module() -> RewardModelModule:
            body = RewardModel(classifier_of(model), self.policy.compute())
            sizes = (self.max_tokens, self.microbatch_tokens, tokenizer.pad_token_id)
            return RewardModelModule(body, self.optim, *sizes, data.pairwise)

        rows = Rows(self.max_tokens, "max_tokens")
        memory = FitMemory(rows, self.microbatch_tokens, self.activation_checkpointing, context.say)
        return train_steps(
            context, self.strategy, order, lambda place: data.trained[place], module, tokenizer, REWARD_COLUMNS, memory,
            lambda progress: HeldoutJudgements(progress, data.heldout, len(order), context.seed),
            self.checkpoint_steps, self.keep_checkpoints,
        )  # fmt: skip
