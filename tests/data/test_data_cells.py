"""Cells of rows: paths, numbers, messages, and what is refused instead of being turned into text."""

import datetime
import json
import math
from decimal import Decimal

import pytest

from r1lab.data.cells import RowFault, answer_of, cell, text_of
from r1lab.data.messages import messages_of
from r1lab.data.options import ChoiceFields
from r1lab.data.preferences import PairFields, PointFields
from r1lab.data.questions import Column, Fields, read_questions
from r1lab.data.rows import read_rows
from r1lab.errors import ConfigError, DataError
from r1lab.types import Question
from r1lab.verifiers.math_answer import MathChecker

ROW = {
    "reward_model": {"style": "rule", "ground_truth": "17"},
    "conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}],
    "extra_info": json.dumps({"split": "train", "index": 4, "answers": ["a", "b"]}),
    "a.b": "the column with a dot",
    "a": {"b": "below"},
    "plain": "no JSON",
}


@pytest.mark.parametrize(
    "path, value",
    [
        ("reward_model.ground_truth", "17"),
        ("conversations.1.value", "Hello"),
        ("extra_info.index", 4),
        ("extra_info.answers.1", "b"),
        ("a.b", "the column with a dot"),
        ("plain", "no JSON"),
    ],
)
def test_a_path_leads_below_columns(path, value):
    assert cell(ROW, path) == value


@pytest.mark.parametrize(
    "path, words",
    [
        ("reward.ground_truth", "no column reward.ground_truth; it has a, a.b, conversations, extra_info, plain"),
        ("reward_model.answer", "there is no answer in style, ground_truth"),
        ("conversations.2.value", "there is no 2 in a list of 2"),
        ("conversations.first", "there is no first in a list of 2"),
        ("plain.key", "leads into 'no JSON', which is no JSON"),
        ("reward_model.style.deeper", "leads into 'rule', which is no JSON"),
        ("extra_info.index.deeper", "there is no deeper in the number 4"),
    ],
)
def test_a_path_that_leads_nowhere_names_what_there_is(path, words):
    with pytest.raises(RowFault) as caught:
        cell(ROW, path)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "value, text",
    [
        ("1,080", "1,080"), (17, "17"), (17.0, "17"), (2.5, "2.5"), (-0.0, "0"), (0.1 + 0.2, "0.3"), (1 - 0.9, "0.1"),
        (100 / 3, "33.3333333333333"), (1e-7, "0.0000001"), (1.1 * 1.1, "1.21"), (2.0**52, "4503599627370496"),
        (10**20, "100000000000000000000"), (Decimal("12.50"), "12.5"), (True, "True"), (False, "False"),
        ("0.30000000000000004", "0.3"), ("33.333333333333336", "33.3333333333333"), ("0.1250", "0.1250"),
        ("3.14159265358979323846", "3.14159265358979323846"), (None, ""), (math.nan, ""), ("", ""),
    ],
)  # fmt: skip
def test_numbers_are_answers_as_people_write_them(value, text):
    assert answer_of(value, "answer") == text


@pytest.mark.parametrize(
    "value, words",
    [
        (
            {"ground_truth": "17"},
            "is an object with the keys ground_truth: '17', not text. Name the key: answer.ground_truth",
        ),
        (["17"], "is a list of 1: '17', not text. Name one of its places: answer.0"),
        (math.inf, "is inf, no number"),
        (1e20, "which a double cannot hold to the last digit"),
        (2.0**53, "which a double cannot hold to the last digit"),
        (b"17", "is bytes b'17', not text"),
        (datetime.date(2024, 1, 2), "is date datetime.date(2024, 1, 2), not text"),
    ],
)
def test_what_is_no_answer_is_refused(value, words):
    with pytest.raises(RowFault) as caught:
        answer_of(value, "answer")
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [3, 2.5, True, ["What?"], {"text": "What?"}])
def test_a_question_is_text(value):
    with pytest.raises(RowFault, match="not text"):
        text_of(value, "question")


@pytest.mark.parametrize(
    "gold, answer, value",
    [
        (33.333333333333336, r"\\frac{100}{3}", 1.0), (0.1 + 0.2, "0.3", 1.0), (0.1 + 0.2, r"\\frac{3}{10}", 1.0),
        (2 / 3, "2/3", 1.0), (17.0, "17", 1.0), (0.1 + 0.2, "0.31", 0.0), (100 / 3, "33.4", 0.0), (1e-3, "0.001", 1.0),
        (2 / 3, "0.67", 0.0),
    ],
)  # fmt: skip
def test_a_gold_that_is_a_double_is_what_was_meant(gold, answer, value, tmp_path):
    (question,) = questions(tmp_path, {"question": "?", "answer": gold})
    checker = MathChecker(percent="either", degrees="unit", significant_digits=6)
    assert checker(answer.replace("\\\\", "\\"), question).value == value


def write(folder, *rows, name="train.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def questions(folder, *rows, **fields):
    return read_questions(write(folder, *rows), Fields(**{"text": "question", "answer": "answer", **fields}))


def refused(read, *args):
    with pytest.raises(DataError) as caught:
        read(*args)
    return str(caught.value)


def test_an_object_as_answer_is_refused_with_the_path_to_type(tmp_path):
    row = {"question": "Calculate 5+9+3", "answer": {"ground_truth": "17", "style": "rule"}}
    words = refused(questions, tmp_path, row)
    assert f"1 of 1 rows of {tmp_path}/train.jsonl" in words and "line 1: answer is an object" in words
    assert "Name the key: answer.ground_truth" in words
    (question,) = questions(tmp_path, row, answer="answer.ground_truth")
    assert question.answer == "17"


@pytest.mark.parametrize("text", [None, 7, "", "  ", True, ["a"], {"a": "b"}, math.nan])
def test_what_is_no_question_is_refused_with_its_line(text, tmp_path):
    good = {"question": "3+4?", "answer": 7}
    assert "line 2: " in refused(questions, tmp_path, good, {"question": text, "answer": 7})


def test_ids_must_differ_within_a_file(tmp_path):
    rows = [{"question": f"{n}?", "answer": n, "key": n % 2} for n in range(3)]
    assert "line 3: the id 0 stands at line 1, too" in refused(lambda: questions(tmp_path, *rows, id="key"))
    assert [q.id for q in questions(tmp_path, *rows)] == ["train:1", "train:2", "train:3"]


@pytest.mark.parametrize("choices", [None, "abcd", ["a", None], ["a", ""], ["a", {"b": 1}]])
def test_options_are_a_list_of_texts(choices, tmp_path):
    fields = ChoiceFields(text="question", answer="answer", choices="choices", answer_is="number", seed=0)
    rows = write(tmp_path, {"question": "?", "answer": 0, "choices": choices})
    assert "line 1: " in refused(read_rows, rows, fields)


SYSTEM, USER, ASSISTANT = ({"role": role, "content": f" {role} text "} for role in ("system", "user", "assistant"))


def test_messages_are_a_prompt(tmp_path):
    asked = [SYSTEM, USER, ASSISTANT, {"role": "user", "content": [{"type": "text", "text": "And 2+2?"}]}]
    (question,) = questions(tmp_path, {"question": asked, "answer": 4})
    assert question.text == "And 2+2?"
    assert [(turn["role"], turn["content"]) for turn in question.turns] == [
        ("system", "system text"), ("user", "user text"), ("assistant", "assistant text")]  # fmt: skip
    assert question.texts == ("system text", "user text", "assistant text", "And 2+2?")
    assert question.dialogue == "system: system text\n\nuser: user text\n\nassistant: assistant text\n\nuser: And 2+2?"
    (without,) = questions(tmp_path, {"question": [SYSTEM, USER], "answer": 4}, system=False)
    assert without == Question("train:1", "user text", "4")
    shared = [{"from": "human", "value": "user text"}]
    assert questions(tmp_path, {"question": shared, "answer": 4})[0].text == "user text"


@pytest.mark.parametrize(
    "messages, words",
    [
        ([USER, ASSISTANT], "ends with a message of the assistant"),
        ([SYSTEM], "ends with a message of the system"),
        ([USER, SYSTEM, USER], "question[1] is a system prompt behind other messages"),
        ([{"role": "tool", "content": "4"}, USER], "question[0] has the role 'tool'"),
        ([USER, "And 2+2?"], "question[1] is the text 'And 2+2?', no message"),
        ([{"role": "user", "content": None}], "question[0] has no text: its content is nothing"),
        ([{"role": "user", "content": "  "}], "question[0] has no text: its content is an empty text"),
        ([{"role": "user", "content": 7}], "question[0] has no text: its content is the number 7"),
        ([{"role": "user", "content": [{"type": "image", "url": "x"}]}], "has a part that is no text: image"),
        ([{"role": "assistant", "content": "x", "tool_calls": [{}]}, USER], "question[0] calls a tool"),
    ],
)
def test_messages_that_cannot_be_asked_are_refused(messages, words, tmp_path):
    assert words in refused(questions, tmp_path, {"question": messages, "answer": 4})


def test_roles_of_messages_are_known_words():
    assert messages_of([{"from": "gpt", "value": "x"}], "m") == [{"role": "assistant", "content": "x"}]


PAIRS = PairFields(prompt=Fields("prompt", None, domain="general"), chosen="chosen", rejected="rejected")
WHOLE = PairFields(prompt=Fields("chosen", None, domain="general"), chosen="chosen", rejected="rejected")


def said(text):
    return {"role": "assistant", "content": text}


def test_pairs_of_messages(tmp_path):
    explicit = write(tmp_path, {"prompt": [SYSTEM, USER], "chosen": [said("yes")], "rejected": [said("no")]})
    whole = write(tmp_path, {"chosen": [USER, said("yes")], "rejected": [USER, said("no")]}, name="whole.jsonl")
    for path, fields, turns in ((explicit, PAIRS, 1), (whole, WHOLE, 0)):
        (pair,), left = read_rows(path, fields)
        assert (pair.text, pair.chosen, pair.rejected, len(pair.question.turns), left) == (
            "user text",
            "yes",
            "no",
            turns,
            [],
        )
    other = write(tmp_path, {"chosen": [USER, said("yes")], "rejected": [SYSTEM, USER, said("no")]},
                  {"chosen": [USER, said("yes")], "rejected": [USER, said("no")]})  # fmt: skip
    (_,), left = read_rows(other, WHOLE)
    assert left[0].args[1] == "the two sides have different prompts"


@pytest.mark.parametrize("side", [7, True, {"a": "b"}, ["a"], [USER], [said(None)]])
def test_responses_of_pairs_are_text(side, tmp_path):
    row = {"prompt": "Hi", "chosen": "yes", "rejected": side}
    assert "line 1: " in refused(read_rows, write(tmp_path, row), PAIRS)


def test_labels_are_numbers_and_bools(tmp_path):
    fields = PointFields(Fields("prompt", None), "response", label="label")
    rows = [{"prompt": "Hi", "response": "yes", "label": label} for label in (True, False, 1, 0.5)]
    assert [item.label for item in read_rows(write(tmp_path, *rows), fields)[0]] == [1.0, 0.0, 1.0, 0.5]
    for wrong in ("good", [1], {"safe": 1}):
        assert "line 1: " in refused(read_rows, write(tmp_path, {**rows[0], "label": wrong}), fields)


def test_columns_in_braces_may_be_paths():
    assert Column("{a.b} and {reward_model.style}")(ROW) == "the column with a dot and rule"


@pytest.mark.parametrize("gold", ['{"ground_truth": "17"}', '["17"]', '[{"a": 1}]'])
def test_a_gold_that_is_json_is_refused(gold, tmp_path):
    assert "the answer is JSON" in refused(questions, tmp_path, {"question": "?", "answer": gold})


@pytest.mark.parametrize("gold", ["[1, 2]", "{1, 2}", "(1, 2)", "{}", "[0, 1)", '"17"', "17"])
def test_sets_and_intervals_are_golds(gold, tmp_path):
    assert questions(tmp_path, {"question": "?", "answer": gold})[0].answer == gold


def test_messages_may_be_json_in_a_text(tmp_path):
    asked = json.dumps([SYSTEM, USER])
    (question,) = questions(tmp_path, {"question": asked, "answer": 4})
    assert (question.text, question.turns[0]["content"]) == ("user text", "system text")


def test_a_role_that_is_no_text_and_json_without_an_end_are_faults(tmp_path):
    assert "has the role ['user']" in refused(
        questions, tmp_path, {"question": [{"role": ["user"], "content": "x"}, USER], "answer": 4}
    )
    deep = {"question": "?", "answer": "[" * 100_000}
    assert "which is no JSON" in refused(lambda: questions(tmp_path, deep, answer="answer.x"))


def test_a_path_below_a_column_that_leads_nowhere_is_told_with_its_line(tmp_path):
    words = refused(lambda: questions(tmp_path, {"question": "?", "answer": {"y": 7}}, answer="answer.x"))
    assert "line 1: answer.x: there is no x in y" in words


def test_a_detail_is_not_named_turns():
    with pytest.raises(ConfigError, match="cannot be named turns"):
        Fields("question", "answer", details=("turns",))


def test_the_prompt_of_a_pair_is_that_of_its_sides(tmp_path):
    row = {"prompt": "other", "chosen": [USER, said("a")], "rejected": [USER, said("b")]}
    same = {"prompt": "user text", "chosen": [USER, said("a")], "rejected": "b"}
    (pair,), left = read_rows(write(tmp_path, row, same), PAIRS)
    assert left[0].args[1] == "the prompt is not that of the two sides"
    assert (pair.text, pair.chosen, pair.rejected) == ("user text", "a", "b")


@pytest.mark.parametrize("margin", ["nan", "inf", "-inf", "much"])
def test_margins_are_numbers(margin, tmp_path):
    fields = PairFields(prompt=Fields("prompt", None), chosen="chosen", rejected="rejected", margin="margin")
    row = {"prompt": "Hi", "chosen": "yes", "rejected": "no", "margin": margin}
    assert "is no number" in refused(read_rows, write(tmp_path, row), fields)


@pytest.mark.parametrize("side", ["chosen", "rejected"])
def test_a_response_that_is_null_is_refused_and_an_empty_one_left_out(side, tmp_path):
    row = {"prompt": "Hi", "chosen": "yes", "rejected": "no"}
    assert f"line 2: {side} is nothing" in refused(read_rows, write(tmp_path, row, {**row, side: None}), PAIRS)
    found, left = read_rows(write(tmp_path, row, {**row, side: " "}), PAIRS)
    assert len(found) == 1 and left[0].args[1] == f"the {side} response is empty"
