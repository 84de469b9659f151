"""Generated multiple choice: the marked option is the one that the question's own numbers lead to, at any place."""

import re
from collections import Counter

import pytest

from r1lab.data.mix import GeneratedSource
from r1lab.data.problem import SLIPS, SPLIT_BY
from r1lab.data.stem import ATOMS, FAMILIES, NUM_OPTIONS
from r1lab.data.tasks import LANGUAGES, LEVELS, generate, split_of
from r1lab.verifiers.choice import ChoiceChecker

CHECKER = ChoiceChecker()


def questions(family, level, language="en", count=40):
    return [generate(index, 3, (family,), (level,), (language,)) for index in range(count)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_gold_scores_one_and_every_other_option_none(family, language):
    for level in LEVELS:
        for question in questions(family, level, language):
            choices = question.details["choices"]
            assert question.domain == "stem" and len(choices) == len(set(choices)) == NUM_OPTIONS[level - 1]
            assert question.text.split("\n")[1:] == [f"{c}. {text}" for c, text in zip("ABCDEFGH", choices)]
            assert len(question.details[SLIPS]) == len(choices) - 1
            for letter, text in zip("ABCDEFGH", choices):
                expected = float(letter == question.answer)
                assert {CHECKER(form, question).value for form in (letter, text, f"{letter}. {text}")} == {expected}


def _mass(formula: str) -> float:
    return sum(ATOMS[atom] * int(count or 1) for atom, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula))


def _punnett(one: str, other: str, wanted: str) -> int:
    children = ["".join(sorted(a + b)) for a in one for b in other]
    return 100 * children.count(wanted) // len(children)


def _product(numbers: list[float], text: str) -> float:
    """p = q*r: the product where the speed, current or acceleration comes with the other factor."""
    first, second = numbers
    if re.search("How far|voltage|What is the force", text):
        return first * second
    return second / first if re.search("How long|resistance|mass", text) else first / second


REFERENCES = {
    "molar_mass": lambda t, n: _mass(re.search(r"of (\w+) in", t)[1]),
    "moles": lambda t, n: n[0] / _mass(re.search(r"of (\w+)\?", t)[1]),
    "acidity": lambda t, n: n[0] + len(str(int(n[1]))) - 1 if "diluted" in t else n[1] if "H+" in t else 14 - n[1],
    "neutrons": lambda t, n: abs(n[0]) - n[1],
    "dilution": lambda t, n: n[0] * n[1] / n[2],
    "base_share": lambda t, n: 50 - n[0],
    "doubling": lambda t, n: n[0] * 2 ** (n[2] / n[1]),
    "food_chain": lambda t, n: n[0] / 10 ** n[1],
    "speed": lambda t, n: _product(n, t),
    "force": lambda t, n: _product(n, t),
    "ohms_law": lambda t, n: _product(n, t),
}


@pytest.mark.parametrize("family", REFERENCES)
def test_the_right_option_follows_from_the_numbers_asked(family):
    for level in LEVELS:
        for question in questions(family, level):
            asked = question.text.split("\n")[0]
            plain = re.sub(r"[A-Z][a-z]?\w*\d\w*(?= in|\?)|m/s\^2|10\^", " ", asked)
            numbers = [abs(float(number)) for number in re.findall(r"-?\d+(?:\.\d+)?", plain)]
            right = question.details["choices"]["ABCDEFGH".index(question.answer)]
            expected = REFERENCES[family](asked, [0, *numbers] if "10^-" in asked else numbers)
            assert float(re.match(r"-?[\d.]+", right)[0]) == pytest.approx(expected), question.text


def test_strands_pair_and_crosses_are_counted():
    for level in LEVELS:
        for question in questions("base_pairing", level):
            strand = re.search(r"with (\w+),", question.text)[1]
            right = question.details["choices"]["ABCDEFGH".index(question.answer)]
            assert {one + other for one, other in zip(strand, right)} <= {"AT", "TA", "CG", "GC"}
            assert len(strand) == len(right)
        for question in questions("punnett", level):
            parents = re.search(r"cross (\w+) x (\w+): .* is (\w+)\?", question.text).groups()
            right = question.details["choices"]["ABCDEFGH".index(question.answer)]
            assert right == f"{_punnett(*parents)}%"


@pytest.mark.parametrize("level", LEVELS)
def test_the_right_option_stands_anywhere(level):
    count, trials = NUM_OPTIONS[level - 1], 3000
    places = Counter(generate(i, 11, tuple(FAMILIES), (level,), ("en", "zh")).answer for i in range(trials))
    expected = trials / count
    statistic = sum((places[letter] - expected) ** 2 / expected for letter in "ABCDEFGH"[:count])
    # the 99.9 % points of chi-square with 3, 4, 5 and 7 degrees of freedom
    assert statistic < {4: 16.27, 5: 18.47, 6: 20.52, 8: 24.32}[count] and sum(places.values()) == trials


def test_the_rank_of_the_right_value_does_not_give_it_away():
    """Who always takes the smallest, or the second, value is right in fewer than half of the questions."""
    for family in FAMILIES:
        if family in ("base_pairing", "punnett"):  # strands, and five values that can be
            continue
        ranks = Counter()
        for question in questions(family, 2, count=300):
            values = [float(re.match(r"[\d.]+", choice)[0]) for choice in question.details["choices"]]
            ranks[sorted(values).index(values["ABCD".index(question.answer)])] += 1
        assert max(ranks.values()) < 150, (family, ranks)


@pytest.mark.parametrize("family", FAMILIES)
def test_heldout_questions_are_never_trained_on_with_other_options_or_in_another_language(family):
    source = GeneratedSource([family], [1, 2, 3], ["en", "zh"]).load("stem")
    train = [source.train(index, seed) for seed in (0, 1) for index in range(200)]
    heldout = source.heldout(10)
    assert len(heldout) == 10
    sides = [{q.details[SPLIT_BY] for q in side} for side in (train, heldout)]
    assert not sides[0] & sides[1]
    assert {split_of(key) for key in sides[0]} == {"train"} and {split_of(key) for key in sides[1]} == {"heldout"}
    asked = [{q.text.split("\n")[0] for q in side} for side in (train, heldout)]
    assert not asked[0] & asked[1]
