r"""Expressions of whole numbers, the four operations and brackets: their exact value and the numbers they use.

A parser of its own, because nothing that a model writes is ever evaluated by Python. ``×``, ``÷``, ``\times``,
``\cdot``, ``\div``, ``x`` between numbers, square brackets and ``\frac{a}{b}`` are read; there are no powers, no signs
before numbers and no numbers put together from digits. Factors may stand side by side where one of them has brackets:
``(2+6)(1+2)``, ``4(5+1)``, ``(1+2)4``. Two such products are ambiguous and not read: behind a division, ``1/2(3)``, and
a number before a fraction of two numbers, ``2\frac{1}{3}``, which may be a mixed number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

MAX_CHARS = 200
"""Longer texts are no expression: what is nested cannot be deeper than that."""

_TOKEN = re.compile(r"\s*(?:(\d{1,9})|([-+*/()]))")
_SPELLINGS = [
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"(?<=\d) ?\\frac ?\{ ?\d+ ?\} ?\{ ?\d+ ?\}", "?"),  # a mixed number or a product: no token
        (r"\\frac ?\{([^{}]*)\} ?\{([^{}]*)\}", r"((\1)/(\2))"),
        (r"\\(?:times|cdot|ast)(?![a-z])|[×·⋅∗∙•✕✖⨯]|(?<=[\d)\]]) ?[xX] ?(?=[\d(\[])", "*"),
        (r"\\div(?![a-z])|[÷⁄∕]", "/"),
        (r"[−–—]", "-"),
        (r"\\(?:left|right)(?![a-z])|\\[,;! ]", ""),
        (r"[\[{（]", "("),
        (r"[\]}）]", ")"),
    )
]


@dataclass(frozen=True)
class Reading:
    """What an expression comes to. Example: ``(3+5)*2`` has value 16 and the numbers (2, 3, 5)."""

    value: Fraction
    numbers: tuple[int, ...]
    """In rising order, each as often as it stands there."""


def read_expression(text: str) -> Reading | None:
    """The reading of a text that is one expression as a whole; None where it is not, or divides by zero.

    >>> read_expression("8 / (3 - 8/3)").value
    Fraction(24, 1)
    """
    if len(text) > MAX_CHARS:
        return None
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    tokens, place = [], 0
    while match := _TOKEN.match(text, place):
        tokens.append(match[1] or match[2])
        place = match.end()
    if text[place:].strip():
        return None
    try:
        value, end = _sum(tokens, 0)
    except (_NotAnExpression, ZeroDivisionError):
        return None
    return Reading(value, tuple(sorted(int(t) for t in tokens if t.isdigit()))) if end == len(tokens) else None


class _NotAnExpression(Exception):
    pass


def _sum(tokens: list[str], place: int) -> tuple[Fraction, int]:
    value, place = _product(tokens, place)
    while tokens[place : place + 1] in (["+"], ["-"]):
        term, end = _product(tokens, place + 1)
        value, place = (value + term if tokens[place] == "+" else value - term), end
    return value, place


def _product(tokens: list[str], place: int) -> tuple[Fraction, int]:
    value, place = _side_by_side(tokens, place)
    while tokens[place : place + 1] in (["*"], ["/"]):
        if tokens[place] == "*":
            factor, place = _side_by_side(tokens, place + 1)
            value *= factor
        else:
            divisor, place = _factor(tokens, place + 1)
            if _another_factor(tokens, place):  # 1/2(3) is 1/6 to some and 3/2 to others
                raise _NotAnExpression
            value /= divisor
    return value, place


def _side_by_side(tokens: list[str], place: int) -> tuple[Fraction, int]:
    value, place = _factor(tokens, place)
    while _another_factor(tokens, place):
        factor, place = _factor(tokens, place)
        value *= factor
    return value, place


def _another_factor(tokens: list[str], place: int) -> bool:
    """Whether a factor follows without a sign: "(" behind a factor, or a number behind ")"."""
    following = tokens[place : place + 1]
    return following == ["("] or (tokens[place - 1] == ")" and bool(following) and following[0].isdigit())


def _factor(tokens: list[str], place: int) -> tuple[Fraction, int]:
    if place < len(tokens) and tokens[place].isdigit():
        return Fraction(int(tokens[place])), place + 1
    if tokens[place : place + 1] != ["("]:
        raise _NotAnExpression
    value, place = _sum(tokens, place + 1)
    if tokens[place : place + 1] != [")"]:
        raise _NotAnExpression
    return value, place + 1
