"""Text of others becomes valid UTF-8 where it enters, and what UTF-8 can hold already stays as it is."""

from dataclasses import replace

import pytest

from r1lab.characters import all_valid, is_valid, valid
from r1lab.types import MAX_EXTRACTED, MAX_REASON, Question, Score

HIGH, LOW = chr(0xD83D), chr(0xDE00)
KEPT = ["", "plain", "caf\u00e9", "数学", "😀", "\0", "\x1b[2J", "\u202e", "\ufffd", "\ufeff", "\U0010ffff", "\r\n\t"]
CHANGED = [
    ("\ud800", "\ufffd"),
    ("\udfff", "\ufffd"),
    ("a\ud800b", "a\ufffdb"),
    ("\udce9", "\ufffd"),  # a byte that Python could not decode in a file's name
    (HIGH + LOW, "😀"),
    (LOW + HIGH, "\ufffd\ufffd"),
    (HIGH + "x", "\ufffdx"),
    (HIGH + HIGH + LOW, "\ufffd😀"),
    ("é\ud800😀\udc00", "é\ufffd😀\ufffd"),
    (HIGH, "\ufffd"),
]


@pytest.mark.parametrize("text", KEPT)
def test_valid_text_is_kept(text):
    assert is_valid(text) and valid(text) == text


@pytest.mark.parametrize(("text", "expected"), CHANGED, ids=ascii)
def test_half_a_pair_is_replaced(text, expected):
    assert not is_valid(text)
    assert valid(text) == expected
    assert is_valid(valid(text))


def test_long_text_is_cut_and_says_so():
    assert valid("x" * 12, limit=12) == "x" * 12
    assert valid("x" * 1013, limit=12) == "xx ... (cut)" == valid("xx ... (cut)", limit=12)
    assert valid("x" + HIGH + LOW + "x" * 99, limit=12) == "x\ufffd ... (cut)"


@pytest.mark.parametrize("place", ["id", "text", "answer", "solution", "details"])
def test_every_field_counts(place):
    question = Question("q", "3+4?", "7", solution="é", details={"tests": [{"stdin": "é", "n": 1.5, "none": None}]})
    broken = {"tests": [{"stdin": ["\ud800"]}]} if place == "details" else "\ud800"
    assert all_valid(question)
    assert not all_valid(Question(**{**vars(question), place: broken}))
    assert not all_valid({"\ud800": 1})


def test_the_texts_of_a_score_are_valid_and_bounded():
    score = Score(1.0, reason="ValueError: \ud800", extracted="a\udc00b")
    assert (score.reason, score.extracted) == ("ValueError: \ufffd", "a\ufffdb")
    assert Score(1.0).extracted is None
    long = Score(0.0, reason="é" * 5_000_000, extracted="x" * 5_000_000)
    assert len(long.reason) == MAX_REASON and len(long.extracted) == MAX_EXTRACTED
    assert replace(long, value=1.0).reason == long.reason
    assert Score(0.0, reason=ValueError("no"), extracted=12).reason == "no"
