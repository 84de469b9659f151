"""Answers to puzzles: the corpus, the K&K files in twelve forms, and the parser of expressions against fractions."""

import json
import pickle
import random
import re
import time
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from verdicts import outcome

from r1lab.types import Question
from r1lab.verifiers.arithmetic import read_expression
from r1lab.verifiers.assignment import ROLES, gold_roles, read_assignment
from r1lab.verifiers.puzzle import PuzzleChecker

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "corpora/logic.jsonl").open()]
CHECKER = PuzzleChecker()


def question(gold: str, **details) -> Question:
    return Question("q", "", answer=gold, domain="logic", details=details)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['gold'][:12]}|{c['answer'][:30]}".encode("unicode_escape"))
def test_corpus(case):
    assert outcome(CHECKER(case["answer"], question(case["gold"], **case["details"]))) == case["expect"], case["why"]


def test_corpus_has_all_kinds():
    kinds = [case["expect"] for case in CASES]
    assert len(kinds) >= 100 and min(map(kinds.count, ("right", "wrong", "unreadable", "bad_gold"))) >= 5


def forms_of(roles: dict[str, str]) -> list[str]:
    """The same assignment in twelve usual forms."""
    knights, knaves = ([name for name, role in roles.items() if role == wanted] for wanted in ("knight", "knave"))
    said = [f"{name} is a {role}" for name, role in roles.items()]
    together = [" and ".join(knights) + " are knights"] if knights else []
    together += [" and ".join(knaves) + " are knaves"] if knaves else []
    chinese = {"knight": "骑士", "knave": "无赖"}
    return [
        ", ".join(said), "; ".join(said) + ".", "\n".join(f"({i}) {text}" for i, text in enumerate(said, 1)),
        ", ".join(f"{name}: {role}" for name, role in roles.items()),
        f"Knights: {', '.join(knights)}\nKnaves: {', '.join(knaves)}",
        json.dumps(roles), "\n".join(f"- **{name}** is a **{role}**" for name, role in roles.items()),
        "\n".join(f"| {name} | {role} |" for name, role in roles.items()), ", ".join(said).lower(),
        ", ".join(together), "，".join(f"{name}是{chinese[role]}" for name, role in roles.items()) + "。",
        "So " + ", ".join(said[:-1]) + ", and " + said[-1] + ".",
    ]  # fmt: skip


@pytest.mark.parametrize("file", ["3ppl_train", "3ppl_test", "5ppl_train", "5ppl_test"])
def test_gold_of_knights_and_knaves_scores_one_in_all_forms_and_near_misses_none(shared_data, file):
    import pyarrow.parquet

    columns = ["names", "solution", "solution_text", "solution_text_format"]
    rows = pyarrow.parquet.read_table(shared_data / f"knights_knaves/{file}.parquet", columns=columns).to_pylist()
    for number, row in enumerate(rows):
        asked = question(row["solution_text"], kind="roles")
        # the roles stand in a column of their own: the independent reading of the gold text
        roles = {name: "knight" if knight else "knave" for name, knight in zip(row["names"], row["solution"])}
        assert gold_roles(row["solution_text"]) == {name: {role} for name, role in roles.items()}
        for text in (row["solution_text"], row["solution_text_format"], *forms_of(roles)):
            assert CHECKER(text, asked).value == 1.0, (text, CHECKER(text, asked))
        name = row["names"][number % len(roles)]
        other = {"knight": "knave", "knave": "knight"}[roles[name]]
        flipped, shorter = roles | {name: other}, {one: role for one, role in roles.items() if one != name}
        for text in (*forms_of(flipped), *forms_of(shorter), f"{row['solution_text']} {name} is a {other}."):
            assert CHECKER(text, asked).value == 0.0, text


def test_the_answer_of_another_puzzle_scores_none_but_for_the_same_people_and_roles(shared_data):
    import pyarrow.parquet

    path = shared_data / "knights_knaves/3ppl_train.parquet"
    golds = pyarrow.parquet.read_table(path, columns=["solution_text"]).column(0).to_pylist()
    for gold, other in zip(golds, golds[1:] + golds[:1]):
        same = sorted(re.findall(r"\w+ is a kn\w+", gold)) == sorted(re.findall(r"\w+ is a kn\w+", other))
        assert CHECKER(other, question(gold, kind="roles")).value == float(same)


def test_roles_of_all_worlds_are_told_apart():
    worlds = [dict(zip(("Tom", "Ann", "Sam"), world)) for world in product(("knight", "knave"), repeat=3)]
    for truth in worlds:
        asked = question(forms_of(truth)[0], kind="roles")
        for claimed in worlds:
            assert {CHECKER(text, asked).value for text in forms_of(claimed)} == {float(claimed == truth)}


def test_a_name_of_one_letter_is_not_the_article():
    said = read_assignment("A is a knight, B is a knave", ["A", "B"], ROLES)
    assert said == {"A": {"knight"}, "B": {"knave"}}


@pytest.mark.parametrize("seed", range(200))
def test_expressions_have_the_value_of_their_tree(seed):
    rng = random.Random(seed)
    text, value, numbers = _tree(rng, depth=4)
    reading = read_expression(text.replace("*", rng.choice("*×")).replace("/", rng.choice("/÷")))
    assert (reading.value, list(reading.numbers)) == (value, sorted(numbers)) if value is not None else reading is None


def _tree(rng: random.Random, depth: int) -> tuple[str, Fraction | None, list[int]]:
    """A random expression with all its brackets, its value (None where it divides by zero) and its numbers."""
    if depth == 0 or rng.random() < 0.2:
        number = rng.randint(0, 12)
        return str(number), Fraction(number), [number]
    (one, left, ones), (other, right, others) = (_tree(rng, depth - 1) for _ in range(2))
    sign = rng.choice("+-*/")
    value = None
    if left is not None and right is not None and not (sign == "/" and right == 0):
        value = {"+": left + right, "-": left - right, "*": left * right}.get(sign) if sign != "/" else left / right
    return f"({one}{sign}{other})", value, ones + others


def test_precedence_and_order():
    # 2+3*4 = 14; 20-6-4 = 10, not 18; 24/4/2 = 3, not 12; 2*(3+4)-5 = 9
    for text, value in (("2+3*4", 14), ("20-6-4", 10), ("24/4/2", 3), ("2*(3+4)-5", 9), ("8/(3-8/3)", 24)):
        assert read_expression(text).value == value
    for text in ("", "2+", "+2", "(2", "2)", "2 3", "2**3", "2^3", "a", "1.5", "0/0", "()", "1" * 201):
        assert read_expression(text) is None, text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(2+6)(1+2)", 24), ("4(5+1)", 24), ("(1+2)4", 12), ("2(3)", 6), ("(2)(3)(4)", 24), ("2(3)4", 24),
        ("4 (5 + 1)", 24), ("[2+6](1+2)", 24), ("2((1+2)(3+1))", 24), ("2(3+1)/4", 2), ("8/4*2(3)", 12), ("10-2(3)", 4),
        ("(8/4)(3)", 6), (r"\left(2+6\right)\left(1+2\right)", 24), (r"\frac{1}{2}(8)", 4), (r"(8)\frac{1}{2}", 4),
        (r"\frac{6}{2}\frac{8}{2}", 12), (r"4\frac{(5+1)}{2}", 12), (r"(2+6)\times(1+2)", 24), ("(2+6)·(1+2)", 24),
        ("(2+6)×(4−1)", 24), ("48÷(3−1)", 24), (r"48\div(3-1)", 24), (r"4\cdot(5+1)", 24),
        ("1/2(3)", None), ("8/(1+1)(3)", None), ("8/(2)3", None), ("8÷2(2+2)", None), (r"8/\frac{1}{2}(3)", None),
        (r"2\frac{1}{3}", None), (r"2 \frac{1}{3}(3)", None), ("2 3", None), ("(2)3 4", None), ("(2+6)()", None),
        ("(2+6)(1+2", None), ("(2+6)-(-2)", None), ("2(3)!", None), ("2(3)^2", None), ("f(3)", None),
        ("(2)(0)/(0)", None),
    ],
)  # fmt: skip
def test_factors_side_by_side(text, value):
    reading = read_expression(text)
    assert (reading and reading.value) == value


def test_what_hangs_slow_readers_takes_no_time():
    golds = {
        "roles": "Tom is a knight, Ann is a knave", "table": "Tom: cat; Ann: dog", "expression": "3*8",
        "number": "7", "text": "fol", "output": "7",
    }  # fmt: skip
    texts = ["(" * 10**6, "Tom is a knight, " * 10**5, "1+" * 10**5, "9" * 10**6, " " * 10**6, "`" * 3000, "\n" * 3000]
    texts += ["(" * 190, "\\frac{" * 30, "Tom " * 240, "is " * 300, "\\boxed{" * 500, "the answer is " * 280]
    start = time.perf_counter()
    for kind, gold in golds.items():
        for text in texts:
            assert CHECKER(text, question(gold, kind=kind)).value == 0.0
    assert time.perf_counter() - start < 5.0


def test_cheap_always_decides_and_the_checker_travels():
    assert CHECKER.cheap("7", question("7", kind="number")) == CHECKER("7", question("7", kind="number"))
    assert pickle.loads(pickle.dumps(CHECKER)) == CHECKER
