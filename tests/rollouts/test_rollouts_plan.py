"""The arithmetic of a phase."""

import dataclasses

import pytest

from r1lab.rollouts.plan import RolloutPlan, nearest_divisors

PLAN = RolloutPlan(
    questions=512, group_size=16, minibatches=16, inner_epochs=1, max_new_tokens=[[0, 32768], [8200, 65536]],
    temperature=1.0, top_p=1.0, top_k=0, old_logprobs="recompute", microbatch_tokens=1,
    activation_checkpointing="auto",
)  # fmt: skip


def test_the_paper_fits_on_any_power_of_two_ranks_up_to_32():
    assert PLAN.updates == 16
    for world_size in (1, 2, 4, 8, 16, 32):
        assert PLAN.faults(world_size, 2) == []
    assert PLAN.faults(64, 2) and PLAN.faults(3, 2)


def test_every_fault_at_once_with_values_that_fit():
    faults = dataclasses.replace(PLAN, minibatches=15, group_size=1, old_logprobs="guess").faults(1, 2)
    assert len(faults) == 3
    # divisors of 512 nearest to 15: 16, 8, 32; multiples of 15 around 512: 510, 525
    assert "8, 16, 32" in faults[1] and "510, 525" in faults[1]


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_each_minibatch_and_the_split_is_theirs_together(world_size):
    plan = dataclasses.replace(PLAN, questions=16, minibatches=2)
    whole = plan.assignment(seed=3, phase=5, rank=0, world_size=1)
    parts = [plan.assignment(3, 5, rank, world_size) for rank in range(world_size)]
    for k in range(2):
        assert sorted(i for part in parts for i in part[k]) == sorted(whole[k])
        assert {len(part[k]) for part in parts} == {8 // world_size}
    assert sorted(i for part in whole for i in part) == list(range(16))


def test_the_split_is_random_and_repeatable():
    plan = dataclasses.replace(PLAN, questions=64, minibatches=4)
    assert plan.assignment(0, 1, 0, 1) == plan.assignment(0, 1, 0, 1)
    assert plan.assignment(0, 1, 0, 1) != plan.assignment(0, 2, 0, 1) != plan.assignment(1, 2, 0, 1)


def test_nearest_divisors():
    assert nearest_divisors(12, 2, 4) == [2, 3, 6]  # of 1, 2, 3, 6: factors 4, 2, 1.33, 1.5
    assert nearest_divisors(7, 2, 4) == []
