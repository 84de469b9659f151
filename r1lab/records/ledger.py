"""Stored rows back as groups of rollouts with their scores: the record can be judged again."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from r1lab.errors import DataError
from r1lab.records.tables import ROLLOUTS, SCORES, Table
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout, Score, Status

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class StoredPart:
    """What one rank wrote in one phase, of training or of an evaluation: the batch that was judged together."""

    name: str
    """Its file's name, the same in every table."""
    phase: int
    step: int
    kind: str
    groups: list[Group]
    """With the scores and rewards of that time."""
    advantages: dict[int, list[float | None]]
    """By group index, one for each rollout; None for those that did not train."""
    weights: dict[str, float]
    """By reward, as its scores were weighted."""


@dataclass(frozen=True)
class Ledger:
    """The completions and scores of a run folder, finished or still running."""

    folder: Path

    @property
    def rollouts(self) -> Table:
        return Table(self.folder / "rollouts.parquet", ROLLOUTS)

    @property
    def scores(self) -> Table:
        return Table(self.folder / "scores.parquet", SCORES)

    def names(self, kinds: Collection[str]) -> list[str]:
        """The parts of these kinds that both tables have: a running process writes the completions first."""
        scored = set(self.scores.parts())
        return [name for name in self.rollouts.parts() if name in scored and kind_of(name) in kinds]

    def halves(self, kinds: Collection[str]) -> list[str]:
        """The parts of these kinds that only one of the tables has."""
        return sorted(name for name in {*self.rollouts.parts()} ^ {*self.scores.parts()} if kind_of(name) in kinds)

    def kinds(self) -> list[str]:
        """What there is: train, evaluation-before, ..."""
        return sorted({kind_of(name) for name in self.rollouts.parts()})

    def read(self, names: Sequence[str]) -> Iterator[StoredPart]:
        """The parts of these names that hold rows, one at a time. Raises DataError for another version's rows."""
        for name in names:
            rows = self.rollouts.part_rows(name)
            if rows:
                self._require_columns(name, rows[0])
                yield stored_part(name, rows, self.scores.part_rows(name))

    def judging(self, kind: str, rewards: Collection[str]) -> set[str]:
        """Which of these rewards have judged any completion of a kind; reads no further than it must."""
        left = set(rewards)
        for name in self.scores.parts():
            if left and kind_of(name) == kind:
                left -= {row["name"] for row in self.scores.part_rows(name) if row["status"] == Status.OK}
        return set(rewards) - left

    def first_questions(self) -> list[Question]:
        """What the first phase asked, over all ranks: the questions that a run's rewards are informed of."""
        names = self.names(["train"])
        phase = names and [name for name in names if name.split(".")[0] == names[0].split(".")[0]]
        return [group.question for part in self.read(phase) for group in part.groups]

    def _require_columns(self, name: str, row: Row) -> None:
        if missing := [column.name for column in ROLLOUTS.columns if column.name not in row]:
            raise DataError(
                f"{self.rollouts.folder / name} was written by another version of r1lab.",
                f"it has no column {', '.join(missing)}",
                "Do the run again, or read the table with the version that wrote it.",
            )


def kind_of(name: str) -> str:
    """The kind of a part's rows by its name.

    >>> kind_of("phase-000012.evaluation-after.rank-0.parquet"), kind_of("phase-000012.rank-0.parquet")
    ('evaluation-after', 'train')
    """
    _, *part, _, _ = name.split(".")
    return part[0] if part else "train"


def find_run(folder: Path) -> Path | None:
    """The attempt that a folder names: itself, its newest attempt, or the latest run of its name; None for any other.

    Example: outputs/tiny, outputs/tiny/0f3a5c and outputs/tiny/0f3a5c/attempt_1 may all be the same attempt; outputs,
    above runs of all names, is none.
    """
    attempts = sorted(folder.glob("attempt_*"), key=lambda path: (len(path.name), path.name), reverse=True)
    candidates = (folder, folder / "latest", *attempts)
    return next((path.resolve() for path in candidates if (path / "rollouts.parquet").is_dir()), None)


def stored_runs(root: Path) -> list[Path]:
    """The attempts below a root that hold completions, the newest first."""
    tables = root.glob("*/*/attempt_*/rollouts.parquet")
    return sorted((path.parent for path in tables), key=lambda path: path.stat().st_mtime, reverse=True)


def stored_part(name: str, rollouts: Sequence[Row], scores: Sequence[Row]) -> StoredPart:
    """Rows of ROLLOUTS and SCORES of one part as groups, in the order of the rows."""
    judged: dict[tuple[int, int], dict[str, Score]] = defaultdict(dict)
    for row in scores:
        status, place = Status(row["status"]), (row["group"], row["sample"])
        judged[place][row["name"]] = Score(row["value"], status, row["reason"], row["ms"], row["extracted"])
    weights = {row["name"]: row["weight"] for row in scores}
    members: dict[int, list[Row]] = defaultdict(list)
    for row in rollouts:
        members[row["group"]].append(row)
    groups = []
    for index, rows in members.items():
        question = stored_question(rows[0])
        written = (stored_rollout(row, question, judged[index, row["sample"]]) for row in rows)
        groups.append(Group(question, tuple(written), index))
    first, advantages = rollouts[0], {i: [row["advantage"] for row in rows] for i, rows in members.items()}
    return StoredPart(name, first["phase"], first["step"], first["kind"], groups, advantages, weights)


def stored_question(row: Row) -> Question:
    """The question of a row of ROLLOUTS; its worked solution is not stored."""
    return Question(
        id=row["question_id"],
        text=row["question"],
        answer=row["answer"],
        domain=row["domain"],
        language=row["language"],
        level=row["level"],
        source=row["source"],
        details=json.loads(row["details"]),
    )


def stored_rollout(row: Row, question: Question, scores: Mapping[str, Score]) -> Rollout:
    """The rollout of a row of ROLLOUTS; of the prompt only its length is stored, so its ids are zeros."""
    import torch

    completion = Completion(
        torch.tensor(row["completion_ids"], dtype=torch.int64),
        torch.tensor(row["logprobs"], dtype=torch.float32),
        Finish(row["finish"]),
        row["policy_version"],
    )
    return Rollout(
        question=question,
        prompt_ids=torch.zeros(row["prompt_tokens"], dtype=torch.int64),
        completion=completion,
        response=Response(row["text"], row["reasoning"], row["extracted"], row["well_formed"]),
        sample=row["sample"],
        scores=scores,
        reward=row["reward"],
    )
