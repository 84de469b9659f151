"""A model is compared with itself before a stage uses it: once for each model and way of computing."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1lab.artifacts.address import address, is_artifact
from r1lab.config.resolved import plain_config
from r1lab.disk import write_json_atomic
from r1lab.stages.base import Context
from r1lab.stages.policy import ModelChoice
from r1lab.training.strategy import Strategy

if TYPE_CHECKING:
    from r1lab.models.causal import CausalPolicy

PACKAGE = Path(__file__).resolve().parents[1]
COMPUTING = ("models", "engines", "functional")
"""Folders whose code decides what a model computes."""
LIBRARIES = ("torch", "transformers")
SPARE = 1.3
"""A model is compared on the GPU where so many times its size is free."""


def compare_once(
    context: Context,
    choice: ModelChoice,
    strategy: Strategy,
    engine: Callable[..., Any],
    model: Any,
    tokenizer: Any,
    longest: float,
    further: Callable[[CausalPolicy, Sequence[int]], Any] | None = None,
) -> None:
    """Compares engine, trainer and plain forward of a loaded model, unless this was done and kept before.

    What was found is kept below the artifacts, by the address of weights, settings and code. `further` compares what
    else a stage computes with the model. Raises ModelError where they disagree.
    """
    from r1lab.engines.agreement import compare, drawable
    from r1lab.models.causal import CausalPolicy

    kept = _kept(context, choice, strategy, engine, model, longest, further is not None)
    if kept is not None and kept.exists():
        return
    home = model.device
    if strategy.on_gpu and _fits(model):
        model.to("cuda")
    try:
        policy, ids = CausalPolicy(model, choice.compute()), drawable(tokenizer)
        found = compare(
            policy, lambda one: engine(policy=one, pad_id=tokenizer.pad_token_id), ids, longest, tokenizer.pad_token_id
        )
        if further is not None:
            further(policy, ids)
    finally:
        model.to(home)
    context.say(f"Checked: {found[-1]}")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_json_atomic(kept, [asdict(one) for one in found])


def _kept(context: Context, choice: ModelChoice, strategy: Strategy, engine: Any, model: Any, longest: float,
          further: bool) -> Path | None:  # fmt: skip
    """Where the finding lies; None where nothing says which weights these are."""
    if (weights := _weights(choice, model)) is None:
        return None
    facts = {
        "weights": weights,
        "attention": model.config._attn_implementation,
        "dtype": str(model.dtype),
        "compute": str(choice.compute()),
        "device": "gpu" if strategy.on_gpu else "cpu",
        "engine": plain_config(engine) if hasattr(engine, "__dataclass_fields__") else repr(engine),
        "longest": str(longest),
        "further": further,
        "code": _code(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    return Path(context.store.root) / "compared" / f"{address(facts)}.json"


def _weights(choice: ModelChoice, model: Any) -> Any:
    """What names the weights: an address, the digests of files, or the commit of a hub."""
    if choice.files is None:
        return choice.base
    if is_artifact(choice.files.source):
        return choice.origin
    if digests := choice.digests():
        return digests
    commit = getattr(model.config, "_commit_hash", None)
    return f"{choice.files.source}@{commit}" if commit else None


def _code() -> str:
    """A digest of the code that computes."""
    hashed = hashlib.blake2b(digest_size=8)
    for folder in COMPUTING:
        for file in sorted((PACKAGE / folder).glob("*.py")):
            hashed.update(file.read_bytes())
    return hashed.hexdigest()


def _fits(model: Any) -> bool:
    """Whether the GPU of this process has room for the model."""
    import torch

    size = sum(parameter.nbytes for parameter in model.parameters())
    return torch.cuda.mem_get_info()[0] > SPARE * size
