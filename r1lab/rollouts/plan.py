"""The arithmetic of a rollout phase: how many questions, completions and updates, and who gets which question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r1lab.engines.base import SamplingParams
from r1lab.functional.rng import permutation, seed_of
from r1lab.functional.schedules import Points, as_schedule, require, require_integer


@dataclass(frozen=True)
class RolloutPlan:
    """One phase: Q questions x G completions, split at random into K minibatches of whole groups, one update each.

    Paper (Methods, R1-Zero): 512 questions x 16 outputs = 8,192, in 16 minibatches of 32 questions, one inner epoch.
    """

    questions: int
    """Q, questions of a phase, over all ranks."""
    group_size: int
    """G, completions of a question."""
    minibatches: int
    """K, optimizer steps an inner epoch takes."""
    inner_epochs: int
    """Times the phase's rollouts are gone through."""
    max_new_tokens: int | Points
    """Length limit of a completion, or a schedule over steps."""
    temperature: float | Points
    top_p: float | Points
    top_k: int | Points
    old_logprobs: str
    """Where the old policy's logprobs come from: "sampler" takes the engine's, "recompute" runs the policy again, and
    "auto" runs it again where the objective corrects the difference between the two."""
    microbatch_tokens: int
    """Most tokens of one forward and backward pass, a longer sequence alone; 0 takes as many as fit into memory."""
    activation_checkpointing: str | bool
    """Whether activations are recomputed in the backward, layer by layer; "auto": where memory asks for it."""

    def __post_init__(self):
        for name in ("questions", "group_size", "minibatches", "inner_epochs"):
            require_integer(name, getattr(self, name), 1)
        require_integer("microbatch_tokens", self.microbatch_tokens, 0)
        require("max_new_tokens", self.max_new_tokens, 1)
        # a distribution of temperature 0 has no gradient
        require("temperature", self.temperature, 0, above=True)
        require("top_p", self.top_p, 0, above=True)
        if (highest := as_schedule(self.top_p).bounds[1]) > 1:
            raise ValueError(f"top_p must be <= 1, found {highest}")
        require("top_k", self.top_k, 0)

    @property
    def updates(self) -> int:
        """Optimizer steps of one phase."""
        return self.minibatches * self.inner_epochs

    def faults(self, world_size: int, smallest_group: int) -> list[str]:
        """What does not fit, in words, with values that would; empty when the plan can run.

        The smallest group is that which the objective's advantages can be made of.
        """
        faults = []
        if self.group_size < smallest_group:
            faults.append(
                f"group_size={self.group_size}: advantages compare completions; at least {smallest_group} are needed "
                "(paper: 16)."
            )
        parts = self.minibatches * world_size
        if self.questions % parts:
            ranks = f" on {world_size} ranks" if world_size > 1 else ""
            low = self.questions // parts * parts
            near = nearest_divisors(self.questions, world_size, self.minibatches)
            faults.append(
                f"questions={self.questions} do not split into minibatches={self.minibatches}{ranks} of whole groups. "
                + (f"minibatches that fit: {', '.join(map(str, near))}. " if near else "")
                + f"questions that fit: {low or parts}, {low + parts}."
                + (" Or strategy=single." if world_size > 1 else "")
            )
        if self.old_logprobs not in ("sampler", "recompute", "auto"):
            faults.append(f"old_logprobs={self.old_logprobs!r}: choose sampler, recompute or auto.")
        if self.activation_checkpointing not in ("auto", True, False):
            faults.append(f"activation_checkpointing={self.activation_checkpointing!r}: choose auto, true or false.")
        return faults

    def sampling(self, stop_ids: Sequence[int]) -> SamplingParams:
        """Sampling parameters; schedules must be resolved to the step first."""
        return SamplingParams(self.max_new_tokens, self.temperature, self.top_p, self.top_k, tuple(stop_ids))

    def assignment(self, seed: int, phase: int, rank: int, world_size: int) -> list[list[int]]:
        """K lists of question indexes (0 to Q-1): this rank's share of each minibatch, groups whole.

        The split over minibatches is the same for any number of ranks.

        >>> [len(part) for part in RolloutPlan(8, 2, 2, 1, 9, 1.0, 1.0, 0, "sampler", 9, False).assignment(0, 1, 0, 2)]
        [2, 2]
        """
        order = permutation(self.questions, seed_of("minibatches", seed, phase))
        size = self.questions // self.minibatches
        return [order[k * size : (k + 1) * size][rank::world_size] for k in range(self.minibatches)]


def nearest_divisors(total: int, factor: int, wanted: int) -> list[int]:
    """Up to three counts nearest to `wanted` (by ratio) that divide `total` when multiplied by `factor`, in order.

    >>> nearest_divisors(512, 1, 15)
    [8, 16, 32]
    """
    fits = [n for n in range(1, total + 1) if total % (n * factor) == 0]
    return sorted(sorted(fits, key=lambda n: (max(n / wanted, wanted / n), n))[:3])
