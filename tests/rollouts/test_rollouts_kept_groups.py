"""Which groups train: those with something to compare, and those with something to learn."""

import torch

from r1lab.rollouts.selection import Informative, KeepAll
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout, Score, Status


def group(index, *rewards):
    """A group of these rewards; None is a score that was not judged."""
    question, completion = Question(f"q{index}", "?", "7"), Completion(torch.tensor([1]), torch.zeros(1), Finish.STOP)
    response = Response("7", None, "7", False)
    return Group(
        question,
        tuple(
            Rollout(question, torch.tensor([0]), completion, response, sample,
                    {"accuracy": Score(r or 0.0, Status.OK if r is not None else Status.TIMEOUT)}, r)
            for sample, r in enumerate(rewards)
        ),
        index,
    )  # fmt: skip


GROUPS = [group(0, 1.0, 0.0), group(1, 1.0, 1.0), group(2, 1.0, None), group(3, None, None), group(4, 0.0, None, 1.0)]


def kept(selection):
    return [g.index for g in selection(GROUPS)]


def test_two_judged_completions_can_be_compared():
    assert kept(KeepAll()) == [0, 1, 4]


def test_one_completion_trains_alone_where_no_more_were_sampled():
    alone = [group(0, 1.0), group(1, None), group(2, 0.0)]
    assert [g.index for g in KeepAll()(alone)] == [0, 2]


def test_equal_rewards_teach_nothing():
    assert kept(Informative()) == [0, 4]
