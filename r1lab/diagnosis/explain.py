"""A resolved objective as an equation with its numbers, and where a configuration is not the paper's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from r1lab.config.nodes import leaves
from r1lab.config.origins import Origin
from r1lab.functional.schedules import shown
from r1lab.paper.values import Reported
from r1lab.training.objective import Objective
from r1lab.training.optim import AdamW

UNSEEN = ("strategy", "name", "_target_", "_convert_", "_partial_")
"""Last words of keys that decide no number."""


def equation(objective: Objective, optim: AdamW) -> str:
    """What a step descends, term by term, each with its numbers (paper v1 Eqs. 1-3)."""
    kl, critic = objective.kl, objective.critic
    loss = ["surrogate"]
    if objective.corrects:
        loss.insert(0, "correction")
    summand = " * ".join(loss) + (f" + {shown(kl.coef)} KL" if objective.uses_reference and not kl.in_reward else "")
    lines = [
        ("loss", f"{objective.aggregate.formula} of [ {summand} ]"),
        ("surrogate", objective.surrogate.formula),
        ("ratio", objective.ratio.formula),
        ("A", advantage(objective)),
    ]
    if "correction" in loss:
        lines.append(("correction", objective.correction.formula))
    if objective.uses_reference:
        place = f", {shown(kl.coef)} times taken from the reward of each token" if kl.in_reward else ""
        lines.append(("KL", kl.formula + place))
    if critic is not None:
        squared = f"the squared error, clipped at {shown(critic.clip)}"
        lines.append(("V", f"a critic that descends half of {squared}, lr {shown(critic.optim.lr)}"))
    betas = f"betas {optim.beta1:g} and {optim.beta2:g}, weight decay {shown(optim.weight_decay)}"
    clipped = f"gradients clipped at norm {shown(optim.max_grad_norm)}"
    lines.append(("step", f"AdamW, lr {shown(optim.lr)}, {betas}, {clipped}"))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name.ljust(width)} = {text}" for name, text in lines)


def advantage(objective: Objective) -> str:
    """How rewards become advantages."""
    written = objective.advantage.formula
    if objective.critic is not None:
        written = f"GAE, lambda {shown(objective.critic.lam)}, of V and {written} at the last token"
    return f"{written}, then whitened over the phase" if objective.whiten else written


def departures(here: Mapping[str, Any], paper: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(key, the paper's value, the value here) of every number and choice that is not the same.

    A part of another kind is told by its kind alone: its keys are others.

    >>> list(departures({"optim": {"lr": 1e-3}}, {"optim": {"lr": 3e-6}}))
    [('optim.lr', '3e-06', '0.001')]
    """
    own, theirs = _flat(here), _flat(paper)
    others = tuple(
        key.removesuffix("_target_") for key in own if key.endswith("_target_") and own[key] != theirs.get(key)
    )
    for key in dict.fromkeys([*theirs, *own]):
        inside = any(key.startswith(part) and key != f"{part}_target_" for part in others if part)
        if (
            inside
            or own.get(key) == theirs.get(key)
            or (key.rpartition(".")[2] in UNSEEN and not key.endswith("_target_"))
        ):
            continue
        yield key.removesuffix("._target_"), _word(theirs.get(key)), _word(own.get(key))


def unlike_paper(here: Mapping[str, Any], known: Mapping[str, Reported]) -> Iterator[tuple[str, str, str, str]]:
    """(key, the paper's value, the value here, where the paper says it and why ours is another) where they differ.

    >>> list(unlike_paper({"max_steps": 1696}, {"max_steps": Reported(1700, "N", "whole phases")}))
    [('max_steps', '1700', '1696', 'N; whole phases')]
    """
    found = dict(leaves(here))
    for key, value in known.items():
        if not value.agrees(found.get(key)):
            values = value.value if isinstance(value.value, tuple) else (value.value,)
            where = "; ".join(filter(None, (value.source, value.why)))
            yield key, " or ".join(map(_word, values)), _word(found.get(key)), where


def from_where(key: str, value: Any, scale: str, places: Sequence[Origin], paper: Reported | None) -> str:
    """A value, the lines and words that set it in order, of which the last one holds, and the paper's."""
    lines = [f"{key} = {_word(value)}   ({scale})", ""]
    for origin in places:
        lines += [f"  {origin.place}", *(f"      {line}" for line in (*origin.why, origin.said))]
    if len(places) > 1:
        lines += ["", f"{len(places)} places set it; the last one holds."]
    if not places:
        lines += ["  no file: the default of the class that it belongs to"]
    values = paper.value if paper and isinstance(paper.value, tuple) else (paper.value,) if paper else ()
    said = f"{' or '.join(map(_word, values))} ({paper.source})" if paper else "reports no value of it"
    return "\n".join([*lines, "", f"The paper: {said}"])


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in leaves(tree) if not key.startswith("strategy")}


def _word(value: Any) -> str:
    """A value in a table; classes by their last name."""
    if value is None:
        return "-"
    if isinstance(value, str) and value.startswith("r1lab."):
        return value.rpartition(".")[2]
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, Mapping, Sequence)):
        return str(value)
    return shown(value) if isinstance(value, (int, float)) else str(value)
