"""Sampling whose rewards judge nothing makes no artifact."""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from stored_run import accuracy, groups, scored, store

from r1lab.errors import VerifierError
from r1lab.records.ledger import Ledger
from r1lab.rewards.rubric import FaultBudget
from r1lab.stages.sample import SampleStage
from r1lab.types import Score, Status


def write_chunk(folder, number, status):
    """A chunk whose completions all have that score of the reward `own`."""
    made = scored(groups(), {"accuracy": accuracy()})
    given = [
        dataclasses.replace(group, rollouts=tuple(
            dataclasses.replace(r, scores=r.scores | {"own": Score(0.0, status, "why")}) for r in group.rollouts
        ))
        for group in made
    ]  # fmt: skip
    store(folder, given, phase=number, kind="sample")


@pytest.mark.parametrize(
    "chunks, refused",
    [
        ([Status.CRASH], True),
        ([Status.ABSTAINED, Status.BAD_GOLD], True),
        ([Status.OK, Status.CRASH], False),
        ([Status.CRASH, Status.OK], False),
        ([Status.ABSTAINED, Status.ABSTAINED], False),
        ([Status.OK], False),
    ],
)
def test_a_reward_that_judges_nothing_in_any_chunk_is_refused(chunks, refused, tmp_path):
    for number, status in enumerate(chunks):
        write_chunk(tmp_path, number, status)
    stage = SimpleNamespace(fault_budget=FaultBudget(0.05, 1))
    with pytest.raises(VerifierError, match="12 of 12 own") if refused else nullcontext():
        SampleStage.require_judged(stage, Ledger(tmp_path), {"accuracy", "own"})
