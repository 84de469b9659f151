"""The numbers of a rollout phase: sums on this rank, divided once over all ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from r1lab import ranks
from r1lab.types import Group, PackedBatch, Status

PEAKS = ("ratio_max", "mismatch_max", "grad_norm")
"""Highest values of a phase; there from its start, for a rank whose groups were all left out has them to reduce too."""


@dataclass(frozen=True, eq=False)
class PhaseReport:
    """What one phase did: the groups of this rank and the metrics of all ranks."""

    phase: int
    start_step: int
    """Updates behind the weights that sampled."""
    step: int
    """Updates done at the end."""
    lr: float
    groups: Sequence[Group]
    advantages: Mapping[int, Sequence[float]]
    """Of the judged rollouts of each group that trained, by the group's index."""
    metrics: dict[str, float]


@dataclass(eq=False)
class PhaseMetrics:
    """Collects sums while a phase runs; tensors stay on their device until the phase ends."""

    sums: dict[str, Tensor | float] = field(default_factory=lambda: defaultdict(float))
    peaks: dict[str, Tensor | float] = field(default_factory=lambda: dict.fromkeys(PEAKS, 0.0))

    def mismatch(self, logprobs: Tensor, batch: PackedBatch) -> None:
        """How far the sampler's logprobs are from the trainer's, over the counted tokens [R, T]."""
        gap = ((logprobs - batch.old_logprobs).abs() * batch.loss_mask).detach()
        self.sums["mismatch_tokens"] += batch.loss_mask.sum()
        self.sums["mismatch_mean"] += gap.sum()
        self.peaks["mismatch_max"] = torch.maximum(gap.max(), torch.as_tensor(self.peaks["mismatch_max"]))

    def add(
        self, loss: Tensor, logprobs: Tensor, entropy: Tensor, stats: dict[str, Tensor], batch: PackedBatch
    ) -> None:
        """One microbatch of an update."""
        ratio = torch.exp(logprobs.detach() - batch.old_logprobs) * batch.loss_mask
        self.peaks["ratio_max"] = torch.maximum(ratio.max(), torch.as_tensor(self.peaks["ratio_max"]))
        self.sums["update_tokens"] += batch.loss_mask.sum()
        self.sums["loss"] += loss.detach()
        self.sums["entropy"] += entropy.detach().sum()
        self.sums["tokens_computed"] += batch.num_tokens
        self.sums["tokens_padded"] += batch.ids.numel() - batch.num_tokens
        for name, value in stats.items():
            self.sums[name] += value

    def grad_norm(self, norm: float) -> None:
        """The norm of one update's gradient, before clipping: the same on all ranks."""
        self.peaks["grad_norm"] = max(norm, float(self.peaks["grad_norm"]))

    def averages(self, groups: Sequence[Group], num_kept: int, updates: int) -> dict[str, float]:
        """The sums of all ranks divided: what is written down, shown and mirrored to W&B."""
        for name, value in group_sums(groups).items():
            self.sums[name] += value
        self.sums["groups_kept"] += num_kept
        sums = defaultdict(float, ranks.summed_by_name(plain(self.sums)))
        peaks = ranks.highest_by_name(plain(self.peaks))
        judged, rollouts = max(sums["judged"], 1), max(sums["rollouts"], 1)
        tokens = max(sums["update_tokens"], 1)
        return {
            "reward": sums["reward"] / judged,
            **{
                name: sums[name] / max(sums[f"judged/{name}"], 1) for name in sorted(sums) if name.startswith("reward/")
            },
            "length": sums["completion_tokens"] / rollouts,
            "truncated_share": sums["truncated"] / rollouts,
            "informative_share": sums["informative"] / max(sums["groups"], 1),
            "kept_share": sums["groups_kept"] / max(sums["groups"], 1),
            "groups": sums["groups"],
            **{name: sums[name] / rollouts for name in sorted(sums) if name.startswith("fault/")},
            "loss": sums["loss"] / updates,
            "kl": sums.get("kl", 0.0) / tokens,
            **({"value_loss": sums["value_loss"] / updates} if "value_loss" in sums else {}),
            "entropy": sums["entropy"] / tokens,
            "clip_share": sums["clip_share"] / tokens,
            "correction": sums["correction"] / tokens,
            "correction_cut_share": sums["correction_cut_share"] / tokens,
            "ratio_max": peaks["ratio_max"],
            "mismatch_mean": sums["mismatch_mean"] / max(sums["mismatch_tokens"], 1),
            "mismatch_max": peaks["mismatch_max"],
            "grad_norm": peaks["grad_norm"],
            "padding_share": sums["tokens_padded"] / max(sums["tokens_padded"] + sums["tokens_computed"], 1),
            "tokens_sampled": sums["completion_tokens"],
            "tokens_trained": sums["update_tokens"],
            "rollouts": sums["rollouts"],
        }


def group_sums(groups: Sequence[Group]) -> dict[str, float]:
    """Sums over groups: rewards of the judged, lengths and truncation of all, faults by status."""
    sums: dict[str, float] = defaultdict(float)
    for status in Status:
        if status is not Status.OK:
            sums[f"fault/{status}"] = 0.0
    for group in groups:
        sums["groups"] += 1
        sums["informative"] += group.informative
        for rollout in group.rollouts:
            sums["rollouts"] += 1
            sums["completion_tokens"] += len(rollout.completion)
            sums["truncated"] += rollout.completion.truncated
            sums["judged"] += rollout.judged
            sums["reward"] += rollout.reward or 0.0
            for name, score in rollout.scores.items():
                counts = rollout.judged and score.judged
                sums[f"reward/{name}"] += score.value if counts else 0.0
                sums[f"judged/reward/{name}"] += counts
                if not score.judged:
                    sums[f"fault/{score.status}"] += 1
    return sums


def plain(values: Mapping[str, Tensor | float]) -> dict[str, float]:
    """Numbers that wait for no device any more."""
    return {name: float(value) for name, value in values.items()}
