"""Letters and options: the corpus, MMLU's gold answers in ten forms, and texts that would make a slow reader hang."""

import json
import pickle
import time
from itertools import combinations
from pathlib import Path

import pytest
from verdicts import outcome

from r1lab.types import Question
from r1lab.verifiers.choice import ChoiceChecker, read_choice

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "corpora/choice.jsonl").open()]
CHECKER = ChoiceChecker()
FORMS = (
    "{letter}", "({letter})", "{letter}. {text}", "The answer is {letter}.", "选{letter}", "**{letter}**",
    "\\boxed{{{letter}}}", "Option {letter}: {text}", "The correct answer is ({letter}) {text}", "答案：{letter}。",
)  # fmt: skip
DUPLICATES = {("687", "687")}
"""MMLU lists one option twice in a row: either letter is right."""
LETTER_CONTENTS = {("As", "P", "Sb", "B")}
"""The gold option's text is another option's label: labels come first."""


def question(gold: str, choices: list[str]) -> Question:
    return Question("q", "", answer=gold, domain="stem", details={"choices": choices})


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['gold']}|{c['answer'][:30]}".encode("unicode_escape"))
def test_corpus(case):
    assert outcome(CHECKER(case["answer"], question(case["gold"], case["choices"]))) == case["expect"], case["why"]


def test_corpus_has_all_kinds():
    kinds = [case["expect"] for case in CASES]
    assert len(kinds) >= 100 and min(map(kinds.count, ("right", "wrong", "unreadable"))) >= 10


@pytest.mark.parametrize("count", range(4, 9))
def test_every_letter_of_four_to_eight_options_is_right_for_itself_alone(count):
    choices = [f"{number} kg" for number in range(count)]
    letters = "ABCDEFGH"[:count]
    for gold in letters:
        for letter in letters:
            text = choices[letters.index(letter)]
            for form in (*FORMS, "{text}"):
                score = CHECKER(form.format(letter=letter, text=text), question(gold, choices))
                assert score.value == float(letter == gold), (form, letter, gold)
                assert score.extracted == letter
    for one, other in combinations(letters, 2):
        for form in ("{} or {}", "{},{}", "{}/{}", "{}{}", "{}和{}", "({}) ({})", "answer is {}, answer is {}"):
            assert outcome(CHECKER(form.format(one, other), question(one, choices))) == "unreadable", form


def test_gold_of_mmlu_scores_one_in_ten_forms_and_the_others_none(shared_data):
    rows = [json.loads(line) for line in (shared_data / "mmlu_stem/test.jsonl").open()]
    assert len(rows) == 3018
    for row in rows:
        choices = row["choices"]
        gold = "ABCD"[row["answer"]]
        asked = question(gold, choices)
        for letter, text in zip("ABCD", choices):
            right = letter == gold or text == choices[row["answer"]]
            for form in FORMS:
                assert CHECKER(form.format(letter=letter, text=text), asked).value == float(right), (form, letter, row)
            if len(text) > 1:
                expected = right and tuple(choices) not in LETTER_CONTENTS
                assert CHECKER(text, asked).value == float(expected), (text, row)


def test_options_of_another_question_score_none_but_for_equal_texts(shared_data):
    rows = [json.loads(line) for line in (shared_data / "mmlu_stem/test.jsonl").open()]
    coincidences = set()
    for row, other in zip(rows, rows[1:] + rows[:1]):
        wrong, text = other["choices"][other["answer"]], row["choices"][row["answer"]]
        # neighbors in one subject ask in the same words: the same gold text, letter case and full stop aside
        same = wrong.casefold().strip(". ") == text.casefold().strip(". ")
        paid = CHECKER(wrong, question("ABCD"[row["answer"]], row["choices"])).value
        coincidences |= {(wrong, text)} if paid and not same and len(wrong) > 1 else set()
    # an option that begins like the label of the other question's gold option
    assert coincidences == {("C, C++", "boundary checks")}


def test_what_hangs_slow_readers_takes_no_time():
    choices = ["x" * 50, "y or " * 50, "A or B", "C. D"]
    texts = ["A " * 10**6, "(" * 10**6, "or " * 10**5, "A or " * 199, "the answer is " * 70, "不" * 999, "A, " * 330]
    texts += ["\\boxed{" * 140, "$" * 10**6, " " * 10**6, "A" * 10**6, ". " * 499, "-" * 999]
    start = time.perf_counter()
    for text in texts:
        assert CHECKER(text, question("B", choices)).value == 0.0
    assert time.perf_counter() - start < 2.0


def test_cheap_always_decides_and_the_checker_travels():
    assert CHECKER.cheap("C or D", question("C", ["1", "2", "3", "4"])) == CHECKER(
        "C or D", question("C", ["1", "2", "3", "4"])
    )
    assert pickle.loads(pickle.dumps(CHECKER)) == CHECKER


def test_the_reading_says_what_is_wrong():
    choices = ["1 kg", "2 kg", "3 kg", "4 kg"]
    assert read_choice("A or B", choices) == (None, "several letters")
    assert read_choice("B. 1 kg", choices) == (None, "letter and text disagree")
    assert read_choice("perhaps", choices) == (None, "no letter and no option's text")
    assert read_choice("x" * 1001, choices) == (None, "too long")
