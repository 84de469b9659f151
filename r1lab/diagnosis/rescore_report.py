"""What rescoring found, counted and in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from r1lab.diagnosis.rescore import CHANGES, NEW, SAME, Row
from r1lab.errors import VerifierError
from r1lab.types import Status

SHOWN = 5
"""Changed scores that are shown."""
SHOWN_CHARS = 60
HEADS = ("scores", "rewards change sign", "advantages change sign")


Became = tuple[str, str]
"""What became of a score: its status now and the `change` of its row."""
Signs = tuple[str, str]
"""One of + - 0 none before, and now."""


@dataclass(eq=False)
class Tally:
    """Counts of rescored rows, and the first scores that changed."""

    scores: dict[str, dict[Became, list[int]]] = field(default_factory=dict)
    """By reward and by what became of the score: one count for each of `HEADS`."""
    rewards: Counter[Signs] = field(default_factory=Counter)
    """Completions by what became of the reward's sign."""
    rewards_differ: int = 0
    advantages: Counter[Signs] = field(default_factory=Counter)
    """The same of the advantage's sign, in training only."""
    shown: list[Row] = field(default_factory=list)
    faults: dict[str, Row] = field(default_factory=dict)
    """By reward, the first score that is a fault."""

    def add(self, rows: Iterable[Row]) -> None:
        """Counts rows of RESCORED, those of a completion one after another."""
        for _, of_completion in groupby(rows, lambda row: (row["phase"], row["kind"], row["group"], row["sample"])):
            self._add_completion(list(of_completion))

    def _add_completion(self, rows: Sequence[Row]) -> None:
        first = rows[0]
        reward, advantage = ((sign(first[f"{name}_before"]), sign(first[name])) for name in ("reward", "advantage"))
        self.rewards[reward] += 1
        self.rewards_differ += first["reward"] != first["reward_before"]
        if first["kind"] == "train":
            self.advantages[advantage] += 1
        for row in rows:
            became = row["status"], row["change"]
            counts = self.scores.setdefault(row["name"], {}).setdefault(became, [0, 0, 0])
            for place, one in enumerate((True, moves(reward), moves(advantage))):
                counts[place] += one
            if Status(row["status"]).is_fault:
                self.faults.setdefault(row["name"], row)
            if differs(became) and len(self.shown) < SHOWN:
                self.shown.append(row)

    def count(self, name: str, which: Callable[[Became], bool]) -> int:
        """How many scores of a reward became what is asked for."""
        return sum(counts[0] for became, counts in self.scores[name].items() if which(became))

    def require_judged(self) -> None:
        """Raises VerifierError where a reward that fails has judged no completion at all."""
        for name in self.scores:
            faults = self.count(name, lambda became: Status(became[0]).is_fault)
            if faults and not self.count(name, lambda became: became[0] == Status.OK):
                row = self.faults[name]
                raise VerifierError(
                    f"{faults} of {self.count(name, lambda became: True)} {name} scores are faults of verifiers or "
                    "data, and none was judged.",
                    f"{name}: {row['status']} ({row['reason']}) on question {row['question_id']}, "
                    f"gold {str(row['answer'])[:200]!r}, answer {str(row['extracted'] or '')[:200]!r}",
                    "Mend the question or the verifier; rescored.parquet has all of them, with status and reason.",
                )

    def numbers(self) -> dict[str, Any]:
        """All counts, for summary.json."""
        return {
            "completions": self.rewards.total(),
            "scores_differ": {name: self.count(name, differs) for name in self.scores},
            "scores": {
                name: {word(became): dict(zip(HEADS, counts)) for became, counts in several.items()}
                for name, several in self.scores.items()
            },
            "rewards_differ": self.rewards_differ,
            "rewards_change_sign": moved(self.rewards).total(),
            "rewards": {arrow(signs): count for signs, count in self.rewards.items()},
            "advantages_change_sign": moved(self.advantages).total(),
            "advantages": {arrow(signs): count for signs, count in self.advantages.items()},
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
        ordered = sorted(self.scores[name].items(), key=lambda item: -item[1][0])
        width, heads = max(len(word(b)) for b, _ in ordered) + 2, HEADS if self.advantages else HEADS[:2]
        total, new, differ = (self.count(name, which) for which in (lambda became: True, is_new, differs))
        said = [f"{differ:,} differ"] * (new < total) + [f"{new:,} new"] * (new > 0)
        lines = [f"{name}: {total:,} scores, {', '.join(said)}", "  " + " " * width + "  ".join(heads)]
        for became, counts in ordered:
            cells = (f"{count:,}".rjust(len(head)) for count, head in zip(counts, heads))
            lines.append(f"  {word(became):{width}}" + "  ".join(cells))
        return lines


def is_new(became: Became) -> bool:
    """Whether the run had no such score."""
    return became[1] == NEW


def differs(became: Became) -> bool:
    """Whether a score of which this became is another one than before."""
    return became[1] not in (SAME, NEW)


def word(became: Became) -> str:
    """What became of a score, with its status.

    >>> word(("timeout", "same")), word(("ok", "timeout -> ok"))
    ('timeout, same', 'timeout -> ok')
    """
    status, change = became
    return f"{status}, {change}" if change in CHANGES else change


def sign(value: float | None) -> str:
    """One of + - 0, or none where there is no value.

    >>> sign(-0.5), sign(None)
    ('-', 'none')
    """
    if value is None:
        return "none"
    return "+" if value > 0 else "-" if value < 0 else "0"


def moves(signs: Signs) -> bool:
    """Whether a sign is another one."""
    return signs[0] != signs[1]


def moved(signs: Mapping[Signs, int]) -> Counter[Signs]:
    """The counts of those whose sign is another one.

    >>> moved({("+", "+"): 5, ("+", "-"): 2})
    Counter({('+', '-'): 2})
    """
    return Counter({pair: count for pair, count in signs.items() if moves(pair)})


def arrow(signs: Signs) -> str:
    """Before and now: "+ -> 0"."""
    return " -> ".join(signs)


def listed(counts: Counter[Signs]) -> str:
    """Behind a total: what it is made of, the most frequent first."""
    spelled = ", ".join(f"{arrow(signs)} {count:,}" for signs, count in counts.most_common())
    return f" ({spelled})" if counts else ""


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
