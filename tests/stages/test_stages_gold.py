"""What is seen of the questions before anything expensive starts."""

from dataclasses import replace

import pytest

from r1lab.data.template import R1ZeroTemplate
from r1lab.errors import DataError
from r1lab.rewards.controls import RandomReward
from r1lab.rewards.format import FormatReward
from r1lab.rewards.preference import RewardModelReward, Scope
from r1lab.rewards.rubric import Rubric
from r1lab.stages.gold import check_aspects, check_gold
from r1lab.types import Finish, LabeledResponse, PreferencePair, Question

PROMPT = Question("general/1", "Why?", "", "general", details={"aspect": "harmless"})
SUM = Question("sum", "What is 3+4?", "7")


@pytest.mark.parametrize("item", [PreferencePair(PROMPT, "x", "y"), LabeledResponse(PROMPT, "x", 1.0)])
def test_what_reward_models_learn_from_is_not_asked(item):
    with pytest.raises(DataError) as caught:
        check_gold(Rubric({}), R1ZeroTemplate(), [PROMPT, item])
    assert f"general/1 is a {type(item).__name__}" in str(caught.value) and "mix=hh_harmless" in str(caught.value)


class Refusing(FormatReward):
    """Finds no completion well formed, gold ones included."""

    def __call__(self, rollouts):
        return super().__call__([replace(r, completion=replace(r.completion, finish=Finish.LENGTH)) for r in rollouts])


def test_a_reward_that_counts_later_is_tried_now():
    check_gold(Rubric({"format": FormatReward({0: 0, 5: 1})}), R1ZeroTemplate(), [SUM, PROMPT])
    check_gold(Rubric({"format": Refusing(0)}), R1ZeroTemplate(), [SUM])
    for weight in (1, {0: 0, 5: 1}):
        with pytest.raises(DataError, match="cut at the length limit"):
            check_gold(Rubric({"format": Refusing(weight)}), R1ZeroTemplate(), [SUM])


def liked(aspect, weight=1.0):
    return RewardModelReward(weight, None, Scope(aspect, "response"))


def test_general_prompts_need_a_reward_for_their_aspect():
    form = FormatReward(1.0)
    for rewards in ({"format": form}, {"r": liked("helpful")}, {"r": liked("harmless", 0), "format": form}):
        with pytest.raises(DataError) as caught:
            check_aspects(rewards, [SUM, PROMPT])
        assert "Nothing rewards being harmless" in str(caught.value) and "question general/1" in str(caught.value)
    check_aspects({"r": liked("harmless", {0: 0, 5: 1})}, [SUM, PROMPT])
    check_aspects({"format": form}, [SUM, replace(PROMPT, details={"aspect": "helpful", "rules": {"words": 3}})])
    check_aspects({"random": RandomReward(1.0, 0)}, [PROMPT])
