"""Generated puzzles: each has the one solution that a search over the question's own words finds."""

import contextlib
import io
import re
from fractions import Fraction
from itertools import permutations, product

import pytest

from r1lab.data.mix import GeneratedSource
from r1lab.data.problem import SLIPS, SPLIT_BY
from r1lab.data.puzzles import FAMILIES
from r1lab.data.tasks import LANGUAGES, LEVELS, generate, split_of
from r1lab.types import Status
from r1lab.verifiers.puzzle import PuzzleChecker

CHECKER = PuzzleChecker()
TRIALS = 25


def questions(family, level, language="en", count=TRIALS):
    return [generate(index, 7, (family,), (level,), (language,)) for index in range(count)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("family", FAMILIES)
def test_gold_scores_one_and_slips_score_none(family, language):
    for level in LEVELS:
        for question in questions(family, level, language):
            assert (question.domain, question.source, question.level) == ("logic", family, level)
            assert CHECKER(question.answer, question).value == 1.0, question
            assert question.details[SLIPS]
            for slip in question.details[SLIPS]:
                score = CHECKER(slip, question)
                assert score.value == 0.0 and score.status is Status.OK and "readable" not in score.reason, (
                    slip,
                    score,
                )


@pytest.mark.parametrize("family", FAMILIES)
def test_the_two_languages_ask_the_same(family):
    """One draw in both languages differs in words alone: the same numbers and letters, as many steps."""
    for level in LEVELS:
        for english, chinese in zip(questions(family, level), questions(family, level, "zh")):
            assert len(english.solution.split(", ")) == len(chinese.solution.split(", "))
            assert re.findall(r"\d+", english.solution) == re.findall(r"\d+", chinese.solution)
            assert re.search("[\u4e00-\u9fff]", chinese.text) and not re.search("[\u4e00-\u9fff]", english.text)


@pytest.mark.parametrize("level", LEVELS)
def test_knights_and_knaves_have_one_world(level):
    for question in questions("knights_and_knaves", level):
        said = dict(re.findall(r"(\w+) says: (.*?)\.", question.text))
        worlds = [
            world
            for roles in product((True, False), repeat=len(said))
            for world in [dict(zip(said, roles))]
            if all(_claim(claim, world) == world[name] for name, claim in said.items())
        ]
        found = {name: role == "knight" for name, role in re.findall(r"(\w+) is a (\w+)", question.answer)}
        assert worlds == [found], question.text


def _claim(text: str, world: dict[str, bool]) -> bool:
    """Whether a claim, read from the question's text, is true in a world."""
    if match := re.fullmatch(r"(\w+) and (\w+) are (not )?the same", text):
        return (world[match[1]] == world[match[2]]) == (match[3] is None)
    parts = [world[name] == (role == "knight") for name, role in re.findall(r"(\w+) is a (knight|knave)", text)]
    return any(parts) if " or " in text else all(parts)


@pytest.mark.parametrize("level", LEVELS)
def test_zebras_have_one_world(level):
    for question in questions("zebra", level):
        head, animals = re.match(r"(.*?) have one animal each: (.*?)\.", question.text).groups()
        names, groups = head.split(", "), [animals.split(", ")]
        if drinks := re.search(r"They drink one thing each: (.*?)\.", question.text):
            groups.append(drinks[1].split(", "))
        clues = [c for c in re.findall(r"[^.?]+(?=\.)", question.text) if " each: " not in c]
        worlds = [
            table
            for orders in product(*map(permutations, groups))
            for table in [dict(zip(names, zip(*orders)))]
            if all(_clue(clue.strip(), table) for clue in clues)
        ]
        assert len(worlds) == 1, question.text
        ask = question.text.rsplit(". ", 1)[-1]
        if ask == "Who has what?":
            assert question.answer == "; ".join(f"{name}: {', '.join(row)}" for name, row in worlds[0].items())
        else:
            thing = re.search(r"(\w+)\?", ask)[1]
            assert [name for name, row in worlds[0].items() if thing in row] == [question.answer]
        # none of the clues can be left out
        for left_out in clues:
            rest = [clue for clue in clues if clue != left_out]
            tables = (dict(zip(names, zip(*orders))) for orders in product(*map(permutations, groups)))
            assert sum(all(_clue(clue.strip(), table) for clue in rest) for table in tables) > 1


def _clue(text: str, table: dict[str, tuple[str, ...]]) -> bool:
    negative, thing = " does not " in text, text.split()[-1]
    if owner := re.match(r"The owner of the (\w+)", text):
        row = next(row for row in table.values() if owner[1] in row)
    else:
        row = table[text.split()[0]]
    return (thing in row) != negative


@pytest.mark.parametrize("level", LEVELS)
def test_24_has_a_solution_of_the_numbers_shown(level):
    for question in questions("game24", level):
        numbers = sorted(map(int, re.search(r"(?:from|of) ([\d, ]+\d)", question.text)[1].split(", ")))
        assert sorted(map(int, re.findall(r"\d+", question.answer))) == numbers
        assert re.fullmatch(r"[\d+*/()-]+", question.answer)
        assert eval(re.sub(r"(\d+)", r"Fraction(\1)", question.answer), {"Fraction": Fraction}) == 24
        assert len(numbers) == (3 if level < 3 else 4)
        for step in question.solution.split(", "):
            left, right = step.split("=")
            assert eval(left) == int(right)


def test_ciphers_are_undone_letter_by_letter():
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    for level in LEVELS:
        for question in questions("backwards", level):
            assert question.answer[::-1] in re.findall(r"\w+", question.text)
        for question in questions("caesar", level):
            shift, word = re.search(r"moved (\d+) forward.*: (\w+)", question.text).groups()
            moved = alphabet[int(shift) :] + alphabet[: int(shift)]
            assert question.answer.translate(str.maketrans(alphabet, moved)) == word
        for question in questions("substitution", level):
            pairs = re.findall(r"(\w)=(\w)", question.text)
            assert len({plain for plain, _ in pairs}) == len({cipher for _, cipher in pairs}) == len(pairs)
            key = {cipher: plain for plain, cipher in pairs}
            assert "".join(key[letter] for letter in question.text.split(": ")[-1]) == question.answer


@pytest.mark.parametrize("level", LEVELS)
def test_programs_print_their_answer(level):
    """Python itself is the reference: the generator never runs what it writes."""
    for question in questions("code_output", level, count=60):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(question.text.split("\n", 1)[1], {})
        assert printed.getvalue().strip() == question.answer


@pytest.mark.parametrize("level", LEVELS)
def test_one_input_alone_gives_the_value(level):
    for question in questions("code_input", level):
        code, ask = question.text.rsplit("\n", 1)
        scope = {}
        exec(code, scope)
        returned = int(re.search(r"returned (-?\d+)", ask)[1])
        assert [x for x in range(-500, 501) if scope["f"](x) == returned] == [int(question.answer)]


@pytest.mark.parametrize("family", FAMILIES)
def test_heldout_puzzles_are_never_trained_on_in_any_order_or_language(family):
    source = GeneratedSource([family], [1, 2], ["en", "zh"]).load("logic")
    train = [source.train(index, seed) for seed in (0, 1) for index in range(150)]
    heldout = source.heldout(15)
    assert len(heldout) == 15
    keys = [{q.details.get(SPLIT_BY, q.text) for q in side} for side in (train, heldout)]
    assert not keys[0] & keys[1]
    assert {split_of(key) for key in keys[0]} == {"train"} and {split_of(key) for key in keys[1]} == {"heldout"}
    if family == "game24":  # the same numbers in another order are the same puzzle
        numbers = [{tuple(sorted(re.findall(r"\d+", q.answer))) for q in side} for side in (train, heldout)]
        assert not numbers[0] & numbers[1]


def test_searches_stay_short():
    for level, longest in zip(LEVELS, (3, 6, 5, 8, 12)):
        lengths = [len(q.solution.split(", ")) for q in questions("knights_and_knaves", level)]
        assert max(lengths) <= longest
