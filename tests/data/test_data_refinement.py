"""Refinement: the instruction carries question, response and language; what comes back belongs to the old question."""

import pytest
import torch

from r1lab.data.demonstrations import write_demonstrations
from r1lab.data.mix import Mix
from r1lab.data.refinement import Refinements, refined
from r1lab.errors import ConfigError, DataError
from r1lab.rollouts.products import Demonstrated
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Demonstration, Finish, Question, Rollout

ASK = "In {language}: {question} was answered by {response} - say it better."
SUM = Question("sum", "What is {3+4}?", "7", language="zh", details={"start": 3})


def source(path):
    return Refinements(str(path), ASK, {"zh": "Chinese"})


def test_every_demonstration_is_asked_for_in_its_language(tmp_path):
    write_demonstrations(tmp_path / "a.jsonl", [Demonstration(SUM, " <think> {response} </think> 7 ")])
    mix = Mix({"shown": source(tmp_path / "a.jsonl")}, {"shown": 1}, seed=0)
    (question,), _ = mix.draw(mix.start(), 1, 0)
    said = "In Chinese: What is {3+4}? was answered by <think> {response} </think> 7 - say it better."
    assert (question.text, question.answer, question.language) == (said, "7", "zh")
    assert refined(question) == SUM and refined(SUM) is SUM
    again = source("x").question(SUM, "another")
    assert question.id != again.id and refined(again) == SUM, "two demonstrations of a question are both refined"
    (digest,) = mix.digests().values()
    write_demonstrations(tmp_path / "a.jsonl", [Demonstration(SUM, "other")])
    assert [digest] != list(mix.digests().values())


def test_a_refined_response_is_a_demonstration_of_the_question_before():
    question = source("x").question(SUM, "old")
    text = "<think> better </think> <answer> 7 </answer>"
    done = Completion(torch.tensor([1, 2]), torch.zeros(2), Finish.STOP)
    rows = Demonstrated()([[Rollout(question, torch.tensor([0]), done, parse_response(text), 0)]], "w").rows
    assert rows[0]["question"]["text"] == SUM.text and rows[0]["question"]["details"] == {"start": 3}
    assert rows[0]["response"] == text


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(ConfigError, match=r"no \{language\}"):
        Refinements("x", "{question} {response}")
    for path in (None, "artifact:demonstrations/0f3a5c11d2e4"):
        with pytest.raises(DataError, match="no demonstrations to refine"):
            Refinements(path, ASK).load("shown")
        assert Refinements(path, ASK).digests() == {}
