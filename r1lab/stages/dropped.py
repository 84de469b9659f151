"""What the filters of a mix took out, for the person at the terminal and in the run folder."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from r1lab.data.mix import Mix
from r1lab.disk import json_text, replacing
from r1lab.stages.base import Context


def tell_dropped(context: Context, mix: Mix) -> None:
    """Writes dropped.jsonl, a line a question with filter and reason, and says the counts; nothing without either."""
    if not context.first_rank or not (mix.filters or mix.dropped):
        return
    with replacing(context.folder / "dropped.jsonl") as beside:
        beside.write_text("".join(json_text(asdict(row)) + "\n" for row in mix.dropped), encoding="utf-8")
    counts = Counter(row.filter for row in mix.dropped)
    found = ", ".join(f"{name} {counts[name]}" for name in dict.fromkeys([*counts, *mix.filters]))
    context.say(f"Left out: {counts.total()} questions ({found}); why: dropped.jsonl")
    if mix.unfiltered:
        context.say(f"  not filtered, because they are made one by one: {', '.join(mix.unfiltered)}")
