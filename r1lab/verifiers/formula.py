r"""Formulas by math-verify and sympy: read as a whole, compared by value, refused where they are too large.

All of it may hang or eat memory and belongs into a worker of the pool.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

from r1lab.verifiers.quantity import read_quantity

if TYPE_CHECKING:
    from sympy import Basic

MAX_EXPONENT = 10_000
MAX_FACTORIAL = 1_000
MAX_DIGITS = 1_000
MAX_DEPTH = 20
"""Brackets in brackets; reading takes time that doubles with each, and no gold answer of MATH has more than five."""

COMMAND = re.compile(r"\\(?:begin|end) ?\{[^{}]*\}|\\[A-Za-z]+")
"""A command of LaTeX; what is left without them are letters that somebody wrote."""
# Read by math-verify as something else than written: "1 2" as 3, "52_8" as 52, "5 \approx 3" as 5.
_MISREAD = re.compile(r"(?<!_)\d \d|\d_|\\(?:approx|sim|simeq|equiv|to|rightarrow|Rightarrow|implies|iff)(?![A-Za-z])")
_TRIGONOMETRY = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![A-Za-z])")
_UNIT_BEHIND = re.compile(r" ?\\text\{[A-Za-z. /]*\}(?:\^[23])?$")
_PRODUCT = re.compile(r"\) ?\(|(?<![\w^.,{])(\d+) ?\(")


def too_large(text: str) -> bool:
    """Whether evaluating would build a number that no machine should hold; what slips through, the deadline stops."""
    if any(len(digits) > MAX_DIGITS for digits in re.findall(r"\d+", text)):
        return True
    numeric = not re.search(r"[A-Za-z]", COMMAND.sub("", text))
    if numeric and re.search(r"[)}!] ?!", text) and re.search(r"[\^*]|\\cdot|\\times|!.*!", text):
        return True
    if any(int(digits) > MAX_FACTORIAL for digits in re.findall(r"(\d+) ?[)}]* ?!", text)):
        return True
    if any(int(top) > MAX_FACTORIAL for top in re.findall(r"\\binom ?\{? ?(\d+)", text)):
        return True
    if numeric and re.search(r"[)}] ?(?:\^|\*\*)", text) and _power_of_power(text):
        return True
    powers = re.findall(r"(?:\^|\*\*)[ {(]*(\d+)(?=([ {(]*(?:\^|\*\*)[ {(]*(\d+))?)", text)
    return any(int(low) > MAX_EXPONENT or (high and _power_exceeds(int(low), int(high))) for low, _, high in powers)


def _power_of_power(text: str) -> bool:
    """Whether the exponents together are too large, as they are multiplied in (2^{9999})^{9999}."""
    exponents = [int(digits) for digits in re.findall(r"(?:\^|\*\*)[ {(]*(\d{1,6})", text)]
    return len(exponents) > 1 and prod(exponents) > MAX_EXPONENT


def _depth(text: str) -> int:
    deepest = depth = 0
    for sign in re.findall(r"[(\[{)\]}]", text):
        depth += 1 if sign in "([{" else -1
        deepest = max(deepest, depth)
    return deepest


def _power_exceeds(base: int, exponent: int) -> bool:
    return base > 1 and (exponent > 14 or base**exponent > MAX_EXPONENT)  # 2**14 > 10,000


@lru_cache(maxsize=256)  # the rollouts of a group share their gold answer
def parse(text: str, degrees: str) -> Basic | None:
    """The sympy object that ``text`` is as a whole; None where it is not readable.

    math-verify's own ``parse`` searches the text for the last thing that it can read: "3 or 4" would be 4.
    """
    from latex2sympy2_extended.latex2sympy2 import latex2sympy, normalize_latex
    from math_verify.grader import should_treat_as_complex
    from math_verify.parser import LatexExtractionConfig
    from sympy import pi

    angles = degrees == "angle" or bool(_TRIGONOMETRY.search(text))
    if number := read_quantity(text):
        value = rational(number.value / (100 if number.percent else 1))
        return value * pi / 180 if angles and number.unit == "degree" else value
    if _MISREAD.search(text) or _depth(text) > MAX_DEPTH:
        return None
    text = text if angles else text.replace(r"^\circ", "")
    text = _PRODUCT.sub(lambda m: m[1] + r"\cdot (" if m[1] else r")\cdot (", text)
    # Units are dropped here only where they are marked as text: math-verify would drop the letters of 5ab, too.
    config = replace(LatexExtractionConfig().normalization_config, units=False)
    text = normalize_latex(_UNIT_BEHIND.sub("", text), config=config)
    try:
        complex_ = should_treat_as_complex(text)
        return latex2sympy(text, is_real=not complex_, convert_degrees=angles, normalization_config=None)
    except MemoryError:
        raise
    except Exception:  # the grammar's way to say that this is not mathematics, of many types
        return None


def equal(gold: Basic, value: Basic) -> bool:
    if is_number(gold) and is_number(value):
        # math-verify rounds to six decimals, which makes all small numbers equal.
        # The number before abs: the absolute value of nested roots that cancel takes sympy minutes.
        gap = abs((_exact(gold) - _exact(value)).evalf(50))
        return bool(gap <= abs(gold.evalf(50)) * rational(Fraction(1, 10**30)))
    from math_verify import verify

    return verify(gold, value, timeout_seconds=None, allow_set_relation_comp=True)  # 1 < x < 2 is (1, 2)


def is_number(value: Basic) -> bool:
    return bool(getattr(value, "is_number", False)) and value.is_finite is True


def _exact(number: Basic) -> Basic:
    from sympy import Float, Rational

    return number.replace(lambda part: isinstance(part, Float), lambda part: Rational(str(part)))


def rational(value: Fraction) -> Basic:
    from sympy import Rational

    return Rational(value.numerator, value.denominator)
