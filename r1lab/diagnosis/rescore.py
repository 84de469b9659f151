"""Other rewards on stored completions: which scores, rewards and advantages would be others today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from r1lab.records.ledger import StoredPart
from r1lab.records.tables import PLACE, Schema, TableColumn, spread
from r1lab.rewards.rubric import Rubric, weighted_sum
from r1lab.rollouts.batches import advantages_of
from r1lab.rollouts.selection import Selection
from r1lab.types import Group, Rollout, Score

if TYPE_CHECKING:
    from torch import Tensor

RESCORED = Schema(
    (
        *PLACE,
        TableColumn("name", "string", "the reward's name"),
        TableColumn("answer", "string", "the gold answer"),
        TableColumn(
            "change", "string", "same, higher, lower, new where the run had none, or the statuses: ok -> timeout"
        ),
        TableColumn("value_before", "float64", "what the run's reward gave, null where it had none of this name"),
        TableColumn("status_before", "string", "ok, timeout, crash, bad_gold, unreadable, disagreed or abstained"),
        TableColumn("reason_before", "string", "why, in a few words"),
        TableColumn("extracted_before", "string", "the answer that was judged"),
        TableColumn("value", "float64", "what the reward gives now"),
        TableColumn("status", "string", "ok, timeout, crash, bad_gold, unreadable, disagreed or abstained"),
        TableColumn("reason", "string", "why, in a few words"),
        TableColumn("extracted", "string", "the answer that is judged"),
        TableColumn("ms", "float64", "milliseconds the judgement took now"),
        TableColumn("weight_before", "float64", "the reward's weight in the run, null where it had none of this name"),
        TableColumn("weight", "float64", "the reward's weight now"),
        TableColumn("reward_before", "float64", "of the completion; null where a score that counts was not judged"),
        TableColumn("reward", "float64", "of the completion now"),
        TableColumn("advantage_before", "float64", "of the completion; null where it did not train"),
        TableColumn("advantage", "float64", "of the completion now; null in evaluations"),
    )
)
"""One row for each completion and reward: the score of that time and the score now."""

Row = dict[str, Any]
SAME, HIGHER, LOWER, NEW = CHANGES = ("same", "higher", "lower", "new")
"""What becomes of a score whose status stays."""


@dataclass(frozen=True)
class Rescoring:
    """Judges stored completions again, batch by batch as they were judged first."""

    rubric: Rubric
    selection: Selection
    """Which groups would train; what it would have refilled cannot be known."""
    advantage: Callable[[Tensor], Tensor]
    stored_weights: bool
    """Whether a reward that the run had weighs what it weighed there; all others weigh what the rubric says."""

    def __call__(self, part: StoredPart) -> list[Row]:
        """The rows of RESCORED, rewards weighted as of the part's step."""
        weights = self.weights(part)
        judged = self.rubric.score([r for group in part.groups for r in group.rollouts], part.step)
        scored = (replace(rollout, reward=weighted_sum(rollout.scores, weights)) for rollout in judged)
        groups = [replace(group, rollouts=tuple(next(scored) for _ in group.rollouts)) for group in part.groups]
        trains = {group.index for group in self.selection(groups)} if part.kind == "train" else set()
        rows = []
        for before, now in zip(part.groups, groups, strict=True):
            advantages = spread(now, advantages_of(now, self.advantage) if now.index in trains else None)
            stored = part.advantages[now.index]
            for old, new, earlier, later in zip(before.rollouts, now.rollouts, stored, advantages, strict=True):
                given = {"advantage_before": earlier, "advantage": later}
                rows += [{**_row(part, now, old, new, name), "weight": weights[name], **given} for name in new.scores]
        return rows

    def weights(self, part: StoredPart) -> dict[str, float]:
        """By reward, of this part."""
        own = self.rubric.weights(part.step)
        return own | part.weights if self.stored_weights else own


def weight_differences(part: StoredPart, rubric: Rubric) -> dict[tuple[str, str], str]:
    """By kind and reward, where a part's weights are not the rubric's: "format: weight 0 in train, 1 here"."""
    both = {name: (part.weights[name], now) for name, now in rubric.weights(part.step).items() if name in part.weights}
    return {
        (part.kind, name): f"{name}: weight {then:g} in {part.kind}, {now:g} here"
        for name, (then, now) in both.items()
        if then != now
    }


def _row(part: StoredPart, group: Group, old: Rollout, new: Rollout, name: str) -> Row:
    """A row without what is not of the score alone: its weight now, the advantages."""
    before, now = old.scores.get(name), new.scores[name]
    return {
        "phase": part.phase,
        "step": part.step,
        "kind": part.kind,
        "question_id": group.question.id,
        "group": group.index,
        "sample": new.sample,
        "name": name,
        "answer": group.question.answer,
        "change": change(before, now) if before else NEW,
        "value_before": before and before.value,
        "status_before": before and before.status.value,
        "reason_before": before and before.reason,
        "extracted_before": before and before.extracted,
        "value": now.value,
        "status": now.status.value,
        "reason": now.reason,
        "extracted": now.extracted,
        "ms": now.ms,
        "weight_before": part.weights.get(name),
        "reward_before": old.reward,
        "reward": new.reward,
    }


def change(before: Score, now: Score) -> str:
    """What became of a score, in a word or two; the value of a fault says nothing.

    >>> change(Score(0.0), Score(1.0))
    'higher'
    """
    if before.status is not now.status:
        return f"{before.status} -> {now.status}"
    if not now.judged or before.value == now.value:
        return SAME
    return HIGHER if now.value > before.value else LOWER
