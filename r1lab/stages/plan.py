"""What a run has come to, in a few words: done, going on, or to do, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from r1lab.artifacts.address import NEUTRAL
from r1lab.config.nodes import leaves
from r1lab.disk import read_json
from r1lab.records.run import read_run
from r1lab.stages.base import without
from r1lab.stages.run import Run

SHOWN_DIFFERENCES = 3


def state(run: Run, waits: Iterable[str] = ()) -> str:
    """done; goes on; or to do, with the reason: what it `waits` for, or in what it is another run than those before."""
    newest = run.newest
    if run.done:
        return f"done in {minutes(run):.1f} minutes"
    if newest is not None:
        return "to do: what it made is not there any more" if newest.finished else "goes on where it stopped"
    if waits := ", ".join(dict.fromkeys(waits)):
        return f"to do: waits for {waits}"
    return f"to do: {difference(run)}"


def read_summary(run: Run) -> dict[str, Any]:
    """The summary.json of its newest attempt."""
    return read_json(run.newest.folder / "summary.json")


def minutes(run: Run) -> float:
    """How long its newest attempt was at work, over all starts that were not killed."""
    newest = run.newest
    return newest.run.get("seconds", 0.0) / 60 if newest else 0.0


def difference(run: Run) -> str:
    """In what it differs from that finished run of its name which is most like it."""
    own, *others = (
        dict(leaves(_by_place(without(config["stage"], run.stage.undeciding))))
        for config in [run.config, *finished(run)]
    )
    if not others:
        return "never done before"
    changed = min((changes(other, own) for other in others), key=len)
    if not changed:
        return "another seed, or other data"
    more = f" and {len(changed) - SHOWN_DIFFERENCES} more" if len(changed) > SHOWN_DIFFERENCES else ""
    return f"new are {', '.join(changed[:SHOWN_DIFFERENCES])}{more}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The keys whose values are not the same, with both.

    >>> changes({"plan.temperature": 1.0, "plan.questions": 8}, {"plan.temperature": 0.7, "plan.questions": 8})
    ['stage.plan.temperature: 1.0 -> 0.7']
    """
    keys = dict.fromkeys([*new, *old])
    # a run from before a setting existed did what the setting's neutral value says
    pairs = {key: [side.get(key, NEUTRAL.get(key.rpartition(".")[2])) for side in (old, new)] for key in keys}
    return [f"stage.{key}: {before} -> {now}" for key, (before, now) in pairs.items() if before != now]


def finished(run: Run) -> Iterator[dict[str, Any]]:
    """The configurations of all finished runs of its name."""
    for path in sorted((run.root / run.name).glob("*/attempt_*/run.json")):
        stored = read_run(path.parent)
        if stored.get("state") == "finished":
            yield stored["config"]


def _by_place(value: Any) -> Any:
    """Lists as mappings of their places, so that they are compared entry by entry."""
    if isinstance(value, Mapping):
        return {str(key): _by_place(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return {f"[{index}]": _by_place(entry) for index, entry in enumerate(value)}
    return value
