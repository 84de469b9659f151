"""What passes the filters: each takes what it is for and nothing else."""

from dataclasses import replace

import pytest
import torch

from r1lab.errors import ConfigError
from r1lab.rollouts.screening import (
    Finished,
    NoCodeInReasoning,
    NotRepetitive,
    OneLanguage,
    Scored,
    ShortParagraphs,
    WellFormed,
    screened,
)
from r1lab.text.identify import ByFunctionWords
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Group, Question, Rollout, Score, Status

GOOD = "<think> First we add three and four, and the sum is 7. </think> <answer> 7 </answer>"


def rollout(text=GOOD, accuracy=1.0, status=Status.OK, finish=Finish.STOP, language="en", sample=0):
    question = Question("q", "What is 3+4?", "7", language=language)
    completion = Completion(torch.tensor([1, 2]), torch.zeros(2), finish)
    scores = {"accuracy": Score(accuracy, status, "answer differs")}
    return Rollout(question, torch.tensor([0]), completion, parse_response(text), sample, scores)


LANGUAGE = OneLanguage(0.9, ByFunctionWords())
MIXED = GOOD.replace("and the sum is 7", "然后我们得到七，这就是答案")


@pytest.mark.parametrize(
    "judge, bad, why",
    [
        (Scored("accuracy", 1.0), rollout(accuracy=0.0), "accuracy 0: answer differs"),
        (Scored("accuracy", 1.0), rollout(accuracy=0.9), "accuracy 0.9"),
        (Scored("accuracy", 1.0), rollout(status=Status.TIMEOUT), "not judged: timeout"),
        (Finished(), rollout(finish=Finish.LENGTH), "cut by the length limit"),
        (WellFormed(), rollout(GOOD + " So it is."), "text after </answer>"),
        (NotRepetitive(3, 0.3), rollout("<think> " + "so it is " * 9 + "</think> <answer> 7 </answer>"), "so it is"),
        (LANGUAGE, rollout(MIXED), "of its words are en"),
        (LANGUAGE, rollout(language="zh"), "0% of its words are zh"),
        (LANGUAGE, rollout(language="xx"), "'xx' is not known"),
        (ShortParagraphs(10), rollout(), "a paragraph of 11 words"),
        (NoCodeInReasoning(), rollout(GOOD.replace("First", "```python\n3+4\n```")), "a code block in the reasoning"),
    ],
)
def test_each_filter_takes_what_it_is_for(judge, bad, why):
    assert why in judge(bad)


def test_a_good_response_passes_them_all():
    everything = (Scored("accuracy", 1.0), Finished(), WellFormed(), NotRepetitive(3, 0.3), LANGUAGE,
                  ShortParagraphs(11), NoCodeInReasoning())  # fmt: skip
    assert [judge(rollout()) for judge in everything] == [None] * 7
    # two short paragraphs are no long one; code in the answer is none in the reasoning
    assert ShortParagraphs(9)(rollout(GOOD.replace("four, ", "four\n\n"))) is None
    assert NoCodeInReasoning()(rollout(GOOD.replace("> 7 <", "> ```7``` <"))) is None


def test_the_first_different_ones_are_kept_and_the_others_counted():
    texts = [GOOD, GOOD, GOOD.replace("First", "Now"), GOOD.replace("First", "Then"), GOOD + "!"]
    group = Group(Question("q", "?", "7"), tuple(rollout(text, sample=i) for i, text in enumerate(texts)))
    kept, gone = screened(group, {"correct": Scored("accuracy", 1.0), "well_formed": WellFormed()}, keep=2)
    assert [r.sample for r in kept] == [0, 2]
    assert gone == {"repeats": 1, "enough": 1, "well_formed": 1}


def test_the_first_filter_that_objects_is_counted():
    group = Group(Question("q", "?", "7"), (rollout(GOOD + "!", accuracy=0.0),))
    filters = {"correct": Scored("accuracy", 1.0), "well_formed": WellFormed()}
    assert screened(group, filters, 1)[1] == {"correct": 1}
    assert screened(group, dict(reversed(filters.items())), 1)[1] == {"well_formed": 1}


def test_a_reward_that_is_not_given_is_named():
    with pytest.raises(ConfigError, match=r"(?s)'helpful'; there are accuracy"):
        Scored("helpful", 0.5)(rollout())


@pytest.mark.parametrize(
    "make", [lambda: NotRepetitive(0, 0.3), lambda: NotRepetitive(3, 1.2), lambda: OneLanguage(-1, ByFunctionWords())]
)
def test_impossible_limits_are_refused(make):
    with pytest.raises((ConfigError, ValueError)):
        make()


def test_a_filter_may_look_at_one_aspect_alone():
    judge = Scored("accuracy", 1.0, aspect="helpful")
    assert judge(rollout(accuracy=0.0)) is None, "no general prompt"
    asked = replace(rollout(accuracy=0.0), question=Question("q", "?", "", "general", details={"aspect": "helpful"}))
    assert "answer differs" in judge(asked)
    assert judge(replace(asked, question=replace(asked.question, details={"aspect": "harmless"}))) is None
