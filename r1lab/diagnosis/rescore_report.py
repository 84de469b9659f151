"""What rescoring found, counted and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from r1lab.diagnosis.rescore import NEW, SAME, Row

SHOWN = 5
"""Changed scores that are shown."""
SHOWN_CHARS = 60
HEADS = ("scores", "rewards change sign", "advantages change sign")


@dataclass(eq=False)
class Tally:
    """Counts of rescored rows, and the first scores that changed."""

    scores: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    """By reward and by what became of the score, "ok, same" or "timeout -> ok": one count for each of `HEADS`."""
    rewards: Counter[str] = field(default_factory=Counter)
    """Completions by what became of the reward's sign, "+ -> 0" or "0 -> 0"."""
    rewards_differ: int = 0
    advantages: Counter[str] = field(default_factory=Counter)
    """The same of the advantage's sign, in training only."""
    shown: list[Row] = field(default_factory=list)

    def add(self, rows: Iterable[Row]) -> None:
        """Counts rows of RESCORED."""
        for row in rows:
            reward = f"{sign(row['reward_before'])} -> {sign(row['reward'])}"
            advantage = f"{sign(row['advantage_before'])} -> {sign(row['advantage'])}"
            counts = self.scores.setdefault(row["name"], {}).setdefault(became(row), [0, 0, 0])
            counts[0] += 1
            counts[1] += moves(reward)
            counts[2] += moves(advantage)
            if differs(became(row)) and len(self.shown) < SHOWN:
                self.shown.append(row)
            if row["name"] == next(iter(self.scores)):  # a completion has a row for each reward
                self.rewards[reward] += 1
                self.rewards_differ += row["reward"] != row["reward_before"]
                if row["kind"] == "train":
                    self.advantages[advantage] += 1

    def differing(self, name: str) -> int:
        """How many scores of a reward are others than they were; new ones are not."""
        return sum(counts[0] for word, counts in self.scores[name].items() if differs(word))

    def numbers(self) -> dict[str, Any]:
        """All counts, for summary.json."""
        return {
            "completions": self.rewards.total(),
            "scores_differ": {name: self.differing(name) for name in self.scores},
            "scores": {
                name: {word: dict(zip(HEADS, counts)) for word, counts in words.items()}
                for name, words in self.scores.items()
            },
            "rewards_differ": self.rewards_differ,
            "rewards_change_sign": moved(self.rewards).total(),
            "rewards": dict(self.rewards),
            "advantages_change_sign": moved(self.advantages).total(),
            "advantages": dict(self.advantages),
        }

    def text(self) -> str:
        """What a person reads: the signs, a table for each reward, the first scores that changed."""
        rewards, advantages = moved(self.rewards), moved(self.advantages)
        lines = [f"{self.rewards_differ:,} rewards differ, {rewards.total():,} change sign{listed(rewards)}"]
        if self.advantages:
            lines.append(f"{advantages.total():,} advantages change sign{listed(advantages)}")
        for name in self.scores:
            lines += ["", *self._table(name)]
        if self.shown:
            lines += ["", "The first that differ:", *map(shown, self.shown)]
        return "\n".join(lines)

    def _table(self, name: str) -> list[str]:
        words = sorted(self.scores[name].items(), key=lambda item: -item[1][0])
        width, heads = max(len(word) for word, _ in words) + 2, HEADS if self.advantages else HEADS[:2]
        lines = [f"{name}: {sum(c[0] for _, c in words):,} scores, {self.differing(name):,} differ"]
        lines.append("  " + " " * width + "  ".join(heads))
        for word, counts in words:
            cells = (f"{count:,}".rjust(len(head)) for count, head in zip(counts, heads))
            lines.append(f"  {word:{width}}" + "  ".join(cells))
        return lines


def became(row: Row) -> str:
    """What became of a score, with its status: "ok, higher", "timeout, same", "timeout -> ok", "ok, new"."""
    return row["change"] if "->" in row["change"] else f"{row['status']}, {row['change']}"


def differs(word: str) -> bool:
    """Whether a score of which this became is another one than before."""
    return not word.endswith((f", {SAME}", f", {NEW}"))


def sign(value: float | None) -> str:
    """One of + - 0, or none where there is no value.

    >>> sign(-0.5), sign(None)
    ('-', 'none')
    """
    if value is None:
        return "none"
    return "+" if value > 0 else "-" if value < 0 else "0"


def moves(signs: str) -> bool:
    """Whether a sign is another one: "+ -> -" is, "0 -> 0" is not."""
    before, now = signs.split(" -> ")
    return before != now


def moved(signs: Mapping[str, int]) -> Counter[str]:
    """The counts of those whose sign is another one.

    >>> moved(Counter({"+ -> +": 5, "+ -> -": 2}))
    Counter({'+ -> -': 2})
    """
    return Counter({pair: count for pair, count in signs.items() if moves(pair)})


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
