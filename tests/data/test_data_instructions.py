"""Generated general prompts: the answer keeps the rules that the text states, every slip breaks one."""

import random
from collections import Counter

import pytest

from r1lab.data.instructions import FAMILIES, SENTENCES, SETS
from r1lab.data.mix import GeneratedSource
from r1lab.data.problem import SLIPS
from r1lab.types import Question
from r1lab.verifiers.instructions import InstructionChecker

CHECK = InstructionChecker(min_language_share=0.8)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_answers_keep_the_rules_and_slips_do_not(family, language):
    for level in (1, 2, 3, 4, 5):
        for seed in range(60):
            problem = FAMILIES[family](random.Random(f"{seed}"), level, language)
            question = Question("q", problem.text, problem.answer, "general", language, details=problem.details)
            assert CHECK(problem.answer, question).value == 1.0, problem
            assert len(problem.details[SLIPS]) >= 3
            for slip in problem.details[SLIPS]:
                score = CHECK(slip, question)
                assert score.value == 0.0 and score.judged, (problem.text, slip)


def test_texts_state_what_the_rules_ask():
    problem = FAMILIES["note"](random.Random("1"), 3, "en")
    rules = problem.details["rules"]
    assert all(word in problem.text for word in rules["words"])
    assert str(rules["least"]) in problem.text and str(rules["most"]) in problem.text
    assert problem.details["aspect"] == "helpful" and problem.domain == "general"


def test_higher_levels_leave_less_room():
    rooms = {}
    for level in (1, 5):
        problems = [FAMILIES["sentence"](random.Random(f"{i}"), level, "en") for i in range(200)]
        rooms[level] = max(p.details["rules"]["most"] - len(p.answer.split()) for p in problems)
    assert rooms == {1: 5, 5: 1}


def test_tables_are_alike_in_both_languages():
    assert len(SENTENCES["en"]) == len(SENTENCES["zh"])
    for english, chinese in SETS.values():
        assert len(english[1].split()) == len(chinese[1].split()) >= 7


@pytest.mark.parametrize("family", FAMILIES)
def test_each_level_has_questions_on_both_sides(family):
    for level in (1, 2, 3, 4, 5):
        source = GeneratedSource([family], [level], ["en", "zh"]).load("general")
        assert source.heldout(4) and source.train(0, seed=1)
    texts = {GeneratedSource([family], [1, 2, 3], ["en"]).train(i, 0).text for i in range(50)}
    held = {q.text for q in GeneratedSource([family], [1, 2, 3], ["en"]).heldout(20)}
    assert not texts & held and len(texts) > 10


def test_languages_come_in_equal_parts():
    source = GeneratedSource(list(FAMILIES), [1, 2, 3, 4, 5], ["en", "zh"])
    counts = Counter(source.train(i, seed=3).language for i in range(400))
    assert 150 < counts["en"] < 250 and counts.total() == 400
