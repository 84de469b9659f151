r"""What may stand before = as a name: x_1, f(2), |AB|, P(\text{six}), Area of ABC; never 2x, x^2 or a+b."""

from __future__ import annotations

import re

_NO_LETTERS = "text|frac|sqrt|begin|int|sum|lim|left|right|pm|mp|log|ln|sin|cos|tan|cdot|times"
_LETTER = rf"(?:[A-Za-z]|\\(?!{_NO_LETTERS})[A-Za-z]+(?: ?\{{[^{{}}]*\}})?)"
_INDEX = r"(?:_ ?(?:\{(?:[^{}]|\{[^{}]*\})*\}|\\?\w+))"
_MARK = r"(?:'+|\^ ?(?:\{?(?:\\prime ?)+\}?|\*|\{\*\}))"
_SIMPLE = r"[-+]?(?:[\d./]+|[A-Za-z]|\\[a-z]+|\\frac\{\d+\}\{\d+\})(?:_\w)?"
_WORDS = r"[A-Za-z]{3,}(?: (?:of|the|[A-Za-z]{3,}|[A-Z]{1,4})){0,5}"
_KINDS = (
    rf"{_LETTER}(?:{_MARK}|{_INDEX})*(?: ?\({_SIMPLE}(?:, ?{_SIMPLE})*\))?",
    r"[A-Z]{2,4}|[a-z]{2,3}|[A-Za-z]\d",  # AB, xy, x1
    r"\|[A-Za-z\\{} ]{1,40}\||\\\|[A-Za-z\\{} ]{1,40}\\\|",  # |AB|, |A \cup B|, \|v\|
    r"\[[A-Z]{3,}\]|m ?\\angle ?[A-Z]+|m?∠ ?[A-Z]+",
    r"\\(?:angle|triangle|overline|overrightarrow|widehat|operatorname|mathcal|text|vec|bar|hat) ?\{?[A-Za-z ]+\}?",
    r"(?:[PE]|\\mathbb ?\{?[PE]\}?|\\?Pr|Var|\\operatorname\{\w+\}) ?[(\[].*[)\]]",
    r"[A-Za-z]\([A-Z] ?\\c[ua]p ?[A-Z]\)|\\det ?\(?[A-Z]\)?",
    rf"[fghFGH] ?\^ ?(?:-1|\{{-1\}}) ?\({_SIMPLE}\)|[fghFGH]\([fghFGH]\({_SIMPLE}\)\)",
    rf"\\(?:Delta|delta) ?{_LETTER}{_INDEX}?",
    rf"(?:[Tt]he )?{_WORDS}(?: ?\\(?:tri)?angle ?[A-Z]{{1,4}})?",
)
_NAME = re.compile("|".join(f"(?:{kind})" for kind in _KINDS))
_DERIVATIVE = re.compile(r"\\frac ?\{(?:d|\\partial) ?.*\}\{(?:d|\\partial) ?.*\}")
_TUPLE = re.compile(r"\((?:[A-Za-z]|\\[a-z]+)(?:_\w)?(?:,(?:[A-Za-z]|\\[a-z]+)(?:_\w)?)+\)")
_HEDGES = "not never either neither maybe about perhaps unless and or but if than approximately"
_NO_NAMES = frozenset(_HEDGES.split())


def is_name(text: str) -> bool:
    r"""Whether ``text`` names what stands behind the sign; AB:CD names a ratio.

    >>> [is_name(text) for text in ("x_1", "f(2)", r"P(\\text{six})", "2x", "x^2", "not x")]
    [True, True, True, False, False, False]
    """
    if ":" in text and not re.search(r"(?<![_\d])\d+ ?:", text):
        return all(is_name(part) for part in text.split(":"))
    text = re.sub(r"^\\text ?\{([^{}]*)\}", r"\1", text).replace("  ", " ").strip()
    return bool(_NAME.fullmatch(text)) and not set(text.lower().split()) & _NO_NAMES


def is_derivative(text: str) -> bool:
    return bool(_DERIVATIVE.fullmatch(text))


def tuple_name(text: str) -> str:
    """(x, y) without spaces; "" for anything but letters in round brackets."""
    text = text.replace(" ", "")
    return text if _TUPLE.fullmatch(text) else ""
