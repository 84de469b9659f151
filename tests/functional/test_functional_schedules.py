"""Schedules at their edges."""

import pytest
from omegaconf import OmegaConf

from r1lab.functional.schedules import Constant, Cosine, Linear, Piecewise, Warmup, as_schedule


def test_constant_keeps_the_type():
    assert Constant(16)(0) == 16 and isinstance(Constant(16)(10**9), int)


def test_piecewise_changes_at_its_step():
    length = Piecewise([[0, 32768], [8200, 65536]])
    assert [length(s) for s in (0, 8199, 8200, 8201, 10**6)] == [32768, 32768, 65536, 65536, 65536]


def test_linear():
    # from 1 to 0 in 4 steps: 1, 3/4, 1/2, 1/4, 0, 0
    assert [Linear(1.0, 0.0, 4)(s) for s in (0, 1, 2, 3, 4, 99)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert Linear(0.1, 0.7, 3)(0) == 0.1 and Linear(0.1, 0.7, 3)(3) == 0.7


def test_cosine():
    # share (1 - cos(pi s / 4)) / 2: 0, 0.1464466, 0.5, 0.8535534, 1
    found = [Cosine(2.0, 0.0, 4)(s) for s in (0, 1, 2, 3, 4, 99)]
    assert found == pytest.approx([2.0, 1.7071068, 1.0, 0.2928932, 0.0, 0.0], abs=1e-7)
    assert Cosine(0.1, 0.7, 3)(0) == 0.1 and Cosine(0.1, 0.7, 3)(3) == 0.7


def test_warmup():
    assert [Warmup(4, 2.0)(s) for s in range(6)] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    assert Warmup(0, 3)(0) == 3
    # then = 8, 6, 4, 2, 0 at steps 0 to 4; halved at step 0, whole from step 1
    assert [Warmup(2, Linear(8.0, 0.0, 4))(s) for s in range(5)] == [4.0, 6.0, 4.0, 2.0, 0.0]


def test_as_schedule():
    schedule = Linear(1.0, 0.0, 4)
    assert as_schedule(schedule) is schedule
    assert as_schedule(0.5) == Constant(0.5)
    assert as_schedule([[0, 1], [5, 2]]) == Piecewise(((0, 1), (5, 2)))
    assert as_schedule(OmegaConf.create([[0, 1.0], [5, 2.0]]))(5) == 2.0


@pytest.mark.parametrize("value", ["1e-6", None, True, {"a": 1}, float("nan"), float("inf"), lambda step: 1])
def test_as_schedule_says_what_is_allowed(value):
    with pytest.raises(ValueError, match="a number, pairs of a step and a value"):
        as_schedule(value)


@pytest.mark.parametrize(
    ("points", "words"),
    [([], "step 0"), ([[5, 1.0]], r"step 0.*\[5\]"), ([[0, 1.0], [-3, 2.0]], "ascend"),
     ([["0", 1.0]], "pairs of a step"),
     ([[0, 1.0], [2.5, 2.0]], "pairs of a step"), ([[0, "x"]], "pairs of a step"), ([[0, True]], "pairs of a step"),
     ([[0, 1], [4, 2], [4, 3]], "ascend"), ([1, 2], "pairs of a step"), ([[0, 1, 2]], "pairs of a step"),
     ({0: 1.0, 5: 2.0}, r"as pairs: \[\[0, 1.0\], \[5, 2.0\]\], not")],
)  # fmt: skip
def test_bad_points(points, words):
    with pytest.raises(ValueError, match=words):
        as_schedule(points)


def test_bad_ramps():
    for make in (lambda: Linear(0.0, 1.0, 0), lambda: Cosine(0.0, 1.0, -1), lambda: Warmup(-1, 1.0)):
        with pytest.raises(ValueError, match="steps"):
            make()
    with pytest.raises(ValueError, match="end is 'x'"):
        Linear(0.0, "x", 2)
