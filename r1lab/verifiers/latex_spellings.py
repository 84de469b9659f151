r"""Ways of writing that are read as another one, before there are tokens."""

from __future__ import annotations

import re

_D, _LETTER = r"(?:d|\\partial|\\text\{d\})", r" ?(?:\\[A-Za-z]+|[A-Za-z])"
_ORDER = r"(?:\^ ?(?:\d|\{\d\}))?"
_DIFFERENTIALS = re.compile(rf"(?<![A-Za-z\\])({_D}{_ORDER}{_LETTER}'*) ?/ ?({_D}{_LETTER}{_ORDER})(?![A-Za-z])")
_MINUTES = re.compile(
    r"(?<![\d.])(\d+) ?\^\\circ ?([0-5]?\d) ?(?:'|\^\{?\\prime\}?)(?: ?([0-5]?\d) ?(?:''|\"|\^\{\\prime ?\\prime\}))?"
)
_ROUND_MODULUS = re.compile(r"\( ?(?:\\b?mod|\\text ?\{ ?mod ?\}|mod)(?![A-Za-z]) ?([^()]+)\)")
_BETWEEN = r"[^\[\](),;]+[,;][^\[\](),;]+"
_OUTWARD = re.compile(rf"(^|\\in|\\cup|\\cap|=) ?([\[\]])({_BETWEEN})([\[\]])(?= ?(?:$|\\cup|\\cap))")
_SPELLINGS = (
    (re.compile(r"\\not ?="), r"\\neq "),
    (re.compile(r"\\math(?:bf|rm) ([A-Za-z])(?![A-Za-z])"), r"\\text{\1}"),
    (_ROUND_MODULUS, r"\\pmod{\1}"),
)


def respelled(text: str) -> str:
    r"""``dy/dx`` as a fraction, ``]1,2[`` as ``(1,2)``, ``30^\circ 15'`` in degrees, ``(mod 5)`` as ``\pmod{5}``.

    >>> respelled("]1,2[")
    '(1,2)'
    """
    text = _DIFFERENTIALS.sub(r"\\frac{\1}{\2}", text)
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    return _OUTWARD.sub(_inward, _MINUTES.sub(_in_degrees, text))


def _in_degrees(match: re.Match[str]) -> str:
    degrees, minutes, seconds = (int(part or 0) for part in match.groups())
    return rf"\frac{{{3600 * degrees + 60 * minutes + seconds}}}{{3600}}^\circ"


def _inward(match: re.Match[str]) -> str:
    before, left, inside, right = match.groups()
    return f"{before}{'(' if left == ']' else '['}{inside}{')' if right == '[' else ']'}"
