"""The card of a policy that a run has made: what it is, from what, how good, at what cost; README.md beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from r1lab.artifacts.store import Store
from r1lab.config.reference import references
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
SHOWN = ("template", "optim", "objective", "plan", "data", "epochs", "batch_size", "max_steps", "ref_refresh_steps")
"""What of a stage's configuration is its recipe."""


def store_policy(
    context: Context, checkpoint: Path, description: str, scores: str, seconds: Mapping[str, float]
) -> Path:
    """Stores the Hugging Face folder of a run's last checkpoint as its policy, with a card; returns where it lies."""

    def build(folder: Path) -> None:
        from r1lab.training.checkpoint import copy_policy

        copy_policy(checkpoint, folder)
        (folder / "README.md").write_text(card(context, description, scores, seconds), encoding="utf-8")

    return context.put("policy", build).path


def card(context: Context, description: str, scores: str, seconds: Mapping[str, float]) -> str:
    """The text of a policy's card."""
    run, stage = context.record.run, context.config["stage"]
    spent = ", ".join(f"{name} {value:,.0f} s" for name, value in sorted(seconds.items(), key=lambda item: -item[1]))
    machine = run.get("machine", {})
    sections = {
        "Scores": scores,
        "Recipe": "```json\n" + json.dumps({k: stage[k] for k in SHOWN if k in stage}, indent=1, default=str) + "\n```",
        "Data": "\n".join(data_of(stage)) or "none of its own",
        "Lineage": "\n".join(lineage(context.config, context.store)) or "made of a base alone",
        "Cost": f"{sum(seconds.values()) / 60:,.1f} minutes ({spent}) on {machine.get('cores', '?')} cores of "
        f"{machine.get('cpu', 'an unknown processor')}, GPUs: {', '.join(machine.get('gpus', [])) or 'none'}",
        "Use": LOAD,
    }
    title = f"{context.config['model']['name']} after {run['experiment']}"
    lines = [f"# {title}", "", description, "", f"Run {context.record.id}, seed {context.seed}."]
    for name, text in sections.items():
        lines += ["", f"## {name}", "", text]
    return HEAD + "\n".join(lines) + "\n"


def data_of(stage: Mapping[str, Any]) -> Iterator[str]:
    """The sources of a mix with their weights, or the demonstrations, a line each."""
    mix = stage.get("mix") or {}
    for name, source in (mix.get("sources") or {}).items():
        where = source.get("path") or f"generated: {', '.join(source.get('families', []))}"
        yield f"- {name}, weight {mix['weights'][name]}: {where}"
    for name, source in (stage.get("data") or {}).items():
        if source is not None:
            yield f"- {name}: {source}"


def lineage(config: Mapping[str, Any], store: Store, depth: int = 0) -> Iterator[str]:
    """Every artifact that a run has read, and below it what went into that one."""
    named = {(kind, key): place for place, kind, key in references(config)}
    for (kind, key), place in named.items():
        yield f"{'  ' * depth}- {place}: {kind} {key}"
        yield from lineage((store.manifest(kind, key) or {}).get("config", {}), store, depth + 1)
