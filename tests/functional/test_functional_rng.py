"""Streams are functions of (seed, place), uniform, and the same on every machine."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from r1lab.functional.rng import hashed_index, permutation, seed_of, uniform_array, uniforms


def chi_square(counts, expected):
    return float(((np.asarray(counts) - expected) ** 2 / expected).sum())


def test_seed_tells_types_and_borders_apart():
    parts = [(1, "2"), ("1", 2), (1, 2), ("1", "2"), (12,), ("12",), ("1", "", "2"), (), ("",), (2, "1"), (-1,), (1,)]
    seeds = [seed_of(*p) for p in parts]
    assert len(set(seeds)) == len(parts)
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("part", [1.0, True, None, b"a", np.int64(1)])
def test_seed_refuses_other_types(part):
    with pytest.raises(TypeError, match=type(part).__name__):
        seed_of("run", part)


def test_same_numbers_in_another_process_and_forever():
    code = (
        "from r1lab.functional.rng import *\n"
        "print(seed_of('run', 3), permutation(6, 1), [hashed_index(c, 5, 1) for c in range(10)], "
        "uniform_array([7], 0, 1)[0, 0].hex())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    values = [seed_of("run", 3), permutation(6, 1), [hashed_index(c, 5, 1) for c in range(10)]]
    assert printed == " ".join(map(str, values)) + " " + float(uniforms([7], 0, 1)[0, 0]).hex()
    assert seed_of("run", 3) == 2796570041078154289
    assert permutation(6, 1) == [2, 0, 5, 3, 4, 1]
    assert [hashed_index(c, 5, 1) for c in range(10)] == [3, 2, 1, 0, 4, 4, 1, 2, 3, 0]


def test_first_uniform_by_plain_integers():
    mask = 2**64 - 1

    def mix(z):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    # The first output of splitmix64 seeded with 0 is 0xE220A8397B1DCDAF = mix of the golden constant.
    assert mix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF
    for seed, place in [(7, 0), (7, 5), (2**63 - 1, 123456)]:
        key = mix(seed)
        expected = (mix(mix((key + place * 0x9E3779B97F4A7C15) & mask) ^ key) >> 11) / 2**53
        assert uniform_array([seed], place, 1)[0, 0] == expected


def test_a_window_of_the_stream_is_the_stream():
    seeds = [seed_of(i) for i in range(5)]
    whole = uniforms(seeds, 0, 8)
    assert whole.dtype == torch.float64 and whole.shape == (5, 8)
    assert torch.equal(whole[:, 4:], uniforms(seeds, 4, 4))
    assert torch.equal(whole[2:3], uniforms(seeds[2:3], 0, 8))
    assert uniforms([], 0, 4).shape == (0, 4)
    assert uniforms(seeds, 3, 0).shape == (5, 0)


def test_uniform_along_and_across_streams():
    # 40 samples of 100 cells: 40 * 99 = 3960 degrees of freedom, deviation sqrt(2 * 3960) = 89, of which 3.3 are 294.
    along = uniform_array(range(40), 0, 20_000)
    across = uniform_array(range(20_000), 0, 40).T
    for samples in (along, across):
        assert samples.min() >= 0 and samples.max() < 1
        counts = [np.bincount((sample * 100).astype(int), minlength=100) for sample in samples]
        assert abs(sum(chi_square(count, 200) for count in counts) - 3960) < 294


def test_neighbors_do_not_correlate():
    draws = uniform_array(range(300), 0, 300)
    for a, b in ((draws[:, :-1], draws[:, 1:]), (draws[:-1], draws[1:])):
        # Standard error of a correlation of 89,700 pairs: 0.0033.
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.012


def test_permutation():
    assert sorted(permutation(1000, 3)) == list(range(1000))
    assert permutation(1000, 3) != permutation(1000, 4)
    assert permutation(1, 9) == [0] and permutation(0, 9) == []


@pytest.mark.parametrize("n", [1, 2, 3, 5, 16, 17, 100, 1000])
def test_hashed_index_visits_each_element_once_an_epoch(n):
    epochs = [[hashed_index(epoch * n + place, n, 7) for place in range(n)] for epoch in range(3)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert n < 16 or epochs[0] != epochs[1] != epochs[2]


def test_hashed_index_draws_every_order_alike():
    orders = {order: 0 for order in itertools.permutations(range(4))}
    for epoch in range(4800):
        orders[tuple(hashed_index(epoch * 4 + place, 4, 11) for place in range(4))] += 1
    # 24 orders, 23 degrees of freedom: 0.1 % exceed 49.7.
    assert chi_square(list(orders.values()), 200) < 49.7


def test_hashed_index_depends_on_the_seed_and_takes_huge_cursors():
    assert [hashed_index(c, 50, 1) for c in range(50)] != [hashed_index(c, 50, 2) for c in range(50)]
    assert 0 <= hashed_index(10**18, 10**9, 1) < 10**9
