"""Rows that hang on one prompt attend to what a plain attention over prompt and own tokens would."""

import pytest
import torch

from r1lab.engines.groups import GroupCache
from r1lab.engines.rows import RowCache

HEADS, REPEATED, WIDTH = 2, 3, 4
CPU = torch.device("cpu")


class Twin:
    """The same rows as plain lists of keys and values [H, D], one entry a token, attended to row by row."""

    def __init__(self):
        self.rows = []

    def attend(self, queries, keys, values):
        found = []
        for row, query, key, value in zip(self.rows, queries, keys, values):
            row.append((key, value))
            all_keys, all_values = (torch.stack(part, dim=1) for part in zip(*row))  # [H, L, D]
            shares = (query @ all_keys.transpose(1, 2) / WIDTH**0.5).softmax(-1)
            found.append(shares @ all_values)
        return torch.stack(found)


def admit(cache, twin, lengths, owner):
    """Prompts of these lengths with random keys and values; row r hangs on the prompt owner[r]."""
    read = torch.randn(2, len(lengths), HEADS, max(lengths), WIDTH, dtype=torch.float64)
    prompts = RowCache(len(lengths), max(lengths))
    prompts.begin(len(lengths), 0, max(lengths))
    prompts.update(read[0], read[1], 0)
    cache.admit(prompts, torch.tensor(owner), torch.tensor(lengths)[owner])
    for p in owner:
        twin.rows.append([(read[0, p, :, t], read[1, p, :, t]) for t in range(lengths[p])])


def step(cache, twin):
    num = len(cache)
    queries = torch.randn(num, HEADS, REPEATED, WIDTH, dtype=torch.float64)
    keys, values = torch.randn(2, num, HEADS, WIDTH, dtype=torch.float64)
    lengths = [len(row) for row in twin.rows]
    positions, mask = cache.advance(CPU)
    assert positions.squeeze(1).tolist() == lengths
    added = torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -torch.inf)
    cache.update(keys, values, 0)
    shares = (cache.scores(queries / WIDTH**0.5, 0) + added).softmax(-1)
    torch.testing.assert_close(cache.mixed(shares, 0), twin.attend(queries, keys, values))


def leave(cache, twin, holes, movers, num_rows):
    cache.move(torch.tensor(holes, dtype=torch.long), torch.tensor(movers, dtype=torch.long), num_rows)
    for hole, mover in zip(holes, movers):
        twin.rows[hole] = twin.rows[mover]
    del twin.rows[num_rows:]


def test_rows_come_leave_and_move_and_attend_to_their_own_prompt():
    torch.manual_seed(0)
    cache, twin = GroupCache(8, 40, torch.float64), Twin()
    admit(cache, twin, [5, 3, 4], [0, 0, 0, 1, 2])
    for _ in range(3):
        step(cache, twin)
    leave(cache, twin, [1], [4], 4)  # the only row of the last prompt takes the place of one of the first prompt
    step(cache, twin)
    assert len(cache.prompt_lengths) == 3
    leave(cache, twin, [0, 1], [2, 3], 2)  # the last prompt is without rows; two of three stay
    step(cache, twin)
    admit(cache, twin, [2, 7], [1, 1, 0])
    assert cache.prompt_lengths.tolist() == [5, 3, 2, 7], "what no row hangs on is forgotten"
    for _ in range(2):
        step(cache, twin)
    leave(cache, twin, [], [], 1)
    assert cache.prompt_lengths.tolist() == [5]
    step(cache, twin)


@pytest.mark.parametrize("steps", [0, 1, 150])
def test_few_rows_that_took_their_prompts_attend_to_the_same(steps):
    torch.manual_seed(0)
    cache, twin = GroupCache(1000, 400, torch.float64), Twin()
    admit(cache, twin, [5, 3, 4], [0, 0, 1, 2, 2])
    for _ in range(steps):  # after none there is no buffer yet, and after 150 it has grown
        step(cache, twin)
    leave(cache, twin, [0], [4], 4)
    cache.absorb()
    for _ in range(3):
        step(cache, twin)
    assert {buffer.shape[0] for buffer in cache.written.buffers.values()} == {4}, "memory of the rows that are left"
    leave(cache, twin, [1], [3], 3)
    cache.absorb()  # twice does no harm
    for _ in range(140):
        step(cache, twin)


def test_a_prompt_is_held_once_whatever_its_group_is():
    cache, twin = GroupCache(16, 8, torch.float64), Twin()
    admit(cache, twin, [6], [0] * 16)
    assert [tuple(buffer.shape) for buffer in cache._prompts.values()] == [(1, HEADS, 6, WIDTH)] * 2
    assert cache.written.lengths.tolist() == [0] * 16
