"""pass@k, consensus and intervals against sums done by hand and against enumeration."""

import itertools
import math

import numpy as np
import pytest

from r1lab.functional.estimators import Interval, bootstrap, consensus, consensus_at_k, paired_bootstrap, pass_at_k


def same_number(a, b):
    return float(a) == float(b)


def never(a, b):
    raise AssertionError("equal texts need no comparison")


def test_pass_at_k_by_hand():
    # 1 of 4 right: pass@1 = 1/4; pass@2 = 1 - C(3,2)/C(4,2) = 1 - 3/6; 2 of 5: pass@3 = 1 - C(3,3)/C(5,3) = 1 - 1/10
    assert pass_at_k([[1, 0, 0, 0]], 1).tolist() == [0.25]
    assert pass_at_k([[0, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 0]], 2).tolist() == [0.5, 0.0, 1.0]
    assert pass_at_k([[True, False, True, False, False]], 3).tolist() == pytest.approx([0.9])
    assert pass_at_k(np.array([[0, 0, 0, 1]]), 4).tolist() == [1.0]


def test_pass_at_k_is_the_mean_over_all_subsets():
    row = [1, 0, 0, 1, 0, 0, 0]
    for k in range(1, 8):
        subsets = [any(row[i] for i in subset) for subset in itertools.combinations(range(7), k)]
        assert pass_at_k([row], k)[0] == pytest.approx(np.mean(subsets), abs=1e-12)


@pytest.mark.parametrize(("correct", "k"), [([[1, 0]], 3), ([[1, 0, 1], [1, 0]], 3), ([[1]], 0)])
def test_pass_at_k_refuses_too_few(correct, k):
    with pytest.raises(ValueError, match=f"pass@{k}"):
        pass_at_k(correct, k)


def test_consensus():
    assert consensus(["0.5", None, "3", ".5", "3.0", None, "7"], same_number) == [[0, 3], [2, 4], [6]]
    assert consensus([None, None], same_number) == []
    assert consensus(["a", "a", "a"], never) == [[0, 1, 2]]


def cons(answers, correct, k=None, seed=0, **more):
    return consensus_at_k(answers, correct, same_number, k or len(answers), seed, **more)


def test_majority_by_hand():
    assert cons(["3", "3.0", "4", "5"], [1, 1, 0, 0]) == 1.0
    assert cons(["3", "4", "4.0", "5"], [1, 0, 0, 0]) == 0.0
    # 3 and 4 tie with two votes each: one half
    assert cons(["3", "3", "4", "4", "5"], [1, 1, 0, 0, 0]) == 0.5
    # three-way tie
    assert cons(["3", "4", "5"], [1, 0, 0]) == pytest.approx(1 / 3)


def test_unparsed_answers_cannot_win():
    assert cons([None, None, None, "3"], [0, 0, 0, 1]) == 1.0
    assert cons([None, None, None, "4"], [0, 0, 0, 0]) == 0.0
    assert cons([None, None], [0, 0]) == 0.0
    assert cons([None], [1]) == 0.0


def test_subsets_approach_the_exact_expectation():
    answers, correct = ["3", "3", "3", "4", "4", "5", None, "6"], [1, 1, 1, 0, 0, 0, 0, 0]
    exact = np.mean([
        cons([answers[i] for i in subset], [correct[i] for i in subset])
        for subset in itertools.combinations(range(8), 4)
    ])  # fmt: skip
    assert cons(answers, correct, 4, num_subsets=4000) == pytest.approx(exact, abs=0.02)
    assert cons(answers, correct, 4) == cons(answers, correct, 4)
    assert cons(answers, correct, 4) != cons(answers, correct, 4, seed=1)
    # k = 1 is pass@1: 3 of 8
    assert cons(answers, correct, 1, num_subsets=4000) == pytest.approx(3 / 8, abs=0.03)


def test_consensus_refuses_too_few():
    with pytest.raises(ValueError, match="cons@4"):
        cons(["1", "2"], [0, 0], 4)
    with pytest.raises(ValueError, match="1 judgement"):
        cons(["1", "2"], [0], 2)


def test_bootstrap_against_the_normal_law():
    # 400 questions, 100 right: standard error sqrt(0.25 * 0.75 / 400) = 0.02165, 95 % = 0.25 +- 0.0424
    values = [1.0] * 100 + [0.0] * 300
    interval = bootstrap(values, seed=1)
    assert interval.mean == 0.25
    assert interval.low == pytest.approx(0.2076, abs=0.006)
    assert interval.high == pytest.approx(0.2924, abs=0.006)
    assert bootstrap(values, seed=1) == interval != bootstrap(values, seed=2)
    # 68.27 % are one standard error
    assert bootstrap(values, 1, level=0.6827).low == pytest.approx(0.25 - 0.02165, abs=0.004)


def test_bootstrap_covers_the_truth():
    draws = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        interval = bootstrap((draws.random(100) < 0.3).astype(float), trial, resamples=400)
        hits += interval.low <= 0.3 <= interval.high
    # 95 % of 200 = 190, standard deviation 3.1
    assert 178 <= hits <= 199


def test_bootstrap_of_one_value_and_of_none():
    assert bootstrap([0.5], 0) == Interval(0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="at least one question"):
        bootstrap([], 0)


def test_paired_is_narrower_than_apart():
    # b is worse than a by 0.1 on each question: the difference is sure, though the questions differ widely
    a = np.linspace(0, 1, 50)
    interval = paired_bootstrap(a, a - 0.1, seed=0)
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.1, 0.1, 0.1))
    assert bootstrap(a, 0).high - bootstrap(a, 0).low > 0.1
    with pytest.raises(ValueError, match="3 and 2"):
        paired_bootstrap([1, 2, 3], [1, 2], 0)


def test_large_counts_stay_exact():
    # C(n-c,k)/C(n,k) with n=1000, c=1 is 1 - k/n
    assert pass_at_k([[1] + [0] * 999], 500)[0] == pytest.approx(0.5, abs=1e-15)
    assert math.isfinite(pass_at_k([[1] * 500 + [0] * 500], 400)[0])
