"""Reward models: pair-wise and point-wise training of a sequence classifier with one output (paper, Methods)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from r1lab import ranks
from r1lab.errors import ModelError
from r1lab.functional.aggregate import Counts
from r1lab.functional.packing import pack, plan
from r1lab.functional.schedules import at_step
from r1lab.models.causal import CausalPolicy
from r1lab.models.families import TAKE_ANOTHER
from r1lab.rewards.preference import judged_ids
from r1lab.rollouts.batches import Minibatch
from r1lab.training.optim import AdamW
from r1lab.training.updates import SupervisedModule, over_all_ranks
from r1lab.types import LabeledResponse, PackedBatch, PreferencePair, TrainingSample

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Item = PreferencePair | LabeledResponse


class RewardModel(CausalPolicy):
    """A sequence classifier of transformers over packed texts: one number for each, read at its last token."""

    def scores(self, batch: PackedBatch) -> Tensor:
        """[S] float32, in the order of the batch's completions, of which each is the last token of a text."""

        def read(hidden: Tensor, _: nn.Module) -> Tensor:
            return self.model.score(hidden.flatten(0, 1)[batch.counted]).squeeze(-1)

        with self.precision():
            return self.over(batch, read).float()

    def trained_outputs(self, batch: PackedBatch) -> Tensor:
        """What a loss is made of: scores [S]."""
        return self.scores(batch)


def classifier_of(model: PreTrainedModel) -> PreTrainedModel:
    """A sequence classifier around the body of a causal language model; its head begins with zeros.

    Raises ModelError: transformers has none with a linear head for this family.
    """
    from transformers import AutoModelForSequenceClassification

    model.config.num_labels = 1
    try:
        with torch.device("meta"):
            found = AutoModelForSequenceClassification.from_config(
                model.config, dtype=model.dtype, trust_remote_code=False
            )
        assert isinstance(found.score, nn.Linear)
    except (ValueError, AttributeError, AssertionError) as error:
        raise ModelError(
            "No reward model can be made of this family.", f"model_type={model.config.model_type}", TAKE_ANOTHER
        ) from error
    # the body keeps its layers, and they their configuration
    setattr(found, found.base_model_prefix, model.base_model)
    found.config = model.config
    head = found.score
    found.score = nn.Linear(head.in_features, 1, bias=head.bias is not None, dtype=model.dtype, device=model.device)
    for parameter in found.score.parameters():
        nn.init.zeros_(parameter)
    return found


@dataclasses.dataclass(frozen=True, eq=False)
class Judged:
    """An item as ids: the better and the worse text of a pair, or one text with its label."""

    texts: tuple[Tensor, ...]
    """[L] int64 each."""
    label: float = 0.0

    @classmethod
    def of(cls, item: Item, tokenizer: PreTrainedTokenizerBase) -> Judged:
        responses = (item.chosen, item.rejected) if isinstance(item, PreferencePair) else (item.response,)
        texts = tuple(torch.tensor(judged_ids(tokenizer, item.question.dialogue, response)) for response in responses)
        return cls(texts, getattr(item, "label", 0.0))

    @property
    def num_tokens(self) -> int:
        return sum(len(text) for text in self.texts)

    @property
    def bundles(self) -> list[list[TrainingSample]]:
        """Its texts as what `pack` takes: the last token of each counts, and has its label where a token has that."""
        return [[TrainingSample(text[:-1], text[-1:], torch.zeros(1), self.label)] for text in self.texts]


def packed(items: Sequence[Judged], row_tokens: int, max_tokens: int, pad_id: int) -> list[PackedBatch]:
    """Microbatches in which the two texts of a pair are never parted."""
    layout = plan([item.num_tokens for item in items], row_tokens, max_tokens)
    return [pack([[bundle for i in row for bundle in items[i].bundles] for row in rows], pad_id) for rows in layout]


class RewardModelModule(SupervisedModule):
    """Learns from the items of a step: all are pairs, or none is."""

    def __init__(self, model: RewardModel, optim: AdamW, row_tokens: int, microbatch_tokens: int, pad_id: int,
                 pairwise: bool):  # fmt: skip
        super().__init__(model, optim, row_tokens, microbatch_tokens, pad_id)
        self.pairwise = pairwise

    def training_step(self, items: Sequence[Judged], _batch_index: int) -> None:
        """The mean loss over the items of all ranks, one update."""
        optim, losses, right = at_step(self.optim, self.step), [], []
        with self.clock("training"):
            step = self.minibatch(items)
            for batch in (batch.to(self.policy.device) for batch in step.batches):
                loss, correct = self.judge(self.policy.scores(batch), batch)
                self.backward_without_sync(loss / step.counts.sequences)
                losses.append(loss.detach())
                right.append(correct.detach().sum())
            norm = self.take_step("policy", optim)
        self.step += 1
        loss, correct = ranks.summed([float(sum(losses)), float(sum(right))])
        num, tokens = step.counts.sequences, step.counts.tokens
        self.metrics = {
            "loss": loss / num, "accuracy": correct / num, "tokens": tokens, "grad_norm": norm, "lr": optim.lr
        }  # fmt: skip

    def minibatch(self, items: Sequence[Judged]) -> Minibatch:
        """The packed items with the counts of all ranks: items, and tokens."""
        counts = Counts(len(items), sum(item.num_tokens for item in items))
        batches = packed(items, self.row_tokens, self.microbatch_tokens, self.pad_id)
        return over_all_ranks([Minibatch(batches, counts)], self.pad_id)[0]

    def judge(self, scores: Tensor, batch: PackedBatch) -> tuple[Tensor, Tensor]:
        """The summed loss of scores [S], and for each item whether it was judged rightly (a tie: half)."""
        if self.pairwise:
            better, worse = scores.view(len(scores) // 2, 2).T
            margins = better - worse
            return -logsigmoid(margins).sum(), (margins.sign() + 1) / 2
        labels = batch.advantages.flatten()[batch.counted]
        right = (scores.sign() * (labels - 0.5).sign() + 1) / 2
        return binary_cross_entropy_with_logits(scores, labels, reduction="sum"), right

    def right(self, items: Sequence[Judged]) -> Iterator[float]:
        """For each of this rank's items whether it is judged rightly; all ranks call it with as many."""
        for item in items:
            step = self.minibatch([item])
            with torch.no_grad():
                for batch in (batch.to(self.policy.device) for batch in step.batches):
                    yield from self.judge(self.policy.scores(batch), batch)[1].tolist()
