"""Rules in the place of judges: never wrong as a held-out judge, as a judge of data as often as they are told to."""

import pytest
import torch

from r1lab.errors import ConfigError
from r1lab.rewards.preference import Scope
from r1lab.rewards.rules import RulePairJudge, RulePointJudge, RuleReward, Slips
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout, Status
from r1lab.verifiers.instructions import InstructionChecker

CHECK = InstructionChecker(0.8)
RULES = {"language": "en", "words": ["rain"]}
GOOD, BAD = "The rain falls on the town.", "The sun is out today."


def question(number=0, aspect="helpful", **details):
    return Question(
        f"q{number}", "Write of rain.", GOOD, "general", details={"aspect": aspect, "rules": RULES, **details}
    )


def rollout(text, asked, sample=0):
    completion = Completion(torch.tensor([1]), torch.zeros(1), Finish.STOP)
    return Rollout(asked, torch.tensor([0]), completion, parse_response(text), sample)


def test_the_reward_reads_what_its_scope_says_and_judges_its_aspect_alone():
    said = f"<think> {GOOD} </think> <answer> {BAD} </answer>"
    rollouts = [
        rollout(said, question()),
        rollout(said.replace(BAD, GOOD), question()),
        rollout(said, question(0, "harmless")),
    ]
    reward = RuleReward(0.0, CHECK, Scope("helpful", "summary"))
    assert [score.value for score in reward(rollouts)] == [0.0, 1.0, 0.0]
    assert reward(rollouts)[2].reason == "not a prompt for being helpful"
    whole = RuleReward(0.0, CHECK, Scope("helpful", "response"))
    assert [score.value for score in whole(rollouts[:1])] == [1.0], "the reasoning names it"
    assert (reward.aspect, reward.knows_gold) == ("helpful", False)


def test_pairs_are_judged_from_both_sides():
    judge = RulePairJudge(CHECK, Slips(0.0, rounds=2, seed=0))
    scores = judge([(question(), GOOD, BAD), (question(), BAD, GOOD), (question(), GOOD, GOOD + " So.")])
    assert [score.value for score in scores] == [2.0, -2.0, 0.0]


def test_slips_come_as_often_as_they_are_told_to():
    judge = RulePairJudge(CHECK, Slips(0.5, rounds=1, seed=0))
    scores = judge([(question(number), GOOD, BAD) for number in range(400)])
    assert judge([(question(7), GOOD, BAD)])[0] == scores[7], "a verdict is drawn once and for all"
    untouched = sum(score.value == 2.0 for score in scores) / 400
    # each of two askings is right with 0.5 + 0.5 / 5
    assert untouched == pytest.approx(0.36, abs=0.07)
    assert any(score.value < 0 for score in scores) and any(score.status is Status.DISAGREED for score in scores)
    others = RulePairJudge(CHECK, Slips(0.5, rounds=1, seed=1))([(question(n), GOOD, BAD) for n in range(400)])
    assert [score.value for score in others] != [score.value for score in scores]


def test_points_are_judged_and_sometimes_wrongly():
    sure = RulePointJudge(CHECK, Slips(0.0, rounds=1, seed=0))
    assert [score.value for score in sure([(question(), GOOD), (question(), BAD)])] == [1.0, 0.0]
    judge = RulePointJudge(CHECK, Slips(0.4, rounds=1, seed=0))
    scores = judge([(question(number), GOOD) for number in range(400)])
    # right twice: 0.8 ** 2; wrong twice: 0.2 ** 2; else it contradicts itself
    for value, share in ((1.0, 0.64), (0.0, 0.04)):
        found = sum(score.judged and score.value == value for score in scores) / 400
        assert found == pytest.approx(share, abs=0.07)
    assert sum(not score.judged for score in scores) / 400 == pytest.approx(0.32, abs=0.07)


def test_a_rule_that_is_not_known_is_a_fault_of_the_data():
    broken = question(0, rules={"rhymes": True})
    (score,) = RulePairJudge(CHECK, Slips(0.0, 1, 0))([(broken, GOOD, BAD)])
    assert score.status is Status.BAD_GOLD
    (score,) = RulePointJudge(CHECK, Slips(0.0, 1, 0))([(broken, GOOD)])
    assert score.status is Status.BAD_GOLD


def test_values_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="rounds"):
        Slips(0.1, 0, 0)
    for share in (-0.1, 1.5):
        with pytest.raises(ConfigError, match=f"share={share}"):
            Slips(share, 1, 0)
