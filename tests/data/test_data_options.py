"""Options of real questions: shuffled by seed and id, right all the same; the conf files of the real sets."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.options import ChoiceFields, shuffled, with_options
from r1lab.data.questions import read_questions
from r1lab.errors import DataError
from r1lab.verifiers.choice import ChoiceChecker
from r1lab.verifiers.puzzle import PuzzleChecker

CONF = Path(__file__).parents[2] / "conf"


def fields(**changes) -> ChoiceFields:
    given = {"text": "q", "answer": "a", "choices": "options", "answer_is": "number", "seed": 0, "domain": "stem"}
    return ChoiceFields(**given | changes)


def file_of(tmp_path, rows) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(count: int = 1, **changes) -> list[dict]:
    return [{"q": f"Question {i}?", "options": ["p", "q", "r", "s"], "a": 2} | changes for i in range(count)]


def test_the_answer_is_the_letter_of_the_right_text_wherever_it_stands(tmp_path):
    questions = read_questions(file_of(tmp_path, rows(300)), fields())
    for question in questions:
        choices = question.details["choices"]
        assert sorted(choices) == ["p", "q", "r", "s"] and choices["ABCD".index(question.answer)] == "r"
        assert question.text.endswith("\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", choices)))
    assert len({tuple(question.details["choices"]) for question in questions}) == 24  # 4!
    places = Counter(question.answer for question in questions)
    # 75 expected of each, deviation sqrt(300 * 1/4 * 3/4) = 7.5
    assert all(abs(places[letter] - 75) < 26 for letter in "ABCD")


def test_the_order_depends_on_seed_and_id_alone(tmp_path):
    path = file_of(tmp_path, rows(50))
    first, again, other = (read_questions(path, fields(seed=seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert [q.id for q in first] == [q.id for q in other]
    reversed_file = file_of(tmp_path, [{"n": str(i)} | row for i, row in enumerate(rows(50))][::-1])
    by_id = {q.id: q.text for q in read_questions(reversed_file, fields(id="n"))}
    forward = file_of(tmp_path, [{"n": str(i)} | row for i, row in enumerate(rows(50))])
    assert by_id == {q.id: q.text for q in read_questions(forward, fields(id="n"))}


@pytest.mark.parametrize(("form", "cell"), [("number", 1), ("number", "1"), ("letter", "B"), ("text", "0")])
def test_the_answer_is_read_as_told(tmp_path, form, cell):
    # options that are numbers: the second is "0", and the number 0 would be the first
    path = file_of(tmp_path, rows(options=["1", "0", "3", "2"], a=cell))
    (question,) = read_questions(path, fields(answer_is=form))
    assert question.details["choices"]["ABCD".index(question.answer)] == "0"


@pytest.mark.parametrize(
    "option",
    ["all of the above", "None of the above.", "Both A and C", "A and B only", "A B and C", "either A or B", "C only"],
)
def test_options_that_speak_of_the_others_stay(option):
    choices = ["p", "q", "r", option]
    assert all(shuffled(choices, random.Random(seed)) == [0, 1, 2, 3] for seed in range(20))


@pytest.mark.parametrize("option", ["A and the rest", "vitamin A", "a single B lymphocyte", "plan B", "aboveground"])
def test_options_that_only_look_so_move(option):
    choices = ["p", "q", "r", option]
    assert len({tuple(shuffled(choices, random.Random(seed))) for seed in range(200)}) == 24


def test_faults_name_the_line(tmp_path):
    path = file_of(tmp_path, rows(2) + rows(a=4) + rows(a="C"))
    with pytest.raises(DataError, match="2 of 4 rows") as caught:
        read_questions(path, fields())
    assert "line 3: the answer '4' is the number of none of 4 options" in str(caught.value)
    with pytest.raises(DataError, match="no column choices"):
        read_questions(path, fields(choices="choices"))


def test_with_options_writes_a_line_for_each():
    assert with_options("Which?", ["x", "y"]) == "Which?\nA. x\nB. y"


def mix_of(name: str, path: Path):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=[f"+mix={name}", "+run.seed=1", *([f"mix.path={path}"] if path else [])])
    return instantiate(config.mix)


def test_mmlu_is_read_with_its_options_in_another_order(shared_data):
    mix = mix_of("mmlu_stem", shared_data / "mmlu_stem")
    assert mix.check(training=False) == {"mmlu_stem": 0}
    with pytest.raises(DataError, match="evaluation alone"):
        mix.check()
    questions = mix.heldout(5000)
    rows_ = [json.loads(line) for line in (shared_data / "mmlu_stem/test.jsonl").open()]
    assert len(questions) == len(rows_) == 3018
    by_row = {int(question.id.rsplit(":", 1)[1]): question for question in questions}
    moved, checker = 0, ChoiceChecker()
    for number, row in enumerate(rows_, start=1):
        question = by_row[number]
        assert question.domain == "stem" and question.text.startswith(row["question"].strip())
        right = row["choices"][row["answer"]].strip()
        assert question.details["choices"]["ABCD".index(question.answer)] == right
        assert checker(question.answer, question).value == checker(f"({question.answer}) {right}", question).value == 1
        moved += question.details["choices"] != [choice.strip() for choice in row["choices"]]
    assert 0.9 < moved / 3018 < 0.96  # 23/24 of those that may move
    places = Counter(question.answer for question in questions)
    # 754.5 expected, deviation sqrt(3018 * 3/16) = 23.8; in the file D is right 871 times
    assert all(abs(places[letter] - 754.5) < 90 for letter in "ABCD")


def test_knights_and_knaves_are_read_with_their_rule(shared_data):
    mix = mix_of("knights_knaves", shared_data / "knights_knaves")
    assert mix.check() == {"three_people": 900, "five_people": 900}
    questions, checker = [*mix.heldout(500), *mix.draw(mix.start(), 200, step=0)[0]], PuzzleChecker()
    assert len(questions) == 400 and Counter(q.source for q in questions) == {"three_people": 200, "five_people": 200}
    assert all(q.domain == "logic" and checker(q.answer, q).value == 1.0 for q in questions)
    heldout = {q.text for q in mix.heldout(500)}
    assert not heldout & {q.text for q in mix.draw(mix.start(), 1800, step=0)[0]}


@pytest.mark.parametrize("name", ["stem", "logic"])
def test_generated_mixes_name_every_family_of_their_domain(name):
    from r1lab.data import puzzles, stem

    mix = mix_of(name, None)
    assert mix.check() == {name: None}
    assert set(mix.sources[name].families) == set({"stem": stem, "logic": puzzles}[name].FAMILIES)
    assert {question.domain for question in mix.draw(mix.start(), 50, step=0)[0]} == {name}
