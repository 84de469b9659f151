"""Shuffled gold is a control in every domain: true golds have full marks by accuracy and none by it."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from r1lab.data.code_tasks import CodeSource
from r1lab.data.mix import GeneratedSource
from r1lab.data.tasks import FAMILIES, instructions, puzzles, stem
from r1lab.errors import SandboxError
from r1lab.rewards.controls import ShuffledGold
from r1lab.types import Completion, Finish, Question, Response, Rollout, Status
from r1lab.verifiers.sandbox import LocalSandbox

CONF = Path(__file__).parents[2] / "conf"
LEVELS, LANGUAGES = [1, 2, 3, 4, 5], ["en", "zh"]
SOURCES = {
    "math": GeneratedSource(list(FAMILIES), LEVELS, LANGUAGES),
    "stem": GeneratedSource(list(stem.FAMILIES), LEVELS, LANGUAGES),
    "logic": GeneratedSource(list(puzzles.FAMILIES), LEVELS, LANGUAGES),
    "general": GeneratedSource(list(instructions.FAMILIES), LEVELS, LANGUAGES),
    "code": CodeSource(["formula", "listing", "text", "program", "repair"], [1, 2, 3], LANGUAGES),
}


def says(question, answer, sample=0):
    completion = Completion(torch.tensor([5, 2]), torch.zeros(2), Finish.STOP)
    response = Response(answer, None, answer, well_formed=True)
    return Rollout(question, torch.tensor([1]), completion, response, sample)


@pytest.mark.parametrize("domain", SOURCES)
def test_true_golds_have_all_by_accuracy_and_none_by_the_control(domain, accuracy):
    if domain == "code":
        try:
            assert LocalSandbox(["bubblewrap", "landlock"]).way
        except SandboxError as error:
            pytest.skip(f"nothing here isolates: {error}")
    questions = SOURCES[domain].heldout(24 if domain == "code" else 120)
    golds = [says(question, question.answer) for question in questions]
    assert {(s.value, s.status) for s in accuracy(golds)} == {(1.0, Status.OK)}
    control = ShuffledGold(1.0, accuracy, seed=0)
    # no coincidences: a gold that the true one satisfies is not taken
    assert {(s.value, s.status) for s in control(golds)} == {(0.0, Status.OK)}
    # and it pays: what satisfies the other gold has full marks
    swapped = control._swapped(golds)
    others = [says(question, swapped[question.id].answer) for question in questions]
    assert {(s.value, s.status) for s in control(others)} == {(1.0, Status.OK)}
    assert swapped == control._swapped(golds[::-1])


def test_kinds_of_puzzles_are_not_mixed(accuracy):
    questions = SOURCES["logic"].heldout(120)
    swapped = ShuffledGold(1.0, accuracy, seed=0)._swapped([says(q, "") for q in questions])
    assert Counter(q.details["kind"] for q in questions) == Counter(q.details["kind"] for q in swapped.values())
    assert len({q.details["kind"] for q in questions}) > 4


def test_letters_that_name_the_same_are_no_wrong_golds(accuracy):
    def question(name, letter, choices):
        return Question(name, "", letter, "stem", details={"choices": choices})

    batch = [
        says(question("a", "B", ["1 kg", "2 kg"]), "B"),
        says(question("b", "B", ["3 kg", "4 kg"]), "B"),
        says(question("c", "D", ["1", "2", "3", "4"]), "D"),
    ]
    swapped = ShuffledGold(1.0, accuracy, seed=0)._swapped(batch)
    assert swapped["a"].answer == swapped["b"].answer == "D" and swapped["c"].answer == "B"
    # D has no place among two options: they are judged by the four of the other question
    assert swapped["a"].details["choices"] == ["1", "2", "3", "4"]
    scores = ShuffledGold(1.0, accuracy, seed=0)([*batch, says(batch[0].question, "D")])
    assert [s.value for s in scores] == [0.0, 0.0, 0.0, 1.0]


def test_where_every_gold_is_as_good_there_is_no_control(accuracy):
    batch = [says(Question(f"q{i}", "", answer), answer) for i, answer in enumerate(["1/2", "0.5", "2/4"])]
    scores = ShuffledGold(1.0, accuracy, seed=0)(batch)
    assert {score.status for score in scores} == {Status.BAD_GOLD}
    prompt = says(Question("p", "Hello?", "", "general"), "Hi")
    (score,) = ShuffledGold(1.0, accuracy, seed=0)([prompt])
    assert score.status is Status.BAD_GOLD


def test_a_score_names_the_gold_that_it_was_judged_by(accuracy):
    batch = [says(Question("a", "", "7"), "9"), says(Question("b", "", "9"), "8"), says(Question("b", "", "9"), None)]
    scores = ShuffledGold(1.0, accuracy, seed=0)(batch)
    assert [score.value for score in scores] == [1.0, 0.0, 0.0]
    assert [score.reason.partition(": ")[0] for score in scores] == ["against '9'", "against '7'", "against '7'"]
    assert all(score.reason.partition(": ")[2] for score in scores)
    long = Question("c", "", "9" * 100)  # of a long gold the first 60 characters
    (score,) = ShuffledGold(1.0, accuracy, seed=0, donors=(long,))(batch[:1])
    assert score.reason.startswith(f"against '{'9' * 60}': ")


def test_golds_of_the_runs_first_questions_make_batches_needless(accuracy):
    control = ShuffledGold(1.0, accuracy, seed=0)
    alone = [says(Question("a", "", "7"), "12")]
    assert control(alone)[0].status is Status.BAD_GOLD
    informed = control.informed([Question("a", "", "7"), Question("b", "", "12")])
    assert informed(alone)[0].value == 1.0 and control.donors == ()
