"""Generated code questions: gold passes, slips fail, both splits apart, the same in every run, at every level."""

import ast
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "verifiers"))
from code_questions import checker

from r1lab.data.code_pieces import code_of, each_plus, minus, modulo, neighbors, plus, result_of, times
from r1lab.data.code_tasks import CODE_FAMILIES, CodeSource, CodeTasks
from r1lab.data.mix import Mix
from r1lab.errors import DataError, SandboxError

LEVELS, LANGUAGES = (1, 2, 3, 4, 5), ("en", "zh")


def tasks(family, split="train", seed=1, levels=LEVELS, languages=LANGUAGES):
    return CodeTasks(seed, split, (family,), levels, languages)


@pytest.mark.parametrize("family", CODE_FAMILIES)
def test_gold_passes_and_slips_fail_in_the_sandbox(family):
    """The gold code is run, the expected results come from functions written apart from it: they must agree."""
    judge, draw = checker(), tasks(family)
    try:
        judge.sandbox("print()", "", judge.limits)
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")
    for index in range(10):
        question = draw(index)
        assert judge(question.answer, question).reason == "all 5 tests pass", question
        for slip in question.details["slips"]:
            assert judge(slip, question).value == 0.0, (question, slip)


@pytest.mark.parametrize("family", CODE_FAMILIES)
def test_gold_agrees_with_the_expected_results(family):
    """Many questions without a sandbox: gold is our own code, so it may run here."""
    for index in range(200):
        question = tasks(family)(index)
        for test in question.details["tests"]:
            if family == "program":
                printed, names = [], {"input": lambda test=test: test["stdin"].strip(), "print": None}
                names["print"] = printed.append
                exec(question.answer, names)
                assert printed == [int(test["stdout"])]
            else:
                exec(question.answer, names := {})
                assert names["f"](*test["args"]) == test["expected"], question
        assert len(question.details["slips"]) == 3 and question.answer not in question.details["slips"]
        assert len({repr(test) for test in question.details["tests"]}) == 5


def test_by_hand():
    # (4+2)*3 = 18, 4*3%5 = 2, 4-9 = -5
    assert code_of("x", (plus(2), times(3))) == "(x+2)*3" and result_of((plus(2), times(3)), 4) == 18
    assert code_of("x", (times(3), modulo(5))) == "x*3%5" and result_of((times(3), modulo(5)), 4) == 2
    assert code_of("x", (minus(9),)) == "x-9" and result_of((minus(9),), 4) == -5
    assert code_of("v", (each_plus(2),)) == "[x+2 for x in v]" and result_of((each_plus(2),), [1, 5]) == [3, 7]
    # four kinds times eight constants, without the step itself
    assert len(list(neighbors((plus(2),), "x"))) == 31


@pytest.mark.parametrize("family", CODE_FAMILIES)
def test_levels_languages_and_length(family):
    steps = Counter()
    for level in LEVELS:
        for language in LANGUAGES:
            for index in range(20):
                question = tasks(family, levels=(level,), languages=(language,))(index)
                assert (question.level, question.language, question.domain) == (level, language, "code")
                assert any("\u4e00" <= letter <= "\u9fff" for letter in question.text) == (language == "zh")
                assert len(question.answer) < 100 and ast.parse(question.answer)
                steps[level] += len(ast.dump(ast.parse(question.answer)))
    assert steps[1] < steps[3] < steps[5]


@pytest.mark.parametrize("family", CODE_FAMILIES)
def test_training_and_held_out_programs_are_apart(family):
    train = {tasks(family)(index).answer for index in range(300)}
    heldout = {tasks(family, "heldout", seed=2)(index).answer for index in range(100)}
    assert train and heldout and not train & heldout


def test_a_bug_to_mend_shows_failing_tests_of_the_buggy_source():
    for index in range(200):
        question = tasks("repair")(index)
        buggy, shown = question.details["buggy"], question.text.replace("，使", "so that ").partition("so that ")[2]
        assert buggy in question.text and buggy != question.answer
        exec(buggy, wrong := {})
        exec(question.answer, right := {})
        for example in shown.split(", "):
            call, result = example.split("=")
            assert eval(call, wrong) != int(result) == eval(call, right), question


def test_the_same_question_in_every_run():
    one, other = (CodeTasks(3, "train", tuple(CODE_FAMILIES), LEVELS, LANGUAGES) for _ in range(2))
    assert [one(i) for i in range(20)] == [other(i) for i in range(20)]
    questions = [one(i) for i in range(500)]
    assert len({q.id for q in questions}) > 300
    # a text has one set of tests, wherever it comes
    assert len({q.text for q in questions}) == len({repr((q.text, q.details, q.answer)) for q in questions})
    assert one(0) != CodeTasks(4, "train", tuple(CODE_FAMILIES), LEVELS, LANGUAGES)(0)


def test_the_source_in_a_mix():
    mix = Mix({"code": CodeSource(["formula", "repair"], [1, 2], ["en"])}, {"code": 1}, seed=0)
    questions, _ = mix.draw(mix.start(), 20, step=0)
    heldout = mix.heldout(10)
    assert {q.source for q in questions} == {"formula", "repair"} and len({q.id for q in heldout}) == 10
    assert not {q.answer for q in questions} & {q.answer for q in heldout}


@pytest.mark.parametrize("wrong", [("sums", 1, "en"), ("formula", 6, "en"), ("formula", 1, "fr")], ids=str)
def test_unknown_choices_are_said(wrong):
    family, level, language = wrong
    with pytest.raises(DataError, match="Unknown"):
        CodeTasks(1, "train", (family,), (level,), (language,))(0)
