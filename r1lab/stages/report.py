"""The end of a run: summary.json, the figure, the table, two completions, all from the rows on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r1lab.disk import write_json_atomic
from r1lab.errors import StorageError
from r1lab.evaluation.report import (
    before_after_table,
    peak_rss_bytes,
    plot_loss,
    plot_training,
    sample_completions,
    summary,
)
from r1lab.records.loggers import JsonlLog
from r1lab.stages.base import Context
from r1lab.stages.card import store_policy
from r1lab.stages.watch import RunTables


def write_report(
    context: Context,
    tables: RunTables,
    description: str,
    base: str | None,
    checkpoint: Path,
    seconds: dict[str, float],
    weights: Mapping[str, Any],
) -> None:
    """Stores the policy, writes summary.json, training.png and report.txt into the run folder and shows the text.

    weights: of the rewards, for the policy's card.
    """
    evaluations, steps = tables.evaluations(), tables.steps.rows()
    before, after = evaluations[0], evaluations[-1]
    sampled = sum(row["tokens_sampled"] for row in steps) + sum(e["tokens_sampled"] for e in evaluations)
    numbers = summary(
        before, after, seconds, int(sampled), int(sum(row["tokens_trained"] for row in steps)), peak_rss_bytes()
    )
    table = before_after_table(before, after)
    policy = store_policy(context, checkpoint, description, base, f"```\n{table}\n```", seconds, weights)
    write_json_atomic(context.folder / "summary.json", {**numbers, "model": description, "policy": str(policy)})
    plot_training(steps, context.folder / "training.png", evaluations)
    context.say("")
    context.report(report_text(context, tables, description, before, after, seconds))


def write_sft_report(
    context: Context,
    description: str,
    base: str | None,
    given: int,
    epochs: int,
    checkpoint: Path,
    seconds: dict[str, float],
) -> None:
    """The same of supervised training; of the demonstrations that were given some may have been left out."""
    log = JsonlLog(context.folder / "log.jsonl")
    steps = log.rows()
    if not steps:
        raise StorageError(
            "The report cannot be written: its lines are lost; the policy is the last checkpoint.",
            f"{log.path} is empty",
            f"Take {checkpoint}, put the file back as it was, or start a new attempt: run.resume=never.",
        )
    trained = sum(row["tokens_trained"] for row in steps)
    # each epoch shows the same ones
    learned = round(sum(row["samples"] for row in steps) / epochs)
    loss = f"Loss: {steps[0]['loss']:.3f} -> {steps[-1]['loss']:.3f}"
    told = f"{learned:,} demonstrations, {len(steps):,} steps, {trained:,.0f} tokens of responses"
    if left_out := given - learned:
        told += (
            f"\nLeft out: {left_out:,} of {given:,} demonstrations, which are too long or which the tokenizer changes"
        )
    if lacking := log.lacking(steps[-1]["phase"]):
        told += f"\nNot counted here: {len(lacking)} steps whose lines log.jsonl has lost"
    policy = store_policy(context, checkpoint, description, base, f"{told}\n\n{loss}", seconds)
    numbers = {
        "demonstrations": learned, "left_out": left_out, "steps": len(steps), "tokens_trained": trained,
        "loss_first": steps[0]["loss"], "loss_last": steps[-1]["loss"], "seconds": seconds,
        "peak_rss_bytes": peak_rss_bytes(), "model": description, "policy": str(policy),
    }  # fmt: skip
    write_json_atomic(context.folder / "summary.json", numbers)
    plot_loss(steps, context.folder / "training.png")
    time = f"Time: {sum(seconds.values()) / 60:.1f} minutes"
    context.report("\n".join([description, told, loss, time, f"Figure: {context.folder / 'training.png'}"]))


def report_text(
    context: Context,
    tables: RunTables,
    description: str,
    before: dict[str, Any],
    after: dict[str, Any],
    seconds: dict[str, float],
) -> str:
    """What a person reads at the end."""
    rows = {kind: tables.first_samples(f"evaluation-{kind}") for kind in ("before", "after")}
    spent = ", ".join(f"{name} {value:.0f} s" for name, value in sorted(seconds.items(), key=lambda item: -item[1]))
    return "\n".join(
        [
            description,
            "",
            before_after_table(before, after),
            "",
            sample_completions(rows["before"], rows["after"]),
            "",
            f"Time: {sum(seconds.values()) / 60:.1f} minutes ({spent})",
            f"Figure: {context.folder / 'training.png'}",
        ]
    )
