"""The majority vote: by hand, with ties, without answers, and apart for each question."""

import torch

from r1lab.rewards.controls import MajorityVote
from r1lab.types import Completion, Finish, Question, Response, Rollout

REWARD = MajorityVote(1.0)


def group(*answers, id="q", gold="0"):
    completion = Completion(torch.tensor([5, 2]), torch.zeros(2), Finish.STOP)
    return [
        Rollout(Question(id, "", gold), torch.tensor([1]), completion, Response("", None, answer, True), sample)
        for sample, answer in enumerate(answers)
    ]


def values(rollouts):
    return [score.value for score in REWARD(rollouts)]


def test_the_most_frequent_answer_wins():
    scores = REWARD(group("7", "8", "7", "9", None))
    assert [score.value for score in scores] == [1.0, 0.0, 1.0, 0.0, 0.0]
    assert [score.reason for score in scores[:2]] == ["2 of 4 votes, the most have 2", "1 of 4 votes, the most have 2"]
    assert scores[4].reason == "no answer" and all(score.judged for score in scores)


def test_equal_numbers_are_one_answer():
    assert values(group("1/2", "0.50", "50%", "2", "2")) == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_no_answer_never_wins():
    assert values(group(None, None, None, "8")) == [0.0, 0.0, 0.0, 1.0]
    assert values(group(None, None)) == [0.0, 0.0]
    assert values(group("$$", "$$", "", "8")) == [0.0, 0.0, 0.0, 1.0]  # nothing to read is no answer


def test_ties_all_win_whatever_the_order():
    answers = ("7", "8", "8", "7", "9")
    assert values(group(*answers)) == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert values(group(*answers)[::-1]) == [0.0, 1.0, 1.0, 1.0, 1.0]
    assert values(group("7", "8", "9")) == [1.0, 1.0, 1.0]


def test_the_truth_plays_no_part():
    assert values(group("7", "7", "8", gold="8")) == values(group("7", "7", "8", gold="7"))
    assert not MajorityVote.knows_gold


def test_every_question_votes_for_itself():
    one, two = group("7", "7", "8", id="one"), group("8", "8", "7", id="two")
    mixed = [rollout for pair in zip(one, two, strict=True) for rollout in pair]
    assert values(mixed) == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_nothing_to_vote_on():
    assert REWARD([]) == []
