"""Generated mathematics: the answers, the steps, the split."""

import random
import re
import subprocess
import sys
from itertools import islice

import pytest

from r1lab.data.tasks import (
    FAMILIES,
    LANGUAGES,
    LEVELS,
    GeneratedTasks,
    Task,
    generate,
    num_operations,
    split_of,
    task_of,
)
from r1lab.errors import DataError
from r1lab.types import Question


def test_steps_carry_a_mistake_on():
    task = Task("What is 7+5-3?", 7, (("+", 5), ("-", 3)))
    assert task.steps() == ("7+5=12", "12-3=9")
    assert task.answer == 9
    # 7+5 taken for 14: the next step starts from 14, 14-3=11
    assert task.steps({0: 2}) == ("7+5=14", "14-3=11")
    assert Task("", 34, (("max", 71), ("min", 52))).steps() == ("max(34,71)=71", "min(71,52)=52")


def test_operations_mean_what_they_say():
    # 6*7=42, 42-2=40, 40/8=5, min(5,9)=5, max(5,6)=6
    task = Task("", 6, (("*", 7), ("-", 2), ("/", 8), ("min", 9), ("max", 6)))
    assert task.values() == (6, 42, 40, 5, 5, 6)


def test_levels_ask_for_more_operations():
    assert [num_operations(level) for level in LEVELS] == [2, 2, 2, 3, 3]


@pytest.mark.parametrize("family", FAMILIES)
def test_each_step_holds_for_python(family):
    for trial in range(100):
        task = FAMILIES[family](random.Random(trial), 1 + trial % 5, "en")
        for left, right in (step.split("=") for step in task.steps()):
            assert eval(left) == int(right)
        assert int(right) == task.answer


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("level", LEVELS)
def test_expressions_agree_with_python(level, language):
    for family in ("sums", "products"):
        for trial in range(20):
            task = FAMILIES[family](random.Random(trial), level, language)
            expression = "".join(c for c in task.text if c in "0123456789+-*")
            assert eval(expression) == task.answer
            assert all(0 <= value <= 99 for value in task.values())


@pytest.mark.parametrize("level", LEVELS)
def test_equations_hold_for_their_answer(level):
    for trial in range(20):
        task = FAMILIES["equation"](random.Random(trial), level, "zh")
        left, right = task.text.split("：")[1].split("=")
        assert eval(left.replace("x", str(task.answer))) == int(right)


@pytest.mark.parametrize("level", LEVELS)
def test_digit_sums_and_extremes(level):
    for trial in range(20):
        task = FAMILIES["digits"](random.Random(trial), level, "zh")
        assert task.answer == sum(int(character) for character in task.text if character.isdigit())
        task = FAMILIES["extreme"](random.Random(trial), level, "en")
        numbers = [int(word) for word in re.findall(r"\d+", task.text)]
        assert task.answer == (max if "largest" in task.text else min)(numbers)


def test_stories_add_gains_and_take_away_losses():
    for trial in range(30):
        text, answer = (task := FAMILIES["story"](random.Random(trial), 3, "en")).text, task.answer
        head, *events = text.split(".")[0].split(", ")
        value = int(head.split()[2])
        for event in events:
            verb, number = event.split()
            value += int(number) if verb in ("buys", "finds", "gets") else -int(number)
        assert value == answer


def test_generate_is_a_pure_function_in_any_process():
    here = [generate(i, seed=3) for i in range(50)]
    assert here == [generate(i, seed=3) for i in range(50)]
    assert here != [generate(i, seed=4) for i in range(50)]
    code = "from r1lab.data.tasks import generate; print([generate(i, seed=3).id for i in range(50)])"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == str([question.id for question in here])


def test_id_is_the_text():
    questions = [generate(i, seed=1, families=("digits",), levels=(1,), languages=("zh",)) for i in range(2000)]
    assert len({q.id for q in questions}) == len({q.text for q in questions})
    assert {(q.level, q.language, q.source) for q in questions} == {(1, "zh", "digits")}


def test_splits_are_apart_and_one_in_eight():
    questions = [generate(i, seed=2) for i in range(4000)]
    heldout = sum(split_of(q.text) == "heldout" for q in questions) / 4000
    assert 0.11 < heldout < 0.14  # 1/8, three standard errors of 0.0052
    train = {q.text for q in islice(GeneratedTasks(5, "train"), 1000)}
    unseen = {q.text for q in islice(GeneratedTasks(5, "heldout"), 1000)}
    assert not train & unseen
    assert all(split_of(text) == "heldout" for text in unseen)


def test_random_access_equals_iteration():
    tasks = GeneratedTasks(5, "heldout", families=("sums",))
    assert [tasks(i) for i in (0, 3, 7)] == [list(islice(tasks, 8))[i] for i in (0, 3, 7)]


def test_spaces_are_large():
    """Few of the questions of any family, level and language come twice."""
    for family in FAMILIES:
        for language in LANGUAGES:
            texts = [generate(i, 1, (family,), (1,), (language,)).text for i in range(300)]
            assert len(set(texts)) > 180, (family, language)


def test_task_of_rebuilds_the_task():
    question = generate(11, seed=1)
    assert str(task_of(question).answer) == question.answer
    assert question.solution == ", ".join(task_of(question).steps())
    with pytest.raises(DataError, match="no worked steps"):
        task_of(Question(id="x", text="?", answer="1"))


def test_unknown_names_list_the_valid_ones():
    with pytest.raises(DataError, match="sums, products"):
        generate(0, 1, families=("sum",))
    with pytest.raises(DataError, match="en, zh"):
        generate(0, 1, languages=("de",))
    with pytest.raises(DataError, match="none at all"):
        generate(0, 1, levels=())
    with pytest.raises(DataError, match="train, heldout"):
        GeneratedTasks(1, "test")(0)
