"""The game of 24: put the numbers together to 24, each once, with the four operations. Every puzzle has a solution.

All values on the way are whole numbers of 0 or more; a checker accepts fractions on the way too.
"""

from __future__ import annotations

import random
from functools import lru_cache
from itertools import combinations

from r1lab.data.problem import Problem

TARGET = 24
WORDINGS = {
    "en": ("Make 24 from {} with + - * / and brackets, each number once.", "Use each of {} once to make 24."),
    "zh": ("用{}各一次，加减乘除，得到24。", "24点：{}，每个数用一次。"),
}


def game24(rng: random.Random, level: int, language: str) -> Problem:
    """Three numbers up to 9 and 13 at levels 1 and 2; four numbers up to 5, 9 and 13 at levels 3, 4 and 5."""
    count, largest = ((3, 9), (3, 13), (4, 5), (4, 9), (4, 13))[level - 1]
    solution = None
    while solution is None:
        numbers = tuple(sorted(rng.randint(1, largest) for _ in range(count)))
        solution = solve(numbers)
    expression, steps = solution
    shown = rng.sample(numbers, count)
    text = rng.choice(WORDINGS[language]).format(("、" if language == "zh" else ", ").join(map(str, shown)))
    return Problem(
        text=text,
        answer=expression,
        work=steps,
        slips=_slips(rng, shown),
        domain="logic",
        facts={"kind": "expression"},
        split_by=f"24 from {numbers}",
    )


@lru_cache(maxsize=8192)
def solve(numbers: tuple[int, ...]) -> tuple[str, tuple[str, ...]] | None:
    """An expression of the numbers that comes to 24, and its steps; None where there is none.

    >>> solve((1, 4, 6))
    ('1*4*6', ('1*4=4', '4*6=24'))
    """
    return _solve(tuple((number, str(number), 2) for number in numbers), ())


Term = tuple[int, str, int]
"""Value, expression, and how firmly it holds together: 0 a sum, 1 a product, 2 a number."""


def _solve(terms: tuple[Term, ...], steps: tuple[str, ...]) -> tuple[str, tuple[str, ...]] | None:
    if len(terms) == 1:
        return (terms[0][1], steps) if terms[0][0] == TARGET else None
    for one, other in combinations(range(len(terms)), 2):
        rest = tuple(term for place, term in enumerate(terms) if place not in (one, other))
        for left, right in ((terms[one], terms[other]), (terms[other], terms[one])):
            for sign, term in _joined(left, right):
                found = _solve((term, *rest), (*steps, f"{left[0]}{sign}{right[0]}={term[0]}"))
                if found:
                    return found
    return None


def _joined(left: Term, right: Term) -> list[tuple[str, Term]]:
    """What two terms come to, the larger first where the order does not matter."""
    (a, one, firm), (b, other, other_firm) = left, right
    made = []
    if a >= b:
        made.append(("-", (a - b, f"{one}-{_bracketed(other, other_firm, 1)}", 0)))
    if b and a % b == 0:
        made.append(("/", (a // b, f"{_bracketed(one, firm, 1)}/{_bracketed(other, other_firm, 2)}", 1)))
    if a <= b:
        made.append(("*", (a * b, f"{_bracketed(one, firm, 1)}*{_bracketed(other, other_firm, 1)}", 1)))
        made.append(("+", (a + b, f"{one}+{other}", 0)))
    return made


def _bracketed(expression: str, firm: int, wanted: int) -> str:
    return expression if firm >= wanted else f"({expression})"


def _slips(rng: random.Random, numbers: list[int]) -> list[str]:
    """Expressions of these numbers that do not come to 24."""
    slips = []
    for _ in range(20):
        value, text = numbers[0], str(numbers[0])
        for number in numbers[1:]:
            sign = rng.choice("+-*") if text.isdigit() else rng.choice("+-")
            value = value * number if sign == "*" else value + number if sign == "+" else value - number
            text += f"{sign}{number}"
        slips += [text] if value != TARGET and text not in slips else []
    return slips[:3]
