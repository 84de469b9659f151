"""Arms of an experiment: means over seeds by hand, and a figure of whatever there is."""

from r1lab.evaluation.arms import arms_table, number, plot_arms


def numbers(share, length, step=None, language=None):
    scores = {} if language is None else {"language": {"mean": language, "low": 0.0, "high": 1.0}}
    found = {"pass_at_1": {"mean": share, "low": 0.0, "high": 1.0}, "mean_length": length, "scores": scores}
    return found if step is None else {**found, "step": step}


CURVES = {
    "short": [[numbers(0.1, 9.0, 0), numbers(0.5, 10.0, 20)], [numbers(0.1, 9.0, 0), numbers(0.8, 14.0, 20)]],
    "long": [[numbers(0.1, 9.0, 0), numbers(0.25, 30.0, 20, 0.5)], [numbers(0.1, 9.0, 0), numbers(0.25, 31.0, 20)]],
}
SHOWS = {"right": "pass_at_1", "language": "scores.language", "length": "mean_length"}


def test_the_table_has_the_last_evaluation_over_seeds():
    lines = [line.split("  ") for line in arms_table(CURVES, SHOWS).splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[0] == ["short", "long"]
    assert cells[1] == ["right", "65.0% (50.0 to 80.0)", "25.0% (25.0 to 25.0)"]
    assert cells[2] == ["language", "-", "50.0% (50.0 to 50.0)"], "what one seed lacks does not count"
    assert cells[3] == ["length", "12.0 (10.0 to 14.0)", "30.5 (30.0 to 31.0)"]


def test_a_number_is_found_where_it_stands():
    found = numbers(0.3, 7.0, language=0.9)
    assert (number(found, "pass_at_1"), number(found, "mean_length"), number(found, "scores.language")) == (
        0.3,
        7.0,
        0.9,
    )
    assert number(found, "scores.helpful") is None and number({"pass_at_1": None}, "pass_at_1") is None


def drawn(curves, tmp_path, monkeypatch):
    """What of each panel is drawn: (lines, bars)."""
    from matplotlib.figure import Figure

    kept = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: (kept.append(figure), path.write_bytes(b"x")))
    plot_arms(curves, SHOWS, tmp_path / "f.png")
    return kept[0].axes


def test_curves_are_drawn_over_steps_and_their_mean(tmp_path, monkeypatch):
    right, language, _ = drawn(CURVES, tmp_path, monkeypatch)
    means = {line.get_label(): list(line.get_ydata()) for line in right.lines if not line.get_label().startswith("_")}
    assert means == {"short": [0.1, 0.65], "long": [0.1, 0.25]}
    assert sum(line.get_label().startswith("_") for line in right.lines) == 4
    assert len(right.get_legend().get_texts()) == 2
    assert sorted(len(line.get_xdata()) for line in language.lines) == [0, 0, 0, 0, 0, 1], "one seed has one value"


def test_single_evaluations_stand_beside_one_another(tmp_path, monkeypatch):
    ends = {arm: [curve[-1:] for curve in of_seeds] for arm, of_seeds in CURVES.items()}
    right, _, length = drawn(ends, tmp_path, monkeypatch)
    assert [bar.get_height() for bar in right.patches] == [0.65, 0.25]
    assert [bar.get_height() for bar in length.patches] == [12.0, 30.5]
    assert [label.get_text() for label in length.get_xticklabels()] == ["short", "long"]


def test_the_figure_is_a_picture(tmp_path):
    plot_arms(CURVES, SHOWS, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
