"""Shares worked by hand, and the cost of hostile text."""

import time

import pytest

from r1lab.text.repetition import Repetition, repetition


@pytest.mark.parametrize(
    "text, n, share, first",
    [
        ("", 2, 0, ""),
        ("one two three", 2, 0, ""),
        ("one two", 3, 0, ""),  # shorter than an n-gram
        ("a b a b", 2, 1 / 3, "a b"),  # ab ba ab: one of three
        ("a b c a b c", 3, 1 / 4, "a b c"),  # abc bca cab abc
        ("a a", 1, 1 / 2, "a"),
        ("a a a a a", 1, 4 / 5, "a"),
        ("No no NO", 1, 2 / 3, "no"),
        ("七加五七加五", 2, 2 / 5, "七加"),  # 七加 加五 五七 七加 加五
        ("x = 1, x = 1", 3, 1 / 5, "x = 1"),  # x=1 =1, 1,x ,x= x=1
        ("ha" * 60, 2, 4 / 5, "ha" * 20),  # 6 pieces of 20 letters: 5 pairs, all the same
        ("!!!!", 2, 2 / 3, "!!"),
        ("a  b\n\na\tb", 2, 1 / 3, "a\tb"),  # spaces do not matter
    ],
)
def test_share(text, n, share, first):
    found = repetition(text, n)
    assert found.share == pytest.approx(share) and found.first == first


def test_a_text_said_twice_is_about_one_half():
    text = " ".join(f"word{i}" for i in range(500))
    assert repetition(text, 10) == Repetition(0.0, "")
    # 991 n-grams of 1000 words, of which 491 lie in the second half as a whole
    assert repetition(text + " " + text, 10).share == pytest.approx(491 / 991)


@pytest.mark.parametrize("unit", ["a", "a ", "好", "!", "ab1 ", "\n", "the cat sat. ", "\0", "_"], ids=ascii)
def test_any_repeated_text_is_linear(unit):
    start = time.process_time()
    repetition(unit * (2**18 // len(unit)), 20)
    assert time.process_time() - start < 4.0


def test_a_long_text():
    text = "".join(chr(0x4E00 + i * 7919 % 20000) for i in range(2**18))
    assert repetition(text, 20).share > 0.9  # twenty thousand characters in a cycle
