"""What a benchmark reports: pass@k, consensus@k, and intervals by bootstrap over questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from r1lab.functional.rng import seed_of, uniform_array


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval."""

    mean: float
    low: float
    high: float


def pass_at_k(correct: Sequence[Sequence[bool]], k: int) -> np.ndarray:
    """Return, per question, the unbiased chance that one of k completions is right: 1 - C(n-c, k) / C(n, k).

    correct: Q rows of n judgements (n may differ) -> [Q] float64 (Chen et al. 2021; k=1 is the paper's pass@1 = c / n).
    Example: 1 right of 4 has pass@2 = 1 - C(3,2) / C(4,2) = 0.5. Raises ValueError where n < k: it cannot be known.
    """
    if k < 1 or any(len(row) < k for row in correct):
        raise ValueError(
            f"pass@{k} needs k >= 1 and k completions of each question; fewest: {min(map(len, correct), default=0)}."
        )
    return np.array([1 - math.comb(len(row) - _num_true(row), k) / math.comb(len(row), k) for row in correct])


def consensus(answers: Sequence[str | None], equal: Callable[[str, str], bool]) -> list[list[int]]:
    """Return classes of sample indexes whose answers are equal, in order of first appearance; None is in no class.

    An answer is compared with the first of each class, and never with its own text: ``equal`` may be costly.
    Example: ["1/2", None, "3", "0.5"] -> [[0, 3], [2]].
    """
    classes: dict[str, list[int]] = {}
    known: dict[str, str] = {}
    for index, answer in enumerate(answers):
        if answer is None:
            continue
        if answer not in known:
            known[answer] = next((first for first in classes if equal(first, answer)), answer)
        classes.setdefault(known[answer], []).append(index)
    return list(classes.values())


def consensus_at_k(
    answers: Sequence[str | None],
    correct: Sequence[bool],
    equal: Callable[[str, str], bool],
    k: int,
    seed: int,
    num_subsets: int = 200,
) -> float:
    """Return the expected correctness of the majority vote of k of the n samples of one question (the paper's cons@k).

    Ties split in expectation; unparsed answers (None) cannot win, and a vote of them alone is wrong. Exact for k = n,
    else the mean over ``num_subsets`` subsets that depend on the seed alone. Raises ValueError where n < k.
    """
    n = len(answers)
    if len(correct) != n or not 1 <= k <= n:
        raise ValueError(
            f"cons@{k} needs 1 <= k <= n and a judgement per answer; found n={n}, {len(correct)} judgements."
        )
    label = np.full(n, -1)
    for number, members in enumerate(consensus(answers, equal)):
        label[members] = number
    right = np.asarray(correct, dtype=np.float64)
    if k == n:
        return _vote(label, right)
    draws = uniform_array([seed_of(seed, number) for number in range(num_subsets)], 0, n)
    subsets = np.argsort(draws, axis=1, kind="stable")[:, :k]
    return float(np.mean([_vote(label[subset], right[subset]) for subset in subsets]))


def bootstrap(values: Sequence[float], seed: int, resamples: int = 2000, level: float = 0.95) -> Interval:
    """Return the mean over questions and its percentile interval under resampling of questions.

    values: [Q], one number per question. Raises ValueError where there is none.
    """
    # values [Q]
    numbers = np.asarray(values, dtype=np.float64)
    assert numbers.ndim == 1 and 0 < level < 1
    if not len(numbers):
        raise ValueError("An interval needs at least one question; found none.")
    draws = uniform_array([seed_of(seed, number) for number in range(resamples)], 0, len(numbers))
    means = numbers[(draws * len(numbers)).astype(np.int64)].mean(1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(numbers.mean()), float(low), float(high))


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], seed: int, resamples: int = 2000, level: float = 0.95
) -> Interval:
    """Return the mean of a - b over the same questions, [Q] each, with its interval."""
    if len(a) != len(b):
        raise ValueError(f"Paired values belong to the same questions; found {len(a)} and {len(b)}.")
    return bootstrap(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64), seed, resamples, level)


def _num_true(row: Sequence[bool]) -> int:
    assert all(value in (0, 1) for value in row), "judgements are 0 or 1"
    return int(sum(row))


def _vote(label: np.ndarray, right: np.ndarray) -> float:
    """Return the mean correctness of the winning classes, label -1 = unparsed; 0 where nobody can win."""
    parsed = label >= 0
    if not parsed.any():
        return 0.0
    votes = np.bincount(label[parsed])
    hits = np.bincount(label[parsed], weights=right[parsed])
    winners = votes == votes.max()
    return float((hits[winners] / votes[winners]).mean())
