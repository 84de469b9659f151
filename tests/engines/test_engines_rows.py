"""Rows of one buffer come, grow, move and leave, and always hold what a plain concatenation would."""

import torch

from r1lab.engines.rows import RowCache


def states(*rows):
    """One head and one dimension: [n, 1, T, 1]."""
    return torch.tensor(rows, dtype=torch.float32)[:, None, :, None]


def held(cache, row):
    keys = cache.buffers[0, 0]
    return keys[row, 0, : cache.lengths[row], 0].tolist()


def filled():
    prompts = RowCache(2, 8)
    prompts.begin(2, 0, 3)
    prompts.update(states([1, 2, 3], [4, 5, 99]), states([1, 2, 3], [4, 5, 99]), 0)
    cache = RowCache(4, 8)
    cache.admit(prompts, torch.tensor([0, 0, 1]), torch.tensor([3, 3, 2]))  # 99 is padding
    return cache


def test_each_row_is_written_behind_its_own_end():
    cache = filled()
    positions, mask = cache.advance(torch.device("cpu"))
    assert positions.tolist() == [[3], [3], [2]]
    keys, _ = cache.update(states([7], [8], [9]), states([7], [8], [9]), 0)
    assert [held(cache, row) for row in range(3)] == [[1, 2, 3, 7], [1, 2, 3, 8], [4, 5, 9]]
    assert keys.shape == (3, 1, 4, 1)
    # the last row is one shorter: its padding was overwritten and what lies behind is not seen
    assert mask[:, 0, 0].tolist() == [[True] * 4, [True] * 4, [True, True, True, False]]


def test_the_last_row_takes_the_place_of_one_that_left():
    cache = filled()
    cache.move(torch.tensor([0]), torch.tensor([2]), 2)
    assert len(cache) == 2 and [held(cache, row) for row in range(2)] == [[4, 5], [1, 2, 3]]
    cache.advance(torch.device("cpu"))
    cache.update(states([6], [4]), states([6], [4]), 0)
    assert [held(cache, row) for row in range(2)] == [[4, 5, 6], [1, 2, 3, 4]]


def test_buffers_grow_up_to_the_bound_and_keep_what_they_hold(monkeypatch):
    monkeypatch.setattr("r1lab.engines.rows.ROOM", 1)
    cache = filled()
    sizes = {cache.buffers[0, 0].shape[2]}
    for token in range(10, 15):
        cache.advance(torch.device("cpu"))
        cache.update(states([token], [token], [token]), states([token], [token], [token]), 0)
        sizes.add(cache.buffers[0, 0].shape[2])
    # 3 + 1; then 5 + 1 and 1.5 * 4; then 8, not 1.5 * 6 = 9
    assert held(cache, 0) == [1, 2, 3, 10, 11, 12, 13, 14] and sizes == {4, 6, 8}
    assert held(cache, 2) == [4, 5, 10, 11, 12, 13, 14]


def test_a_later_row_finds_nothing_of_the_one_before_it():
    cache = filled()
    cache.move(torch.tensor([], dtype=torch.long), torch.tensor([], dtype=torch.long), 1)
    late = RowCache(1, 8)
    late.begin(1, 0, 1)
    late.update(states([50]), states([50]), 0)
    cache.admit(late, torch.tensor([0]), torch.tensor([1]))
    _, mask = cache.advance(torch.device("cpu"))
    cache.update(states([7], [51]), states([7], [51]), 0)
    assert held(cache, 1) == [50, 51] and mask[1, 0, 0].tolist() == [True, True, False, False]
