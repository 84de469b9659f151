"""Collectives over two real processes, and what they are with one."""

import json
import subprocess
import sys

import pytest
import torch

from r1lab import ranks

TWO = """
import json, os, sys
import torch
import torch.distributed as dist
from r1lab import ranks

rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
a, b, frozen = (torch.nn.Parameter(torch.zeros(n)) for n in (2, 3, 1))
wide = torch.nn.Parameter(torch.zeros(2, dtype=torch.float64))
frozen.requires_grad_(False)
a.grad = torch.tensor([1.0, 2.0]) * (rank + 1)
wide.grad = torch.tensor([1.0, -1.0], dtype=torch.float64) * (rank + 1)
if rank == 1:
    b.grad = torch.tensor([5.0, 6.0, 7.0])
ranks.sum_gradients([a, frozen, b, wide], bucket_bytes=8)
try:
    ranks.summed_by_name({"reward": 1.0} if rank else {"loss": 1.0})
    refused = False
except RuntimeError as error:
    refused = "loss" in str(error) or "reward" in str(error)
ranks.barrier()
print(json.dumps({
    "count": ranks.count(), "first": ranks.is_first(),
    "gathered": ranks.gathered([f"of {rank}"] * (rank + 1)),
    "from_first": ranks.from_first({"rank": rank}),
    "summed": ranks.summed([[2**40 + rank, 3], [4, 5]]),
    "highest": ranks.highest([rank, -rank, 7]),
    "by_name": ranks.summed_by_name({"b": 1 + rank, "a": 1e-12} if rank else {"a": 1.0, "b": 1}),
    "highest_by_name": ranks.highest_by_name({"a": rank - 3.0}),
    "gradients": [p.grad.tolist() for p in (a, b, wide)], "frozen": frozen.grad is None, "refused": refused,
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    store = tmp_path_factory.mktemp("ranks") / "store"
    started = [
        subprocess.Popen([sys.executable, "-c", TWO, str(rank), str(store)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    return [json.loads(process.communicate(timeout=120)[0].splitlines()[-1]) for process in started]


def test_every_rank_has_the_same(found):
    assert [f.pop("first") for f in found] == [True, False]
    assert found[0] == found[1]


def test_numbers_of_two_ranks(found):
    first = found[0]
    assert first["count"] == 2
    assert first["gathered"] == ["of 0", "of 1", "of 1"]
    assert first["from_first"] == {"rank": 0}
    # integers stay exact: 2^40 + 2^40 + 1 is beyond what float32 tells apart
    assert first["summed"] == [[2**41 + 1, 6], [8, 10]]
    assert first["highest"] == [1, 0, 7]
    # 1 + 1e-12 needs 64 bits
    assert first["by_name"] == {"a": 1 + 1e-12, "b": 3.0}
    assert first["highest_by_name"] == {"a": -2.0}


def test_gradients_are_summed_where_a_rank_has_none_too(found):
    # a: [1, 2] + [2, 4]; b: nothing + [5, 6, 7]; wide: [1, -1] + [2, -2]
    assert found[0]["gradients"] == [[3.0, 6.0], [5.0, 6.0, 7.0], [3.0, -3.0]]
    assert found[0]["frozen"]


def test_numbers_of_different_names_are_refused_by_all(found):
    assert found[0]["refused"] and found[1]["refused"]


def test_one_process_passes_through():
    assert ranks.count() == 1 and ranks.is_first()
    assert ranks.summed([[1, 2.5]]) == ranks.highest([[1, 2.5]]) == [[1, 2.5]]
    assert ranks.summed_by_name({"b": 2, "a": 1}) == {"a": 1.0, "b": 2.0}
    assert ranks.gathered([3]) == [3] and ranks.from_first("x") == "x"
    lonely = torch.nn.Parameter(torch.zeros(1))
    ranks.sum_gradients([lonely])
    assert lonely.grad is None
