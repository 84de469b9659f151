"""Parquet rows of steps, rollouts and scores: a table is a folder of parts, one a phase, so that kill -9 tears none."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1lab.disk import plain, replacing, storing
from r1lab.errors import DataError
from r1lab.types import Group, Rollout

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class TableColumn:
    """One column of a table."""

    name: str
    type: str
    """int64, float64, float32, bool, string, or a list as ``[int32]``."""
    doc: str
    """What it holds; kept in the file as the field's metadata."""


@dataclass(frozen=True)
class Schema:
    """The columns of a table; with `metrics`, a row may carry any further numbers, kept as float64."""

    columns: tuple[TableColumn, ...]
    metrics: bool = False

    def arrow(self, metrics: Iterable[str] = ()) -> "pyarrow.Schema":
        """Return it as a pyarrow schema, one float64 column for each of `metrics` at the end."""
        import pyarrow as pa

        fields = [pa.field(c.name, _arrow_type(c.type), metadata={"doc": c.doc}) for c in self.columns]
        return pa.schema([*fields, *(pa.field(name, pa.float64()) for name in metrics)])


STEPS = Schema(
    (
        TableColumn("phase", "int64", "rollout phase; 0 is before the first"),
        TableColumn("step", "int64", "optimizer steps done when the row was written"),
    ),
    metrics=True,
)
"""One row a step (or an evaluation), one column a metric: reward_mean, accuracy, kl, pass_at_1, ..."""

PLACE = (
    TableColumn("phase", "int64", "rollout phase; 0 is before the first"),
    TableColumn("step", "int64", "optimizer steps behind the phase's first weights"),
    TableColumn("kind", "string", "train, or the name of the evaluation"),
    TableColumn("question_id", "string", "stable name of the question"),
    TableColumn("group", "int64", "place of the question in the phase or evaluation; a refill's is Q, 2Q, ... higher"),
    TableColumn("sample", "int64", "index in the question's group, 0 to G-1"),
)
"""Which completion a row speaks of."""

ROLLOUTS = Schema(
    (
        *PLACE,
        TableColumn("question", "string", "the question's text, without template"),
        TableColumn("answer", "string", "the gold answer"),
        TableColumn("details", "string", "what the question's domain needs beside it, as JSON: choices, unit tests"),
        TableColumn("domain", "string", "math, code, stem, logic or general"),
        TableColumn("language", "string", "ISO 639-1 code of the question's language"),
        TableColumn("level", "int64", "difficulty 1 to 5, null where unknown"),
        TableColumn("source", "string", "data set or task family"),
        TableColumn("prompt_tokens", "int64", "length of the prompt, prefill included"),
        TableColumn("completion_ids", "[int32]", "token ids of the completion, end token included"),
        TableColumn("logprobs", "[float32]", "of each id under the sampling policy, at the sampling temperature"),
        TableColumn("text", "string", "prefill and completion, end token removed"),
        TableColumn("reasoning", "string", "inside the think block, null where there is none"),
        TableColumn("extracted", "string", "the completion's answer, null where there is none"),
        TableColumn("well_formed", "bool", "exactly one think block, then exactly one answer block, nothing outside"),
        TableColumn("finish", "string", "stop (end token) or length (cut)"),
        TableColumn("policy_version", "int64", "optimizer steps behind the weights that sampled"),
        TableColumn("reward", "float64", "weighted sum of the scores, null where one of them was not judged"),
        TableColumn("advantage", "float64", "reward relative to its group, null where the rollout did not train"),
    )
)
"""One row a completion, of training and of evaluation."""

SCORES = Schema(
    (
        *PLACE,
        TableColumn("name", "string", "the reward's name"),
        TableColumn("value", "float64", "what the reward gave; a fault's value never trains"),
        TableColumn("weight", "float64", "its weight in the rollout's reward at this step"),
        TableColumn("status", "string", "ok, timeout, crash, bad_gold, unreadable, disagreed or abstained"),
        TableColumn("reason", "string", "why, in a few words"),
        TableColumn("ms", "float64", "milliseconds the judgement took"),
        TableColumn("extracted", "string", "the answer that was judged, null where there is none"),
    )
)
"""One row a score: each completion once for each reward."""


@dataclass(frozen=True)
class Table:
    """A table in a folder such as ``steps.parquet/``, readable as one by pyarrow, pandas and polars.

    Each process writes one part a phase, ``phase-000012.rank-0.parquet``, beside and renamed; an evaluation beside
    the training of the same phase names its own: ``phase-000012.toy.rank-0.parquet``. Writing a part again replaces
    it. Readers other than `read` take the columns of the first part, so give every metric in every row (None where
    it was not measured).
    """

    folder: Path
    schema: Schema

    def write(self, phase: int, rows: Sequence[Mapping[str, Any]], rank: int = 0, part: str = "") -> None:
        """Write the rows of a phase as one part; raises DataError for a wrong column and StorageError."""
        self.write_part(".".join(filter(None, (f"phase-{phase:06d}", part, f"rank-{rank}", "parquet"))), rows)

    def write_part(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a part under the name it has in another table; raises as `write`."""
        import pyarrow as pa
        from pyarrow import parquet

        known = [column.name for column in self.schema.columns]
        metrics = list(dict.fromkeys(name for row in rows for name in row if name not in known))
        if wrong := [
            *(metrics if not self.schema.metrics else []),
            *(k for k in known if any(k not in r for r in rows)),
        ]:
            raise DataError(
                f"Rows do not fit {self.folder.name}.", f"unknown or missing: {wrong}", f"Columns: {known}."
            )
        table = pa.Table.from_pylist([_as_floats(row, metrics) for row in rows], self.schema.arrow(metrics))
        with storing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / name) as beside:
            parquet.write_table(table, beside, compression="zstd")

    def read(self) -> "pyarrow.Table":
        """Return all rows, by phase and rank, the columns of all parts together (null where a part has none).

        Raises DataError for a part that cannot be read.
        """
        import pyarrow as pa

        parts = [self._read_part(name) for name in self.parts()]
        return pa.concat_tables([self.schema.arrow().empty_table(), *parts], promote_options="default")

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows as dicts."""
        return self.read().to_pylist()

    def parts(self) -> list[str]:
        """Return the names of the parts, by phase and rank."""
        names = (path.name for path in self.folder.glob("phase-*.parquet"))
        return sorted(names, key=lambda name: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", name)])

    def part_rows(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of one part as dicts; raises DataError for a part that cannot be read."""
        return self._read_part(name).to_pylist()

    def drop_from(self, phase: int) -> None:
        """Remove what was written for `phase` and later, also torn parts of a killed process.

        With this call on resume no row is twice or missing, if the rows of a phase are written before the checkpoint
        that says it is done: the run goes on from a checkpoint of phase p, drops from p + 1 and does p + 1 again.
        """
        with storing(self.folder):
            for path in self.folder.glob("*phase-*"):
                if _phase(path) >= phase or path.name.startswith("."):
                    path.unlink()

    def _read_part(self, name: str) -> "pyarrow.Table":
        import pyarrow as pa
        from pyarrow import parquet

        try:
            return parquet.ParquetFile(self.folder / name).read()
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{self.folder / name} cannot be read.",
                str(error).partition("\n")[0],
                "Copy it anew from where it is whole, or move it away: its rows are then left out.",
            ) from error


def rollout_rows(
    groups: Sequence[Group],
    *,
    phase: int,
    step: int,
    kind: str = "train",
    advantages: Mapping[int, Sequence[float]] | None = None,
) -> list[dict[str, Any]]:
    """Return the rows of ROLLOUTS; `advantages`, by group index, of the judged rollouts of the groups that trained."""
    return [
        {
            **_identity(group, rollout, phase, step, kind),
            "question": group.question.text,
            "answer": group.question.answer,
            "details": json.dumps(plain(group.question.details), ensure_ascii=False),
            "domain": group.question.domain,
            "language": group.question.language,
            "level": group.question.level,
            "source": group.question.source,
            "prompt_tokens": len(rollout.prompt_ids),
            "completion_ids": rollout.completion.ids.tolist(),
            "logprobs": rollout.completion.logprobs.tolist(),
            "text": rollout.response.text,
            "reasoning": rollout.response.reasoning,
            "extracted": rollout.response.answer,
            "well_formed": rollout.response.well_formed,
            "finish": rollout.completion.finish.value,
            "policy_version": rollout.completion.policy_version,
            "reward": rollout.reward,
            "advantage": advantage,
        }
        for group in groups
        for rollout, advantage in zip(group.rollouts, spread(group, (advantages or {}).get(group.index)))
    ]


def score_rows(
    groups: Sequence[Group], *, phase: int, step: int, weights: Mapping[str, float], kind: str = "train"
) -> list[dict[str, Any]]:
    """Return the rows of SCORES, one for each score; `weights` gives each named reward's weight at this step."""
    return [
        {
            **_identity(group, rollout, phase, step, kind),
            "name": name,
            "value": score.value,
            "weight": weights[name],
            "status": score.status.value,
            "reason": score.reason,
            "ms": score.ms,
            "extracted": score.extracted,
        }
        for group in groups
        for rollout in group.rollouts
        for name, score in rollout.scores.items()
    ]


def spread(group: Group, advantages: Sequence[float] | None) -> list[float | None]:
    """The advantages of a group's judged rollouts, with None in the places of the others; all None without any."""
    if advantages is None:
        return [None] * len(group.rollouts)
    left = iter(advantages)
    assert len(advantages) == len(group.judged)
    return [next(left) if rollout.judged else None for rollout in group.rollouts]


def _identity(group: Group, rollout: Rollout, phase: int, step: int, kind: str) -> dict[str, Any]:
    names = {"question_id": group.question.id, "group": group.index, "sample": rollout.sample}
    return {"phase": phase, "step": step, "kind": kind, **names}


def _as_floats(row: Mapping[str, Any], metrics: Sequence[str]) -> dict[str, Any]:
    return {**row, **{name: float(row[name]) for name in metrics if row.get(name) is not None}}


def _arrow_type(name: str) -> "pyarrow.DataType":
    import pyarrow as pa

    return pa.list_(pa.type_for_alias(name[1:-1])) if name.startswith("[") else pa.type_for_alias(name)


def _phase(path: Path) -> int:
    return int(re.search(r"phase-(\d+)", path.name)[1])
