"""Arms of an experiment beside one another: what each came to over its seeds, as a table and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r1lab.disk import replacing
from r1lab.evaluation.report import Numbers
from r1lab.text.columns import table

Curve = Sequence[Numbers]
"""The evaluations of one run, oldest first, as `evaluation/run.py` sums them up; those while it trains have a step."""
COLORS = ("#1f5fa8", "#d1601f", "#2b7a45", "#8a4bab", "#7d6a3b", "#4a4a4a")


def number(numbers: Numbers, place: str) -> float | None:
    """The number at a place, the mean where there is an interval; None where nothing was judged.

    >>> number({"scores": {"language": {"mean": 0.9, "low": 0.8, "high": 1.0}}}, "scores.language")
    0.9
    """
    found: Any = numbers
    for key in place.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found["mean"] if isinstance(found, Mapping) else found


def arms_table(curves: Mapping[str, Sequence[Curve]], shows: Mapping[str, str]) -> str:
    """Return one line for each number that is shown, one column for each arm: the last evaluation over all seeds."""
    lines = [("", *curves)]
    for title, place in shows.items():
        last = [[number(curve[-1], place) for curve in of_seeds] for of_seeds in curves.values()]
        lines.append((title, *(_over_seeds(values, _is_share(place)) for values in last)))
    return table(lines)


def plot_arms(curves: Mapping[str, Sequence[Curve]], shows: Mapping[str, str], path: Path) -> None:
    """Draw every number over the steps of training as a PNG: each seed thin, their mean thick, each arm a color.

    Where an arm has a single evaluation, the last ones stand beside one another: each seed a point, their mean a bar.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    figure = Figure(figsize=(5.2 * len(shows), 4.2), layout="constrained", facecolor="white")
    over_steps = all(len(curve) > 1 for of_seeds in curves.values() for curve in of_seeds)
    for axes, (title, place) in zip(figure.subplots(1, len(shows), squeeze=False)[0], shows.items()):
        for index, (arm, of_seeds) in enumerate(curves.items()):
            points = [[(n.get("step", 0), number(n, place)) for n in curve] for curve in of_seeds]
            known = [{step: value for step, value in of_seed if value is not None} for of_seed in points]
            if over_steps:
                _draw_curves(axes, known, COLORS[index % len(COLORS)], arm)
            else:
                ends = [list(of_seed.values())[-1] for of_seed in known if of_seed]
                _draw_ends(axes, ends, COLORS[index % len(COLORS)], index)
        if _is_share(place):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if over_steps:
            axes.set_xlabel("optimizer steps")
            axes.legend(frameon=False, loc="best")
        else:
            axes.set_xticks(range(len(curves)), list(curves), rotation=20, ha="right")
        axes.set_title(title)
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150, format="png")


def _draw_curves(axes: Any, of_seeds: Sequence[Mapping[int, float]], color: str, label: str) -> None:
    """Each seed, and the mean at the steps that all of them have."""
    for points in of_seeds:
        axes.plot(list(points), list(points.values()), color=color, linewidth=0.7, alpha=0.45)
    shared = sorted(set.intersection(*map(set, of_seeds)))
    means = [sum(points[step] for points in of_seeds) / len(of_seeds) for step in shared]
    axes.plot(shared, means, color=color, linewidth=2.2, label=label)


def _draw_ends(axes: Any, values: Sequence[float], color: str, place: int) -> None:
    """A point for each seed, and a bar for their mean."""
    if values:
        axes.bar(place, sum(values) / len(values), color=color, alpha=0.35, width=0.6)
        axes.plot([place] * len(values), values, "o", color=color, markersize=5)


def _is_share(place: str) -> bool:
    """Whether a number is a share of something, and is shown in percent: all but the length are."""
    return place != "mean_length"


def _over_seeds(values: Sequence[float | None], share: bool) -> str:
    """Return "91.0% (90.2 to 92.1)", "-" where nothing was judged."""
    known = [100 * value if share else value for value in values if value is not None]
    if not known:
        return "-"
    mean = sum(known) / len(known)
    return f"{mean:.1f}{'%' if share else ''} ({min(known):.1f} to {max(known):.1f})"
