r"""Units behind a value: one name for each spelling, with powers and quotients; never converted.

``m/s^2``, ``m s^{-2}`` and ``meters per second^2`` are all ``meter per second^2``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from r1lab.verifiers.words import looks_like_product

if TYPE_CHECKING:
    from r1lab.verifiers.latex_tokens import Token

_UNITS = {
    "dollar": "$ usd buck", "euro": "€ eur", "pound sterling": "£ gbp", "yuan": "¥ rmb cny 元", "rupee": "₹ inr",
    "kilometer": "km kilometre 千米 公里", "centimeter": "cm centimetre 厘米", "millimeter": "mm millimetre 毫米",
    "meter": "m metre 米", "foot": "ft feet", "inch": "in inches", "kilogram": "kg kilo 千克 公斤", "gram": "g 克",
    "milligram": "mg", "pound": "lb lbs", "ounce": "oz", "liter": "l litre 升", "milliliter": "ml millilitre 毫升",
    "second": "s sec 秒", "minute": "min 分钟", "hour": "h hr hrs 小时", "percent": "pct", "degree": r"^\circ deg 度",
    "megabyte": "mb", "gigabyte": "gb", "yard": "yd yds", "mile": "mi", "decimeter": "dm", "nanometer": "nm",
    "radian": "rad rads", "unit": "", "kilowatt hour": "kwh", "mile per hour": "mph",
}  # fmt: skip
UNIT_NAMES = {name: unit for unit, names in _UNITS.items() for name in (unit, *names.split())}
_SI = {
    "N": "newton", "J": "joule", "W": "watt", "V": "volt", "A": "ampere", "K": "kelvin", "C": "coulomb", "T": "tesla",
    "F": "farad", "H": "henry", "Pa": "pascal", "Hz": "hertz", "eV": "electronvolt", "mol": "mole", "L": "liter",
    "B": "byte", "cal": "calorie", "bar": "bar", "M": "molar",
}  # fmt: skip
_PREFIXES = {"": "", "k": "kilo", "M": "mega", "G": "giga", "m": "milli", "n": "nano", "c": "centi", "d": "deci"}
_SYMBOLS = {prefix + sign: more + name for sign, name in _SI.items() for prefix, more in _PREFIXES.items()}
"""Symbols of physics, whose case counts: mW is no MW. Single letters are units in upright type alone."""
_MEGA = frozenset(("Mm", "Mg", "Ml"))
_HEDGES_AND_NUMBERS = (
    "or and not nor but maybe perhaps either if to than between about around approximately unless except plus "
    "minus times divided over mod pi sqrt sin cos tan log ln exp zero one two three four five six seven eight "
    "nine ten eleven twelve twenty thirty forty fifty hundred thousand million billion half third quarter dozen "
    "pair hundreds thousands millions billions trillion trillions lakh lakhs crore crores halves thirds fourths fifths "
    "sixths eighths tenth tenths hundredth hundredths thousandth thousandths dozens "
    "squared cubed factorial root negative mille approx wrong incorrect "
)
NOT_UNITS = frozenset(_HEDGES_AND_NUMBERS.split())
_SHORT_WORDS = frozenset(["of", "a", "an", "per", "in", "no"])
_WORD = re.compile(r"([A-Za-z][A-Za-z']*)(?:\^(-?)([1-9]))?\.?")
_QUOTIENT = re.compile(r"[A-Za-z]+(?:\^\d)?/(?:[A-Za-z]+(?:\^\d)?| [A-Za-z ]+ ?)")
_POWERS = {"square": "^2", "sq": "^2", "cubic": "^3", "cu": "^3"}


def canonical_unit(text: str, upright: bool = False) -> str | None:
    r"""The unit that ``text`` names, at most five words; None where a word denies, counts, or is a product of letters.

    >>> canonical_unit("km / h"), canonical_unit("square inches"), canonical_unit("/ x")
    ('kilometer per hour', 'inch^2', None)
    """
    text = re.sub(r"\(([^()]*)\)", r" \1 ", text)
    upright = upright or bool(_QUOTIENT.fullmatch(text.strip()))
    text = re.sub(r"\\cdot|\*|(?<=[A-Za-z])-(?=[ A-Za-z])", " ", text).replace("/", " per ")
    words = text.split()
    if not words or len(words) > 5:
        return None
    sides: tuple[list[str], list[str]] = ([], [])
    below, power, first = False, "", True
    for word in words:
        if word == "per":
            below = True
            continue
        match = _WORD.fullmatch(word)
        if match is None or match[1].lower() in NOT_UNITS:
            return None
        if match[1].lower() in _POWERS and word != words[-1]:
            power = _POWERS[match[1].lower()]
            continue
        name = _name(match[1], upright, first)
        if name is None:
            return None
        raised = (f"^{match[3]}" if match[3] and match[3] != "1" else "") or power
        sides[below != bool(match[2])].append(name + raised)
        power, first = "", False
    return (
        " per ".join(" ".join(side) for side in sides if side or side is sides[0]).strip()
        if sides[1]
        else " ".join(sides[0])
    )


def _name(word: str, upright: bool, first: bool) -> str | None:
    """The unit of one word; a word that is no unit, of three letters and more, is what was counted."""
    if word in _SYMBOLS and (upright or len(word) > 2 or (len(word) == 2 and not first)):
        return _SYMBOLS[word]
    if word in _MEGA:
        return None
    lower = word.lower()
    plain_case = word.islower() or word.isupper() or word.istitle() or len(word) > 3 or lower == "kwh"
    if plain_case and (known := known_unit(lower)) is not None:
        return known
    if lower in _SHORT_WORDS and not first:
        return lower
    if len(word) < 3 or looks_like_product(word):
        return None
    return lower if len(lower) < 4 else lower.removesuffix("es") if lower.endswith("xes") else lower.removesuffix("s")


def known_unit(word: str) -> str | None:
    for name in (word, word.removesuffix("s"), word.removesuffix("es")):
        if name in UNIT_NAMES:
            return UNIT_NAMES[name]
    return None


def units_agree(one: str, other: str) -> bool:
    """Whether two canonical units do not contradict: equal, one unwritten, or one naming the other more closely."""
    parts = [[set(part.split()) for part in f" {unit} ".partition(" per ")[::2]] for unit in (one, other)]
    return all(words <= others or others <= words for words, others in zip(*parts))


def unit_at(parts: Sequence[Token], at: int) -> bool:
    """Whether the tokens from ``at`` to the next sign of a relation or list are a unit."""
    return unit_behind(parts, at)[0] is not None


def unit_behind(parts: Sequence[Token], at: int) -> tuple[str | None, int]:
    """The unit whose first token is at ``at`` and the index behind it; None where no unit stands there."""
    end = at
    while end < len(parts) and (
        parts[end].kind in ("word", "upright", "number", "letter") or parts[end].text in "^{}-/*()"
    ):
        if parts[end].text in ("or", "and"):
            break
        end += 1
    pieces = parts[at:end]
    if not pieces or any(p.kind in ("letter", "number") and not _in_unit(pieces, i) for i, p in enumerate(pieces)):
        return None, at
    text = "".join(
        ("" if p.text in "{}^()" or p.kind == "number" or (i and pieces[i - 1].text in "^{-") else " ")
        + ("" if p.text in "{}()" else p.text)
        for i, p in enumerate(pieces)
    )
    return canonical_unit(text, upright=True), end


def _in_unit(pieces: Sequence[Token], i: int) -> bool:
    """A number counts as a power alone; a letter in italics is no unit."""
    return pieces[i].kind == "number" and i > 0 and (pieces[i - 1].text in ("^", "-", "{"))
