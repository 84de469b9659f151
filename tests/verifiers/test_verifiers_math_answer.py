"""The corpus of answers, each judged as in a worker, and the rules that the settings change."""

import json
import logging
import re
import time
from pathlib import Path

import pytest
from verdicts import outcome

from r1lab.types import Question, Status
from r1lab.verifiers.math_answer import MathChecker, same, vote_key

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "corpora/math_answers.jsonl").open()]
CHECKER = MathChecker(percent="either", degrees="unit", significant_digits=6)


@pytest.fixture(autouse=True, scope="module")
def quiet():
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def question(gold: str) -> Question:
    return Question("q", "", answer=gold)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['gold'][:20]}|{c['answer'][:30]}".encode("unicode_escape"))
def test_corpus(case):
    start = time.perf_counter()
    found = outcome(CHECKER(case["answer"], question(case["gold"])))
    assert time.perf_counter() - start < 5.0  # the guards hold in this very process
    # Between wrong and unreadable lies the grammar's taste; both are judgements and both are 0.
    allowed = {"wrong", "unreadable"} if case["expect"] in ("wrong", "unreadable") else {case["expect"]}
    assert found in allowed


def test_corpus_is_large_and_has_all_kinds():
    kinds = {
        kind: sum(case["expect"] == kind for case in CASES) for kind in ("right", "wrong", "unreadable", "bad_gold")
    }
    assert len(CASES) >= 800 and min(kinds.values()) >= 10, kinds
    assert all(case["why"] for case in CASES)
    assert len({(case["gold"], case["answer"]) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("answer", ["", "seven", "@#%", "((7", "7 +", "30000000!", "10^{10^{10}}", "x" * 5000])
def test_unreadable_says_so(answer):
    score = CHECKER(answer, question("7"))
    assert score.status is Status.OK and score.value == 0.0 and score.reason.startswith("no readable answer")


@pytest.mark.parametrize(
    ("percent", "half", "fifty"), [("value", 1.0, 0.0), ("sign", 0.0, 1.0), ("either", 1.0, 1.0)], ids=str
)
def test_percent_setting(percent, half, fifty):
    checker = MathChecker(percent=percent, degrees="unit", significant_digits=6)
    assert checker("50%", question("0.5")).value == half
    assert checker("50%", question("50")).value == fifty
    assert checker("50%", question("50\\%")).value == 1.0
    assert checker("50%", question("5")).value == 0.0


@pytest.mark.parametrize(("degrees", "unit", "radians"), [("unit", 1.0, 0.0), ("angle", 0.0, 1.0)], ids=str)
def test_degrees_setting(degrees, unit, radians):
    checker = MathChecker(percent="value", degrees=degrees, significant_digits=6)
    for gold, answer, expected in [
        ("90", r"90^\circ", unit),
        (r"90^\circ", "90", unit),
        (r"\frac{\pi}{2}", "90 degrees", radians),
        (r"90^\circ", r"\pi/2", radians),
        (r"90^\circ", "90°", 1.0),
        (r"90^\circ", r"80^\circ", 0.0),
        ("1", r"\sin 90^\circ", 1.0),
    ]:
        assert checker(answer, question(gold)).value == expected, (gold, answer)


def test_significant_digits_setting():
    # 1/3 rounds to 0.33 at two places, to 0.333 at three
    loose = MathChecker(percent="value", degrees="unit", significant_digits=2)
    assert loose("0.33", question("1/3")).value == 1.0 and loose("0.34", question("1/3")).value == 0.0
    assert loose("1.41", question(r"\sqrt{2}")).value == 1.0 and loose("1.42", question(r"\sqrt{2}")).value == 0.0
    assert CHECKER("0.33", question("1/3")).value == 0.0
    # 1.0 has two digits, and 1.04 rounds to it; 18 has no places and rounds nothing
    assert loose("1.0", question("1.04")).value == 1.0 and loose("18", question("18.2")).value == 0.0


def test_cheap_decides_numbers_words_and_nothing_else():
    assert CHECKER.cheap("0.5", question("1/2")).reason == "same number"
    assert CHECKER.cheap("Evelny", question("Evelyn")).reason == "other words"
    assert CHECKER.cheap(r"\sqrt{4}", question("2")) is None


def test_cheap_is_safe_on_long_answers():
    start = time.perf_counter()
    for text in ("9" * 10**6, "(" * 10**6, r"\boxed{" * 10**5, "1,000" * 10**5, "$" * 10**6, " " * 10**6, "$1" * 500):
        CHECKER.cheap(text, question("7"))
    assert time.perf_counter() - start < 2.0


def test_votes_are_symmetric_and_transitive():
    texts = [
        "1/2",
        "0.50",
        "50%",
        "50",
        r"\frac12",
        "Red",
        "red",
        "3x",
        "3 x",
        "18",
        "$18",
        "18 euros",
        "52_8",
        "52",
        "",
        "3, 4",
    ]
    for one in texts:
        assert same(one, one)
        for other in texts:
            assert same(one, other) == same(other, one) == (vote_key(one) == vote_key(other))
    assert same("1/2", "50%") and same("Red", "red") and same("$18", "18")
    assert not same("50", "50%") and not same("52", "52_8") and not same("3, 4", "4, 3")


def test_gold_answers_in_five_other_forms():
    """Every gold answer of MATH's usual kinds is right against itself written in five other ways."""
    for gold in [
        "42",
        r"\frac{3}{56}",
        r"3\sqrt{13}",
        r"(2,\infty)",
        r"6 - 5i",
        r"\text{east}",
        r"90^\circ",
        r"11\sqrt2",
    ]:
        for form in ("${}$", r"\boxed{{{}}}", r"\({}\)", " {}. ", "The final answer is {}"):
            assert CHECKER(form.format(gold), question(gold)).value == 1.0, (form, gold)
        assert re.search("other|same|no readable", CHECKER("41", question(gold)).reason)
        assert CHECKER("41", question(gold)).value == 0.0
