"""Groups are scored while others are sampled, and come back as they were handed over."""

import threading
from dataclasses import replace

import pytest
import torch

from r1lab.errors import Terminated
from r1lab.rollouts.scoring import Scoring
from r1lab.types import Completion, Finish, Question, Response, Rollout


def group(name, size=2):
    ids = torch.tensor([1, 2])
    completion = Completion(ids, torch.zeros(2), Finish.STOP, 0)
    question = Question(id=name, text=name, answer="7", domain="math")
    return [Rollout(question, ids, completion, Response("", None, None, False), sample) for sample in range(size)]


def by_name(rollouts):
    """A reward that can be told apart: number of the question plus a tenth of the sample."""
    return [replace(rollout, reward=float(rollout.question.id) + rollout.sample / 10) for rollout in rollouts]


def test_a_group_is_scored_before_the_next_one_is_sampled():
    scored = threading.Event()

    def score(rollouts):
        scored.set()
        return by_name(rollouts)

    with Scoring(score) as scoring:
        scoring.add(1, group("1"))
        assert scored.wait(10), "nothing is scored before all are sampled"
        scoring.add(0, group("0", size=3))
        results = scoring.results()
    assert {place: [r.reward for r in rollouts] for place, rollouts in results.items()} == {
        0: [0.0, 0.1, 0.2],
        1: [1.0, 1.1],
    }


def test_each_group_is_a_call_of_its_own_however_many_wait():
    calls, first_is_in, all_wait = [], threading.Event(), threading.Event()

    def score(rollouts):
        calls.append([rollout.question.id for rollout in rollouts])
        first_is_in.set()
        assert all_wait.wait(10)
        return by_name(rollouts)

    with Scoring(score) as scoring:
        scoring.add(3, group("3"))
        assert first_is_in.wait(10)
        for place in (1, 0):
            scoring.add(place, group(str(place)))
        all_wait.set()
        results = scoring.results()
    assert calls == [["3", "3"], ["1", "1"], ["0", "0"]]
    assert {place: rollouts[1].reward for place, rollouts in results.items()} == {0: 0.1, 1: 1.1, 3: 3.1}


def test_a_reward_that_raises_ends_the_sampling():
    def score(rollouts):
        raise ValueError("broken reward")

    with Scoring(score) as scoring:
        scoring.add(0, group("0"))
        with pytest.raises(ValueError, match="broken reward"):
            scoring.results()
    with Scoring(score) as scoring, pytest.raises(ValueError, match="broken reward"):
        for place in range(1000):  # long before the last one
            scoring.add(place, group("0"))
            threading.Event().wait(0.01)


def test_without_groups_there_are_no_results():
    with Scoring(by_name) as scoring:
        assert scoring.results() == {}


@pytest.mark.parametrize("error, waits", [(KeyboardInterrupt, False), (Terminated, False), (ValueError, True)])
def test_a_signal_does_not_wait_for_a_reward_that_never_returns(error, waits):
    goes_on, ended, is_in = threading.Event(), threading.Event(), threading.Event()

    def score(rollouts):
        is_in.set()
        goes_on.wait(1.0)
        ended.set()
        return by_name(rollouts)

    with pytest.raises(error), Scoring(score) as scoring:
        scoring.add(0, group("0"))
        assert is_in.wait(10)
        raise error
    assert ended.is_set() == waits
    goes_on.set()
