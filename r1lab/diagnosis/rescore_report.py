"""What rescoring found, counted and in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from r1lab.diagnosis.rescore import SAME, Row

SHOWN = 5
"""Changed scores that are shown."""
SHOWN_CHARS = 60
NEW = "new"
"""A score whose reward the run did not have."""


@dataclass(eq=False)
class Tally:
    """Counts of rescored rows, and the first scores that changed."""

    changes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By reward: same, higher, lower, "ok -> timeout", new."""
    statuses: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    """By reward: how many scores of each status, "before" and "now"."""
    rewards: Counter[str] = field(default_factory=Counter)
    """By what became of the sign: "+ -> 0"; equal signs too."""
    rewards_differ: int = 0
    advantages: Counter[str] = field(default_factory=Counter)
    """By what became of the sign, in training only."""
    shown: list[Row] = field(default_factory=list)

    def add(self, rows: Iterable[Row]) -> None:
        """Counts rows of RESCORED."""
        for row in rows:
            changed, name = row["change"] or NEW, row["name"]
            self.changes[name][changed] += 1
            statuses = self.statuses.setdefault(name, {"before": Counter(), "now": Counter()})
            statuses["now"][row["status"]] += 1
            if changed != NEW:
                statuses["before"][row["status_before"]] += 1
            if changed not in (SAME, NEW) and len(self.shown) < SHOWN:
                self.shown.append(row)
            if name == next(iter(self.changes)):  # a completion has a row for each reward
                self._add_completion(row)

    def _add_completion(self, row: Row) -> None:
        self.rewards_differ += row["reward"] != row["reward_before"]
        self.rewards[f"{sign(row['reward_before'])} -> {sign(row['reward'])}"] += 1
        if row["kind"] == "train":
            self.advantages[f"{sign(row['advantage_before'])} -> {sign(row['advantage'])}"] += 1

    def numbers(self) -> dict[str, Any]:
        """All counts, for summary.json."""
        return {
            "completions": self.rewards.total(),
            "scores_differ": {name: differing(changes).total() for name, changes in self.changes.items()},
            "scores": {name: dict(changes) for name, changes in self.changes.items()},
            "statuses": {
                name: {when: dict(counts) for when, counts in both.items()} for name, both in self.statuses.items()
            },
            "rewards_differ": self.rewards_differ,
            "rewards_change_sign": moved(self.rewards).total(),
            "rewards": dict(self.rewards),
            "advantages_change_sign": moved(self.advantages).total(),
            "advantages": dict(self.advantages),
        }

    def text(self) -> str:
        """What a person reads: a line for each reward, its changes, the signs, the first scores that changed."""
        width = max(map(len, self.changes), default=0) + 2
        lines = []
        for name, changes in self.changes.items():
            scores, differ = changes.total(), differing(changes)
            words = f"{scores:,} scores, {differ.total():,} differ" if not changes[NEW] else f"{scores:,} scores, new"
            lines.append(f"{name:{width}}{words}{listed(differ)}")
            before, now = (spelled(self.statuses[name][when]) for when in ("before", "now"))
            lines.append(f"{'':{width}}status now: {now}" + (f"; before: {before}" if before not in ("", now) else ""))
        rewards, advantages = moved(self.rewards), moved(self.advantages)
        lines.append("")
        lines.append(f"{self.rewards_differ:,} rewards differ, {rewards.total():,} change sign{listed(rewards)}")
        if self.advantages:
            lines.append(f"{advantages.total():,} advantages change sign{listed(advantages)}")
        if self.shown:
            lines += ["", "The first that differ:", *map(shown, self.shown)]
        return "\n".join(lines)


def sign(value: float | None) -> str:
    """ "+", "-" or "0"; "none" where there is no value.

    >>> sign(-0.5), sign(None)
    ('-', 'none')
    """
    if value is None:
        return "none"
    return "+" if value > 0 else "-" if value < 0 else "0"


def moved(signs: Mapping[str, int]) -> Counter[str]:
    """The counts of those whose sign is not what it was.

    >>> moved(Counter({"+ -> +": 5, "+ -> -": 2}))
    Counter({'+ -> -': 2})
    """
    return Counter({pair: count for pair, count in signs.items() if len(set(pair.split(" -> "))) > 1})


def differing(changes: Mapping[str, int]) -> Counter[str]:
    """The counts without those that are the same or new."""
    return Counter({word: count for word, count in changes.items() if word not in (SAME, NEW)})


def spelled(counts: Counter[str]) -> str:
    """Words with their counts, the most frequent first."""
    return ", ".join(f"{word} {count:,}" for word, count in counts.most_common())


def listed(counts: Counter[str]) -> str:
    """Behind a total: what it is made of."""
    return f" ({spelled(counts)})" if counts else ""


def shown(row: Row) -> str:
    """One changed score on two lines.

    Example: ``  accuracy, question q-1, sample 3: gold '7', answer '8'`` / ``    1 (equal) -> 0 (answer differs)``.
    """
    answer = row["extracted"] if row["extracted"] is not None else row["extracted_before"]
    return (
        f"  {row['name']}, question {row['question_id']}, sample {row['sample']}: "
        f"gold {str(row['answer'])[:SHOWN_CHARS]!r}, answer {str(answer)[:SHOWN_CHARS]!r}\n    "
        f"{row['value_before']:g} ({row['status_before']}: {row['reason_before']}) -> "
        f"{row['value']:g} ({row['status']}: {row['reason']})"
    )
