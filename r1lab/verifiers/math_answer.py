r"""Is a mathematical answer equal to the gold answer: exact text, exact numbers, then typed values.

What counts as equal:

- The same text after ``clean``: delimiters, spaces, ``\dfrac`` and ``\frac``, full-width digits do not matter.
- The same number, exactly: 1/2 = 0.5 = 2/4, 1,234 = 1234. A decimal with at least ``significant_digits`` digits also
  equals a number that rounds to it: 0.333333 = 1/3, but 0.33 is not.
- A unit, a currency or the base of a number (``52_8``) may be left out, not contradicted: 18 = $18 = 18 dollars, but
  5 km is not 5 m. Units are not converted. A word that is no known unit is taken for what was counted (9 apples = 9),
  but words that change or doubt the number (5 tenths, 5 wrong) are not.
- Degrees by the setting ``degrees``: "unit" 90 degrees = 90; "angle" 90 degrees = pi/2. Inside sin, cos, ... an angle.
- Percent by the setting ``percent``: "value" 50% = 0.5; "sign" 50% = 50, as if the sign were a unit; "either".
- A name may stand before a value (``x = 3`` or ``|AB| = 3`` for 3; ``x = 1 or x = 2`` for 1, 2; ``(x, y) = (1, 2)``);
  of a chain ``a = b = c`` every part must be equal, and of ``v \approx d`` the decimal must be v rounded.
- Words as text, letter case aside; letters of formulas keep their case, primes and indices.
- Values of one type: formulas with one value at every point, with units that do not contradict; tuples in order;
  lists with each value as often as it is written, sets without; sets of real numbers by their members; equations that
  are multiples of each other in the same letters, also without their denominators (xy = 2 and y = 2/x); congruences
  to one modulus; ratios. What is not certainly equal is not equal.

What never counts: several candidates ("3 or 4"), unless the gold answer lists the same. A gold answer is read before
texts are compared: one that cannot be read, or is too large, is a bad gold answer for every answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Literal

from r1lab.types import Question, Score, Status
from r1lab.verifiers.errors import TooLarge, Unreadable
from r1lab.verifiers.quantity import Quantity, clean, exact_key, read_quantity
from r1lab.verifiers.units import units_agree
from r1lab.verifiers.words import looks_like_product

MAX_ANSWER_CHARS = 1000
"""Longer answers are not read; the longest gold answer of MATH has under 200."""

COMMAND = re.compile(r"\\(?:begin|end) ?\{[^{}]*\}|\\[A-Za-z]+")
"""A command of LaTeX; what is left without them are letters that somebody wrote."""
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_RUN_OF_LETTERS = re.compile(r"[^\W\d_]{3,}")
_WORDS = re.compile(r"(?:[^\W\d_]|[ '.,;?!()/&\"-])*")
_CHOICE = re.compile(r"\([A-Za-z]\)")
_SCRIPTS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_FUNCTIONS = {"and", "sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "sqrt", "max", "min", "mod", "gcd", "lcm",
              "cis"}  # fmt: skip
_WARM = (
    (r"2\sqrt{3}", r"\sqrt{12}"), (r"2\sqrt{3}", "1"), (r"\frac{3\pi}{4}", r"3\pi/4"), ("2^{10}", "2^{9}"),
    ("x^2+3x+5", "x(x+3)+5"), (r"\frac{x+2}{x-1}", "(x+2)/(x-1)"), ("3x^2y", "3yx^2"), ("y=2x+3", "2x+3"),
    ("(3,4]", "[3,4]"), (r"(-\infty,2)\cup(3,\infty)", r"(3,\infty)\cup(-\infty,2)"), (r"x \in [1,2]", "[1,2]"),
    ("1, 2, 3", r"\{3,2,1\}"),
    (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", r"\begin{bmatrix}1&2\\3&5\end{bmatrix}"),
    ("3-5i", "-5i+3"), (r"1\pm\sqrt{19}", r"1+\sqrt{19},1-\sqrt{19}"), (r"\sin x + 1", r"1+\sin(x)"),
    ("e^{2x}", r"e^{x} e^{x}"), (r"\log_{2} 9", r"2\log_{2} 3"), ("x<5", "5>x"),
    (r"\sqrt[3]{2}", "2^{1/3}"), ("5!", "2(60)"),
)  # fmt: skip


@dataclass(frozen=True)
class MathChecker:
    r"""Checks answers to questions whose gold answer is a number, an expression, a set, or a word.

    Example: ``checker("\\frac{2}{4}", Question("q", "", answer="0.5")).value == 1.0``
    """

    percent: Literal["value", "sign", "either"]
    """How a percent sign on one side only is read."""
    degrees: Literal["unit", "angle"]
    """What a degree sign is: a unit like any other, or the factor pi/180."""
    significant_digits: int
    """Digits a decimal needs before it may stand for a number that rounds to it."""

    preload: ClassVar[str] = "r1lab.verifiers.math_answer:warm_up"
    """What is called once, before workers are forked."""

    def cheap(self, answer: str, question: Question) -> Score | None:
        """The verdict where text and numbers decide: microseconds, cannot hang; None where they do not decide."""
        gold = clean(question.answer)
        if not exact_key(gold):
            return _bad_gold("the gold answer is empty")
        if len(answer) > MAX_ANSWER_CHARS:
            return Score(0.0, reason="no readable answer: too long", extracted=answer[:100])
        return self._by_text(clean(answer), gold)

    def __call__(self, answer: str, question: Question) -> Score:
        """The full verdict; bounded, but not in microseconds, so for a worker of the pool."""
        return self.cheap(answer, question) or self._by_value(clean(answer), clean(question.answer))

    def _by_text(self, found: str, gold: str) -> Score | None:
        key, gold_key = exact_key(found), exact_key(gold)
        gold_number, words = read_quantity(gold), _is_words(gold)
        if key == gold_key and (gold_number or words):
            return Score(1.0, reason="same text", extracted=found)
        if not key:
            return Score(0.0, reason="no readable answer", extracted=found)
        number = read_quantity(found)
        if number and gold_number and self._comparable(number, gold_number):
            return self._by_number(number, gold_number, found)
        if words:
            same = key.casefold() == gold_key.casefold()
            return Score(float(same), reason="same words" if same else "other words", extracted=found)
        if gold_number and _is_words(found):
            return Score(0.0, reason="no readable answer", extracted=found)
        return None

    def _comparable(self, number: Quantity, gold: Quantity) -> bool:
        """Whether the numbers decide: not where one is an angle in degrees and the other a multiple of pi."""
        return self.degrees == "unit" or number.unit == gold.unit or "degree" not in (number.unit, gold.unit)

    def _by_number(self, number: Quantity, gold: Quantity, found: str) -> Score:
        percent_of_unit = (number.percent and gold.unit) or (gold.percent and number.unit)
        if percent_of_unit or not units_agree(number.unit, gold.unit):
            return Score(0.0, reason="other unit", extracted=found)
        same = any(self._close(number, gold, applied) for applied in self._percent_readings)
        return Score(float(same), reason="same number" if same else "other number", extracted=found)

    @property
    def _percent_readings(self) -> tuple[bool, ...]:
        return {"value": (True,), "sign": (False,), "either": (True, False)}[self.percent]

    def _close(self, number: Quantity, gold: Quantity, percent_applied: bool) -> bool:
        scales = [100 if q.percent and percent_applied else 1 for q in (number, gold)]
        gap = abs(number.value / scales[0] - gold.value / scales[1])
        # A rounded decimal is off by half a unit of its last place at most.
        steps = [scale * 10**q.places for q, scale in zip((number, gold), scales) if self._may_be_rounded(q)]
        return gap == 0 or (bool(steps) and 2 * gap * min(steps) <= 1)

    def _may_be_rounded(self, quantity: Quantity) -> bool:
        return bool(quantity.places) and quantity.digits >= self.significant_digits

    def _by_value(self, found: str, gold: str) -> Score:
        """The verdict by typed values. The gold answer is read first, whatever the answer is."""
        from r1lab.verifiers import (  # not on top: mpmath is for workers, who have it from the warm-up
            formula_equal,
            formula_settle,
        )

        try:
            gold_value = formula_settle.value_of(gold, self.degrees)
        except TooLarge:
            return _bad_gold("the gold answer is too large to evaluate")
        except Unreadable:
            if not _has_words(gold):
                return _bad_gold("the gold answer cannot be read")
            same = exact_key(found).casefold() == exact_key(gold).casefold()
            return Score(float(same), reason="same words" if same else "other words", extracted=found)
        if exact_key(found) == exact_key(gold):
            return Score(1.0, reason="same text", extracted=found)
        rules = formula_equal.Rules(self._same_number, self._may_be_rounded, self._percent_readings)
        try:
            same = formula_equal.same(gold_value, formula_settle.value_of(found, self.degrees), rules)
        except TooLarge:
            return Score(0.0, reason="no readable answer: too large to evaluate", extracted=found)
        except Unreadable as error:
            return Score(0.0, reason=f"no readable answer: {error}", extracted=found)
        except MemoryError:
            raise
        except Exception as error:  # the gold answer is readable, so this is the answer's doing, not the verifier's
            return Score(0.0, reason=f"no readable answer: {type(error).__name__} in comparing", extracted=found)
        return Score(float(same), reason="same value" if same else "other value", extracted=found)

    def _same_number(self, number: Quantity, gold: Quantity) -> bool:
        return self._by_number(number, gold, "").value == 1.0


def vote_key(answer: str) -> tuple[str, Fraction | str]:
    """What answers are grouped by in a majority vote: equal numbers, else equal text; units and letter case aside.

    >>> vote_key("1/2") == vote_key("0.50") == vote_key("50%")
    True
    """
    text = clean(answer[:MAX_ANSWER_CHARS])
    number = read_quantity(text)
    if number is None:
        return "text", exact_key(text).casefold()
    base = number.unit if number.unit.startswith("_") else ""
    return base, number.value / (100 if number.percent else 1)


def same(one: str, other: str) -> bool:
    """Whether two answers count as one in a vote; symmetric, transitive, in-process and unable to hang."""
    return vote_key(one) == vote_key(other)


def warm_up() -> None:
    """Read and compare each kind of answer once, so that no worker pays for the first."""
    checker = MathChecker(percent="value", degrees="unit", significant_digits=6)
    for gold, found in _WARM:
        checker(found, Question("", "", gold))


def _bad_gold(reason: str) -> Score:
    return Score(0.0, Status.BAD_GOLD, reason)


def _is_words(text: str) -> bool:
    """Whether ``text`` is words alone, to be compared letter by letter: anagrams are no products."""
    plain = _TEXT.sub(r" \1 ", text)
    if _CHOICE.fullmatch(text):
        return True
    if _SCRIPTS.search(plain):
        return True
    if not _WORDS.fullmatch(plain):
        return False
    runs = _RUN_OF_LETTERS.findall(plain)
    upright = r"\text" in text
    return any(run.lower() not in _FUNCTIONS and (upright or not looks_like_product(run)) for run in runs)


def _has_words(text: str) -> bool:
    """Whether an unreadable gold answer is at least words."""
    runs = _RUN_OF_LETTERS.findall(COMMAND.sub(" ", text))
    return any(run.lower() not in _FUNCTIONS for run in runs) or bool(re.search(r"\d ?: ?\d", text))
