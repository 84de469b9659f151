"""Rules of general prompts, by the corpus."""

import json
import time
from pathlib import Path

import pytest

from r1lab.types import Question
from r1lab.verifiers.instructions import InstructionChecker

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "corpora/instructions.jsonl").open()]
CHECK = InstructionChecker(min_language_share=0.8)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_corpus(case):
    question = Question("q", "", "x", "general", details={"rules": case["rules"]})
    start = time.monotonic()
    score = CHECK(case["answer"], question)
    assert (score.value, score.status) == (case["value"], case["status"]), score
    assert score.reason and time.monotonic() - start < 1.0
    assert CHECK.cheap(case["answer"], question) == score


def test_reasons_say_what_is_wrong():
    question = Question("q", "", "x", "general", details={"rules": {"language": "en", "most": 2, "words": ["rain"]}})
    assert CHECK("the rain falls", question).reason == "3 words, more than 2"
    assert CHECK("snow falls", question).reason == "rain is missing"
    assert CHECK("rain 轻轻地敲着", question).reason == "23% of the words are en"  # 1 of 1 + 5 / 1.5
    assert CHECK("rain", Question("q", "", "", "general")).reason.startswith("no rules")
