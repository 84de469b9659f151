"""What came of a run, from numbers to text and picture: the table with intervals, the figure, two completions."""

import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from r1lab.disk import replacing
from r1lab.paper.results import R1_ZERO, STAGES
from r1lab.text.columns import table

PARTS = {"accuracy_by_domain": "  {}", "accuracy_by_level": "  level {}"}
"""How questions are divided, with the title of a part's line."""

Numbers = Mapping[str, Any]
"""One evaluation as `evaluation/run.py` sums it up: pass_at_1 {mean, low, high}, cons_at_16, mean_length, ..."""


def before_after_table(before: Numbers, after: Numbers) -> str:
    """Return the table that says what training changed, each share with its 95 % interval, the paper beside it."""
    lines = [("", "before", "after", "gain", "paper (AIME 2024)")]
    lines.append(_share_line("pass@1", before["pass_at_1"], after["pass_at_1"], R1_ZERO["pass@1"]))
    lines.append(_share_line(f"cons@{after['samples']}", _cons(before), _cons(after), R1_ZERO["cons@k"]))
    for part, title in PARTS.items():
        names = sorted({*before[part], *after[part]})
        for name in names if len(names) > 1 else []:
            lines.append(_share_line(title.format(name), before[part].get(name), after[part].get(name)))
    shares = [{"mean": numbers["format_share"]} for numbers in (before, after)]
    lines.append(_share_line("right format", *shares))
    for name in dict.fromkeys([*before["scores"], *after["scores"]]):
        if name != "format":  # the share above
            lines.append(_share_line(name, before["scores"].get(name), after["scores"].get(name)))
    old, new = before["mean_length"], after["mean_length"]
    lines.append(("mean length", f"{old:,.1f} tokens", f"{new:,.1f} tokens", f"{new - old:+,.1f}", ""))
    return table(lines)


def stages_table(columns: Mapping[str, Numbers]) -> str:
    """Return evaluations of several policies beside one another, each share with its 95 % interval, the paper below."""
    samples = max(numbers["samples"] for numbers in columns.values())
    rows = {"pass@1": [n["pass_at_1"] for n in columns.values()], f"cons@{samples}": list(map(_cons, columns.values()))}
    domains = sorted({name for numbers in columns.values() for name in numbers["accuracy_by_domain"]})
    for name in domains if len(domains) > 1 else []:
        rows[f"  {name}"] = [numbers["accuracy_by_domain"].get(name) for numbers in columns.values()]
    for name in dict.fromkeys(name for numbers in columns.values() for name in numbers["scores"]):
        rows[name] = [numbers["scores"].get(name) for numbers in columns.values()]
    lines = [("", *columns)]
    lines += [(name, *map(_share, found)) for name, found in rows.items()]
    lines.append(("length", *(f"{numbers['mean_length']:,.1f}" for numbers in columns.values())))
    lines += [(f"paper: {name}", *(reported.get(title, "-") for title in columns)) for name, reported in STAGES.items()]
    return table(lines)


def gains_table(columns: Mapping[str, Mapping[str, Numbers]]) -> str:
    """Return what policies gain over others on the same questions, in points with 95 % intervals; "Dev2 - Dev1"."""
    names = dict.fromkeys(name for gained in columns.values() for name in gained)
    names = ["pass_at_1", *(name for name in names if name != "pass_at_1")]
    lines = [("gain, same questions", *columns)]
    lines += [(name.replace("_at_", "@"), *(_gain(gained.get(name)) for gained in columns.values())) for name in names]
    return table(lines)


def summary(
    before: Numbers,
    after: Numbers,
    seconds: Mapping[str, float],
    tokens_sampled: int,
    tokens_trained: int,
    peak_rss: int,
) -> dict[str, Any]:
    """Return the content of summary.json: each evaluation's numbers with ``_before`` and ``_after``, and the costs."""
    found: dict[str, Any] = {}
    for when, numbers in (("before", before), ("after", after)):
        names = ("pass_at_1", f"cons_at_{numbers['samples']}", "mean_length", "format_share", *PARTS)
        found |= {f"{name}_{when}": numbers[name] for name in names}
    found |= {"seconds": dict(seconds), "peak_rss_bytes": peak_rss}
    return {**found, "tokens_sampled": tokens_sampled, "tokens_trained": tokens_trained}


def sample_completions(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> str:
    """Return one question with what the policy wrote before and after training.

    before, after: rows of the rollouts table of the two evaluations. Of each question its first sample is looked at,
    and the question shown is the first whose reward rose most, so it shows what changed and not how often.
    """
    old, new = _first_samples(before), _first_samples(after)
    shared = [question for question in old if question in new]
    if not shared:
        return "No question was answered both before and after."
    best = max(shared, key=lambda question: _reward(new[question]) - _reward(old[question]))
    row = old[best]
    level = "" if row["level"] is None else f", level {row['level']}"
    title = f"Question {best}{level} (of the first samples, the one whose reward rose most)"
    texts = [f"--- {when}: {_verdict(found[best])}\n{_shortened(found[best]['text'])}" for when, found in
             (("before", old), ("after", new))]  # fmt: skip
    return "\n".join([title, _shortened(row["question"]), f"gold answer: {row['answer']}", *texts])


def plot_training(steps: Sequence[Mapping[str, Any]], path: Path, evaluations: Sequence[Numbers] = ()) -> None:
    """Draw accuracy and response length over steps as a PNG, as in the paper's Figure 1.

    steps: rows of the steps table (`step`, `reward/accuracy`, `length`): light lines. evaluations: held-out numbers
    with their `step`: lines with markers and 95 % intervals.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter, StrMethodFormatter

    figure = Figure(figsize=(11, 4.2), layout="constrained", facecolor="white")
    accuracy, length = figure.subplots(1, 2)
    _line(accuracy, *_series(steps, "reward/accuracy"), color="#b3cae0", label="training questions")
    _intervals(accuracy, evaluations, "pass_at_1", color="#1f5fa8", marker="o", label="pass@1, held out")
    # one vote or two are none: the most frequent answer is the first
    for k in sorted({numbers["samples"] for numbers in evaluations if numbers["samples"] > 2}):
        _intervals(accuracy, evaluations, f"cons_at_{k}", color="#d1601f", marker="s", label=f"cons@{k}, held out")
    accuracy.set(title="Accuracy", ylabel="share of right answers", ylim=(0, 1))
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))

    _line(length, *_series(steps, "length"), color="#b9dcc4", label="training questions")
    _line(length, *_series(evaluations, "mean_length"), color="#2b7a45", marker="o", linewidth=1.8, label="held out")
    length.set(title="Response length", ylabel="tokens", ylim=(0, 1.1 * length.get_ylim()[1]))
    for axis in (accuracy.xaxis, length.xaxis, length.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True))
        axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    for axes in (accuracy, length):
        axes.set_xlabel("optimizer steps")
        axes.grid(color="#e6e6e6", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.02)
        if axes.has_data():
            axes.legend(frameon=False, loc="best")
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150, format="png")


def plot_loss(steps: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the loss of supervised training over steps as a PNG; steps: rows with `step` and `loss`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.2), layout="constrained", facecolor="white")
    axes = figure.subplots()
    _line(axes, *_series(steps, "loss"), color="#1f5fa8")
    axes.set(title="Loss", xlabel="optimizer steps", ylabel="nats a token of a response")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=150, format="png")


def peak_rss_bytes() -> int:
    """Return the most memory this process ever held."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage may count what the process was before exec
        line = next(line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _share_line(name: str, before: Numbers | None, after: Numbers | None, paper: str = "") -> tuple[str, ...]:
    gain = f"{100 * (after['mean'] - before['mean']):+.1f} points" if before and after else "-"
    return name, _share(before), _share(after), gain, paper


def _share(found: Numbers | None) -> str:
    """Return "15.2% [12.1, 18.4]", without brackets where there is no interval, "-" where nothing was judged."""
    if found is None:
        return "-"
    brackets = f" [{100 * found['low']:.1f}, {100 * found['high']:.1f}]" if "low" in found else ""
    return f"{found['mean']:.1%}{brackets}"


def _gain(found: Numbers | None) -> str:
    """Return "+5.0 [+0.5, +9.5]", in points; "-" where nothing was judged."""
    return "-" if found is None else "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * x for x in found.values()))


def _cons(numbers: Numbers) -> Numbers | None:
    return numbers[f"cons_at_{numbers['samples']}"]


def _first_samples(rows: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Return each question's first sample by question id, in the order of the rows."""
    return {row["question_id"]: row for row in rows if row["sample"] == 0}


def _reward(row: Mapping[str, Any]) -> float:
    """Return the reward; a completion that was not judged earns 0 in this comparison."""
    return row["reward"] or 0.0


def _verdict(row: Mapping[str, Any]) -> str:
    reward = "not judged" if row["reward"] is None else f"reward {row['reward']:g}"
    answer = "no answer" if row["extracted"] is None else f"answer {row['extracted'].strip()}"
    return f"{reward}, {answer}, {len(row['completion_ids'])} tokens, ended by {row['finish']}"


def _shortened(text: str, limit: int = 1200) -> str:
    """Return the text, its middle left out where it is longer than a screen."""
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"


def _series(rows: Sequence[Mapping[str, Any]], name: str) -> tuple[list[float], list[float]]:
    """Return steps and values where there is one."""
    points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
    return [step for step, _ in points], [value for _, value in points]


def _line(axes: Any, x: list[float], y: list[float], **style: Any) -> None:
    if x:
        axes.plot(x, y, **{"linewidth": 1.2, "markersize": 5, **style})


def _intervals(axes: Any, evaluations: Sequence[Numbers], name: str, **style: Any) -> None:
    """Draw means with their intervals as bars."""
    points = [(numbers["step"], numbers[name]) for numbers in evaluations if numbers.get(name) is not None]
    if points:
        means = [found["mean"] for _, found in points]
        below = [found["mean"] - found["low"] for _, found in points]
        above = [found["high"] - found["mean"] for _, found in points]
        axes.errorbar(
            [step for step, _ in points], means, yerr=[below, above], capsize=3, markersize=5, linewidth=1.8, **style
        )
