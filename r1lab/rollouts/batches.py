"""Groups and advantages become the packed minibatches of a phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from r1lab.functional.aggregate import Counts
from r1lab.functional.packing import microbatches
from r1lab.rollouts.plan import RolloutPlan
from r1lab.types import Group, PackedBatch, TrainingSample


@dataclass(frozen=True, eq=False)
class Minibatch:
    """What one optimizer step consumes on this rank: microbatches, and the counts that divide its loss."""

    batches: list[PackedBatch]
    counts: Counts
    """Sequences and tokens of the whole step: of this rank until `over_all_ranks` adds them up."""


def training_samples(groups: Sequence[Group], advantage: Callable[[Tensor], Tensor]) -> list[TrainingSample]:
    """The judged rollouts of groups with the advantage of each within its group."""
    return [
        TrainingSample(r.prompt_ids, r.completion.ids, r.completion.logprobs, a)
        for group in groups
        for r, a in zip(group.judged, advantages_of(group, advantage), strict=True)
    ]


def advantages_of(group: Group, advantage: Callable[[Tensor], Tensor]) -> list[float]:
    """The advantages of the group's judged rollouts, in their order."""
    return advantage(torch.tensor(group.rewards, dtype=torch.float64)).tolist()


def minibatch(samples: Sequence[TrainingSample], plan: RolloutPlan, pad_id: int) -> Minibatch:
    """Samples packed into microbatches of at most `plan.microbatch_tokens`, one row each, with their counts."""
    counts = Counts(len(samples), sum(len(s.completion_ids) for s in samples))
    return Minibatch(microbatches(samples, plan.microbatch_tokens, plan.microbatch_tokens, pad_id), counts)
