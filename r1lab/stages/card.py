"""The card of a policy that a run has made: what it is, from what, how good, at what cost; README.md beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from r1lab.artifacts.store import CARD, MANIFEST, Store
from r1lab.characters import shown
from r1lab.config.reference import references
from r1lab.disk import Lock, replacing
from r1lab.stages.base import Context

HEAD = """---
library_name: transformers
pipeline_tag: text-generation
tags: [r1lab]
---
"""
LOAD = """```python
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("FOLDER")
tokenizer = AutoTokenizer.from_pretrained("FOLDER")
```"""
SHOWN = (
    "template", "optim", "final_lr_share", "objective", "selection", "plan", "data", "epochs", "batch_size",
    "row_tokens", "max_steps", "ref_refresh_steps",
)  # fmt: skip
"""What of a stage's configuration is its recipe."""


def store_policy(
    context: Context,
    checkpoint: Path,
    description: str,
    base: str | None,
    scores: str,
    seconds: Mapping[str, float],
    weights: Mapping[str, Any] = MappingProxyType({}),
) -> Path:
    """Stores the Hugging Face folder of a run's last checkpoint as its policy, with a card; returns where it lies.

    base: the reference of the local base that it began with, None where it began with other weights.
    weights: of the rewards that it was trained by.
    """

    def build(folder: Path) -> None:
        from r1lab.training.checkpoint import copy_policy

        copy_policy(checkpoint, folder)
        text = card(context, description, context.parents(base), scores, seconds, weights)
        (folder / CARD).write_text(text, encoding="utf-8")

    return context.put("policy", build, base).path


def add_scores(folder: Path, found: str) -> None:
    """Writes on the card of a stored policy what an evaluation has found, once; a folder that has no card stays."""
    with suppress(OSError, ValueError, KeyError), Lock.take(folder.with_name(f"{folder.name}.lock"), wait=True):
        text, found = (folder / CARD).read_text(encoding="utf-8"), shown(found)
        stated = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        above, heading, below = text.partition("\n## Recipe")
        if heading and found not in above and CARD not in stated:
            with replacing(folder / CARD) as beside:
                beside.write_text(f"{above.rstrip()}\n\n{found}\n{heading}{below}", encoding="utf-8")


def base_card(description: str, recipe: Mapping[str, Any], loss: float) -> str:
    """The text of a local base's card."""
    told = {key: value for key, value in recipe.items() if key != "template"}
    sections = {"Scores": f"Loss: {loss:.3f}", "Recipe and data": _json(told), "Use": LOAD}
    return _page(f"{description[0].upper()}{description[1:]}", [], sections)


def card(
    context: Context,
    description: str,
    parents: Mapping[str, str],
    scores: str,
    seconds: Mapping[str, float],
    weights: Mapping[str, Any],
) -> str:
    """The text of a policy's card."""
    run, stage = context.record.run, context.config["stage"]
    spent = ", ".join(f"{name} {value:,.0f} s" for name, value in sorted(seconds.items(), key=lambda item: -item[1]))
    machine = run.get("machine", {})
    recipe = {key: stage[key] for key in SHOWN if key in stage}
    recipe |= {"rewards": dict(weights)} if weights else {}
    sections = {
        "Scores": scores,
        "Recipe": _json(recipe),
        "Data": "\n".join(data_of(stage)) or "none of its own",
        "Lineage": "\n".join(lineage(parents, context.store)) or "made of published weights alone",
        "Cost": f"{sum(seconds.values()) / 60:,.1f} minutes ({spent}) on {machine.get('cores', '?')} cores of "
        f"{machine.get('cpu', 'an unknown processor')}, GPUs: {', '.join(machine.get('gpus', [])) or 'none'}",
        "Use": LOAD,
    }
    title = f"{context.config['model']['name']} after {run['experiment']}"
    return _page(title, [description, f"Run {context.record.id}, seed {context.seed}."], sections)


def _page(title: str, told: Sequence[str], sections: Mapping[str, str]) -> str:
    parts = [f"# {title}", *told, *(f"## {name}\n\n{text}" for name, text in sections.items())]
    return HEAD + shown("\n\n".join(parts)) + "\n"


def _json(found: Mapping[str, Any]) -> str:
    return f"```json\n{json.dumps(found, indent=1, default=str)}\n```"


def data_of(stage: Mapping[str, Any]) -> Iterator[str]:
    """The sources of a mix with their weights, or the demonstrations, a line each."""
    mix = stage.get("mix") or {}
    for name, source in (mix.get("sources") or {}).items():
        where = source.get("path") or f"generated: {', '.join(source.get('families', []))}"
        yield f"- {name}, weight {mix['weights'][name]}: {where}"
    for name, source in (stage.get("data") or {}).items():
        if source is not None:
            yield f"- {name}: {source}"


def lineage(parents: Mapping[str, str], store: Store, depth: int = 0) -> Iterator[str]:
    """Every artifact that something comes from, and below it what went into that one."""
    named = {(kind, key): place for place, kind, key in references(parents)}
    for (kind, key), place in named.items():
        yield f"{'  ' * depth}- {place}: {kind} {key}"
        yield from lineage((store.manifest(kind, key) or {}).get("parents", {}), store, depth + 1)
