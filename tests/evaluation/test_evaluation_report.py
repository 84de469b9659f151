"""The report says what the numbers say: signs, units, intervals, the paper beside."""

import json
import subprocess
import sys

import matplotlib.image
import numpy as np

from r1lab.evaluation.report import (
    before_after_table,
    gains_table,
    peak_rss_bytes,
    plot_training,
    sample_completions,
    stages_table,
    summary,
)


def share(mean: float, low: float, high: float) -> dict[str, float]:
    return {"mean": mean, "low": low, "high": high}


BEFORE = {
    "step": 0,
    "samples": 16,
    "pass_at_1": share(0.156, 0.12, 0.19),
    "cons_at_16": share(0.3, 0.25, 0.35),
    "format_share": 0.32,
    "mean_length": 12.5,
    "accuracy_by_domain": {"logic": share(0.1, 0.05, 0.2), "math": share(0.2, 0.1, 0.3)},
    "accuracy_by_level": {"1": share(0.4, 0.3, 0.5), "2": None},
    "scores": {"format": share(0.32, 0.3, 0.34), "language": share(0.8, 0.75, 0.85)},
}
AFTER = {
    "step": 80,
    "samples": 16,
    "pass_at_1": share(0.779, 0.74, 0.815),
    "cons_at_16": share(0.867, 0.82, 0.91),
    "format_share": 0.99,
    "mean_length": 1025.0,
    "accuracy_by_domain": {"logic": share(0.4, 0.3, 0.5), "math": share(0.9, 0.8, 1.0)},
    "accuracy_by_level": {"1": share(0.35, 0.3, 0.4), "2": share(0.2, 0.1, 0.3)},
    "scores": {"format": share(0.99, 0.98, 1.0), "language": share(0.7, 0.65, 0.75)},
}


def test_the_table_has_intervals_gains_and_the_paper():
    lines = before_after_table(BEFORE, AFTER).splitlines()
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]
    assert cells == [
        ["before", "after", "gain", "paper (AIME 2024)"],
        # 77.9 - 15.6 = 62.3
        ["pass@1", "15.6% [12.0, 19.0]", "77.9% [74.0, 81.5]", "+62.3 points", "15.6% -> 77.9%"],
        # 86.7 - 30.0 = 56.7
        ["cons@16", "30.0% [25.0, 35.0]", "86.7% [82.0, 91.0]", "+56.7 points", "-> 86.7% (self-consistency)"],
        # 40 - 10 = 30 and 90 - 20 = 70
        ["logic", "10.0% [5.0, 20.0]", "40.0% [30.0, 50.0]", "+30.0 points"],
        ["math", "20.0% [10.0, 30.0]", "90.0% [80.0, 100.0]", "+70.0 points"],
        # 35 - 40 = -5: a loss is shown as a loss
        ["level 1", "40.0% [30.0, 50.0]", "35.0% [30.0, 40.0]", "-5.0 points"],
        ["level 2", "-", "20.0% [10.0, 30.0]", "-"],
        ["right format", "32.0%", "99.0%", "+67.0 points"],
        ["language", "80.0% [75.0, 85.0]", "70.0% [65.0, 75.0]", "-10.0 points"],
        # 1025 - 12.5 = 1012.5
        ["mean length", "12.5 tokens", "1,025.0 tokens", "+1,012.5"],
    ]
    assert len({line.index(word) for line, word in zip(lines[1:4], ("77.9%", "86.7%", "40.0%"), strict=True)}) == 1


def test_the_table_of_the_stages_has_the_paper_s_rows_by_column():
    """Nature, Table 2 (R1-Zero, Dev1, Dev2, Dev3, R1); v2, Table 12 (base), Table 15 (distilled)."""
    titles = ("R1", "base", "Dev3", "student_by_RL", "Dev2", "distilled", "Dev1", "R1-Zero", "another")
    lines = stages_table({title: AFTER for title in titles}).splitlines()
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines if line.startswith("paper")]
    assert rows == [
        ["paper: AIME 2024 pass@1", "79.8%", "15.6%", "78.1%", "-", "74.0%", "28.9%", "59.0%", "77.9%", "-"],
        ["paper: IF-Eval", "83.3%", "58.6%", "78.1%", "-", "72.0%", "-", "71.7%", "46.6%", "-"],
        ["paper: AlpacaEval 2.0", "87.6%", "-", "62.1%", "-", "55.8%", "-", "50.1%", "24.7%", "-"],
        ["paper: Arena-Hard", "92.3%", "-", "75.6%", "-", "73.2%", "-", "77.0%", "53.6%", "-"],
    ]


def test_the_table_of_gains_is_in_points():
    found = gains_table({
        "Dev2 - Dev1": {"pass_at_1": share(0.05, 0.005, 0.095), "helpful": share(-0.1, -0.2, 0.01)},
        "R1 - Dev3": {"pass_at_1": share(0.0, -0.01, 0.01)},
    }).splitlines()  # fmt: skip
    assert [line.split("  ")[0] for line in found] == ["gain, same questions", "pass@1", "helpful"]
    assert "+5.0 [+0.5, +9.5]" in found[1] and found[1].endswith("+0.0 [-1.0, +1.0]")
    assert "-10.0 [-20.0, +1.0]" in found[2] and found[2].endswith(" -")


def test_the_table_stands_where_nothing_was_judged():
    nothing = {**BEFORE, "pass_at_1": None, "cons_at_16": None, "accuracy_by_domain": {}, "accuracy_by_level": {}}
    assert "pass@1        -  " in before_after_table(nothing, AFTER)


def test_the_summary_has_the_promised_keys_and_is_json():
    found = json.loads(json.dumps(summary(BEFORE, AFTER, {"sampling": 1.5}, 1000, 900, 2**30)))
    assert found["pass_at_1_before"] == {"mean": 0.156, "low": 0.12, "high": 0.19}
    assert found["pass_at_1_after"]["mean"] == 0.779 and found["cons_at_16_after"]["high"] == 0.91
    assert (found["cons_at_16_before"]["mean"], found["mean_length_before"], found["mean_length_after"]) == (
        0.3,
        12.5,
        1025,
    )
    assert found["accuracy_by_level_before"]["2"] is None and found["accuracy_by_level_after"]["2"]["mean"] == 0.2
    assert (found["format_share_before"], found["format_share_after"]) == (0.32, 0.99)
    costs = (found["seconds"], found["tokens_sampled"], found["tokens_trained"], found["peak_rss_bytes"])
    assert costs == ({"sampling": 1.5}, 1000, 900, 2**30)


def row(question: str, sample: int, reward: float | None, text: str = "text") -> dict:
    return {
        "question_id": question,
        "sample": sample,
        "reward": reward,
        "text": text,
        "level": 3,
        "question": f"what of {question}?",
        "answer": "7",
        "extracted": " 8 " if reward else None,
        "completion_ids": [1] * 34,
        "finish": "stop",
    }


def test_the_sample_shown_is_the_first_whose_reward_rose_most():
    # first samples rise by 0, 1, 2 (not judged counts 0), 2; "only-before" was not asked again; sample 1 is no first
    before = [
        row("a", 0, 1.0),
        row("b", 0, 0.5),
        row("c", 0, None, "cold"),
        row("d", 0, 0.0),
        row("only-before", 0, -9.0),
    ]
    after = [row("a", 0, 1.0), row("a", 1, 99.0), row("b", 0, 1.5), row("c", 0, 2.0, "warm"), row("d", 0, 2.0)]
    text = sample_completions(before, after)
    assert "Question c, level 3" in text and "what of c?" in text and "gold answer: 7" in text
    assert "--- before: not judged, no answer, 34 tokens, ended by stop\ncold" in text
    assert "--- after: reward 2, answer 8, 34 tokens, ended by stop\nwarm" in text
    assert sample_completions(before, []) == "No question was answered both before and after."


def test_a_long_completion_loses_its_middle():
    long = "A" * 1000 + "B" * 3000 + "C" * 1000
    text = sample_completions([row("a", 0, 0.0, long)], [row("a", 0, 1.0, "short")])
    assert "[... 3800 characters ...]" in text and text.count("A") == 600 and text.count("C") == 600


def test_the_figure_is_drawn_from_whatever_there_is(tmp_path):
    steps = [{"step": s, "reward/accuracy": s / 100, "length": 20.0 + s} for s in range(80)] + [
        {"step": 80, "length": None}
    ]
    during = {**BEFORE, "step": 40, "samples": 4, "cons_at_4": share(0.5, 0.4, 0.6), "pass_at_1": None}
    for name, arguments in {"full": (steps, [BEFORE, during, AFTER]), "no_eval": (steps, []), "none": ([], [])}.items():
        plot_training(arguments[0], tmp_path / f"{name}.png", arguments[1])
    pictures = {path.stem: matplotlib.image.imread(path) for path in tmp_path.iterdir()}
    assert {picture.shape[:2] for picture in pictures.values()} == {(630, 1650)}
    assert all(np.allclose(picture[0, 0, :3], 1.0) for picture in pictures.values())  # light background
    ink = {name: int((picture[..., :3].min(axis=2) < 0.95).sum()) for name, picture in pictures.items()}
    assert ink["none"] < ink["no_eval"] < ink["full"]


def test_peak_memory_follows_what_the_process_held():
    code = """
from r1lab.evaluation.report import peak_rss_bytes
first = peak_rss_bytes()
filled = b"x" * 200_000_000
del filled
print(peak_rss_bytes() - first)
"""
    grown = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 190_000_000 < grown < 260_000_000
    assert peak_rss_bytes() > 10_000_000
