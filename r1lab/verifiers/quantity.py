r"""Answers written as plain numbers: read exactly, without sympy and without any way to hang.

A quantity is a number, perhaps with a sign, a currency, a percent sign or a unit: ``-3``, ``1,234.50``, ``3/4``,
``\frac34``, ``1 1/2``, ``0.1\overline{6}``, ``0.1(6)``, ``50\%``, ``$18``, ``18 dollars``, ``9 (apples)``, ``52_8``.
Anything else is not a quantity.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from r1lab.text.spans import last_boxed
from r1lab.verifiers.units import UNIT_NAMES, canonical_unit, known_unit

MAX_CHARS = 400
"""Longer texts are not read as quantities: the cost of reading a number grows with the square of its digits."""

_CHARACTERS = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms of ASCII
_CHARACTERS |= {ord(c): "-" for c in "−‐‑–—"} | {ord(c): "/" for c in "⁄∕÷"} | {0: " "}
_CHARACTERS |= {ord("。"): ".", ord("、"): ",", ord("²"): "^2", ord("³"): "^3", ord("°"): r"^\circ"}
_CHARACTERS |= {ord("½"): " 1/2", ord("¼"): " 1/4", ord("¾"): " 3/4"}
_CHARACTERS |= {ord("∶"): ":", ord("∅"): r"\emptyset "}
_CHARACTERS |= {ord("￥"): "¥", ord("￡"): "£", ord("“"): '"', ord("”"): '"'}
_CHARACTERS |= {ord("×"): r"\times ", ord("·"): r"\cdot ", ord("π"): r"\pi ", ord("∞"): r"\infty "}

_SUPERSCRIPTS = {ord(c): plain for c, plain in zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")}
_RAISED = re.compile("[⁰¹²³⁴-⁹⁻⁺ⁿ]{2,}|[⁰¹⁴-⁹ⁿ]")

_LATEX = [
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"(?<!\\)\\\$", "\0"),  # currency, kept apart from the dollars around formulas until these are gone
        (r"\\(?:left|right) ?\.|\\(?:displaystyle|left|right|big|Big|bigl|bigr)(?![A-Za-z])", ""),
        (r"(?<!\\)\\! ?|(?<=\d)\\,(?=\d{3}(?!\d))", ""),
        (r"(?<!\\)\\[,;:> ]|\\q?quad(?![A-Za-z])|(?<=[\w})\]{])~", " "),  # ~7 is a guess, 7~cm is not
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(?:textbf|textit|textrm|textnormal|mathrm|mathbf|mbox|text) ?\{", r"\\text{"),
        (r"\\frac ?(\d) ?(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac ?(\d) ?\{", r"\\frac{\1}{"),
        (r"\\frac ?\{([^{}]*)\} ?(\d)", r"\\frac{\1}{\2}"),
        (r"([_^]) ?\{(\w)\}", r"\1\2"),
        (r"(?<=[a-zA-Z}])\^ ?\{(-\d)\}", r"^\1"),
        (r"(?<=\d)_ ?\{(\d\d)\}", r"_\1"),
        (r"(?<!\\)\\%", "%"),
        (r"\^ ?(?:\{\\circ\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])", r"^\\circ"),
        (r"\{([,:])\}", r"\1"),
        (r"\{ ?\\(?:rm|bf|it) ([^{}]*)\}", r"\\text{\1}"),
        (r"\\text\{ ?(?:\\mu(?![A-Za-z])|µ|μ) ?", r"\\text{micro"),
        (r"<=|\\le(?:qslant)?(?![A-Za-z])", r"\\leq "),
        (r">=|\\ge(?:qslant)?(?![A-Za-z])", r"\\geq "),
        (r"!=|\\ne(?![A-Za-z])", r"\\neq "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\varnothing(?![A-Za-z])", r"\\emptyset"),
        (r"(?<=[\w})]) ?[和或与及] ?(?=[\w\\({-])", ", "),
    )
]
_MINUS_BEFORE_BOX = re.compile(r"(?<![\w)}-])-\$?\\boxed")
"""A sign in front of the box; - at a distance marks an item of a list, and behind a word it is a dash."""
_PLAIN = re.compile(r"-?[0-9]+(?:\.[0-9]+)?|[A-Za-z]+")  # what most answers are
_LEAD = re.compile(
    r"(?:(?:(?:the|so|thus|therefore),? )*(?:(?:final )?answer(?: is|:)|(?:所以|因此)?(?:最终)?答案[是为:])[ :]*)+",
    re.IGNORECASE,
)
_WRAPPERS = (
    ("**", "**"),
    ("*", "*"),
    ("`", "`"),
    ('"', '"'),
    ("'", "'"),
    ("$$", "$$"),
    ("$", "$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
)
_TEXT = re.compile(r"\\text\{([^{}]*)\}")

_NUMBER = re.compile(
    r"(?P<sign>[+-]?) ?(?P<currency>[$€£¥₹]?) ?(?P<minus>-?)(?:"
    r"(?:(?P<whole>\d+)(?: (?=\d+ ?/)| ?(?=\\)))?"
    r"(?:\\frac ?\{(?P<over>-?\d+)\}\{(?P<under>-?\d+)\}|(?P<top>\d+) ?/ ?(?P<bottom>\d+))"
    r"|(?P<before>\d+)\.(?P<fixed>\d*)(?:\\overline ?\{(?P<cycle>\d+)\}|\((?P<bracketed>\d+)\))"
    r"|(?P<decimal>(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.(?P<places>\d*))?|\.(?P<only_places>\d+))"
    r"(?:[eE](?P<exponent>[+-]?\d{1,2}))?"
    r")(?P<rest>.*)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Quantity:
    """A number as it was written.

    Example: ``12.50 dollars`` has value 25/2, places 2, digits 4, unit "dollar".
    """

    value: Fraction
    """The number before the percent sign is applied."""
    percent: bool
    unit: str
    """Canonical name, lower case, singular; "" where none was written; "_8" for a number in base 8."""
    places: int | None
    """Digits behind the decimal point; None where it was not written as a decimal."""
    digits: int
    """Significant digits of a decimal."""


@lru_cache(maxsize=4096)
def clean(text: str) -> str:
    r"""``text`` in one spelling: ASCII signs, ``\frac{a}{b}``, no delimiters around it, one space at most.

    >>> clean(r"The answer is $\dfrac12$.")
    '\\frac{1}{2}'
    """
    if _PLAIN.fullmatch(text):
        return text
    text = _RAISED.sub(lambda match: f"^{{{match[0].translate(_SUPERSCRIPTS)}}}", text)
    text = " ".join(text.translate(_CHARACTERS).split())
    box = last_boxed(text) if text.count(r"\boxed") == 1 else None
    text = f"{'-' if _MINUS_BEFORE_BOX.search(text) else ''}{box}" if box is not None else text
    for pattern, spelling in _LATEX:
        text = pattern.sub(spelling, text)
    before = None
    while text != before:
        before, text = text, text.strip()
        lead = _LEAD.match(text)
        text = _unwrap(text[lead.end() if lead else 0 :].rstrip(".;, "))
    if text.count("$") > 1:
        text = text.replace("$", "")
    return " ".join(text.replace("\0", "$").split())


@lru_cache(maxsize=4096)
def exact_key(text: str) -> str:
    """``clean`` text as it is compared letter by letter: spaces only where they part two words or two numbers."""
    text = _TEXT.sub(r" \1 ", text).strip().lstrip("+")
    text = re.sub(r"^\(([A-Za-z])\)$", r"\1", text)  # the choice (C) is C
    text = re.sub(r"(?<=\d) +(?=\d)|(?<=[^\W\d]) +(?=[^\W\d])", "\0", text)
    return text.replace(" ", "").replace("\0", " ")


@lru_cache(maxsize=4096)
def read_quantity(text: str) -> Quantity | None:
    """The quantity that ``clean`` text is as a whole; None where it is anything else.

    >>> read_quantity("9 (apples)").value
    Fraction(9, 1)
    """
    match = _NUMBER.fullmatch(_TEXT.sub(r" \1", text).strip()) if len(text) <= MAX_CHARS else None
    if match is None:
        return None
    value, unit = _value(match), _unit(match["rest"], upright=not re.search("[A-Za-z]", _TEXT.sub("", text)))
    if value is None or unit is None or (unit and match["currency"]) or (match["sign"] and match["minus"]):
        return None
    percent = unit == "percent"
    unit = "" if percent else unit or (UNIT_NAMES[match["currency"]] if match["currency"] else "")
    places = match["only_places"] or match["places"] or ""
    digits = len((match["decimal"] or "").replace(",", "").replace(".", "").lstrip("0"))
    written = match["decimal"] is not None and match["exponent"] is None
    return Quantity(value, percent, unit, len(places) if written else None, digits)


def _unwrap(text: str) -> str:
    for left, right in _WRAPPERS:
        inner = text[len(left) : -len(right)]
        if len(text) > len(left + right) and text.startswith(left) and text.endswith(right) and left not in inner:
            return inner
    whole = _TEXT.fullmatch(text)
    return whole.group(1) if whole else text


def _value(match: re.Match[str]) -> Fraction | None:
    if cycle := match["cycle"] or match["bracketed"]:
        # 0.1(6): 1.6666... / 10, and 0.666... is 6/9
        value = (int(match["before"] + match["fixed"]) + Fraction(int(cycle), 10 ** len(cycle) - 1)) / 10 ** len(
            match["fixed"]
        )
    elif match["decimal"] is not None:
        value = Fraction(match["decimal"].replace(",", "")) * Fraction(10) ** int(match["exponent"] or 0)
    else:
        denominator = int(match["under"] or match["bottom"])
        numerator = int(match["over"] or match["top"])
        if denominator == 0 or (match["whole"] and numerator * denominator < 0):
            return None
        value = int(match["whole"] or 0) + Fraction(numerator, denominator)
    return -value if "-" in (match["sign"], match["minus"]) else value


def _unit(rest: str, upright: bool) -> str | None:
    """Canonical unit written behind a number; "" for none, None where the rest is no unit."""
    attached, rest = not rest.startswith((" ", "(")), rest.strip()
    rest = "%" if rest.lower() == "per cent" else rest
    if rest in ("", "%"):
        return "percent" if rest else ""
    if re.fullmatch(r"_\d{1,2}", rest):
        return rest
    if rest in UNIT_NAMES:
        return UNIT_NAMES[rest] if len(rest) > 1 or not rest.isascii() or not attached or rest == "$" else None
    if re.fullmatch(r"[\u4e00-\u9fff]{1,6}", rest):
        return None if set(rest) & set("或和与不到加减乘除分之百千万亿半左右约余多") else rest
    unit = canonical_unit(rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest, upright)
    # 5cm is five centimeters, 2ab is algebra.
    first = re.match(r"[A-Za-z]*", rest)[0].lower()
    return None if unit is None or (attached and known_unit(first) is None) else unit
