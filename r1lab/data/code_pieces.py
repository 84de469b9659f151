"""The steps that generated programs are made of: in words, as code, and as a function that knows the result.

What a step means is written three times, each apart from the others, so that a wrong word or a wrong spelling shows:
the gold code then fails the tests that the functions have computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CONSTANTS = range(2, 10)
"""The numbers that steps are made with."""


@dataclass(frozen=True)
class Piece:
    """A step of a computation; ``{}`` in code and words stands for what it works on."""

    words: Mapping[str, str]
    code: str
    apply: Callable[[Any], Any]

    @property
    def binds(self) -> int:
        """How tightly its code binds: 0 a sum, 1 a product, 2 anything closed."""
        return 0 if self.code.startswith(("{}+", "{}-")) else 1 if self.code.startswith(("{}*", "{}%")) else 2


def plus(n: int) -> Piece:
    return Piece({"en": f"plus {n}", "zh": f"加{n}"}, f"{{}}+{n}", lambda x: x + n)


def minus(n: int) -> Piece:
    return Piece({"en": f"minus {n}", "zh": f"减{n}"}, f"{{}}-{n}", lambda x: x - n)


def times(n: int) -> Piece:
    return Piece({"en": f"times {n}", "zh": f"乘{n}"}, f"{{}}*{n}", lambda x: x * n)


def modulo(n: int) -> Piece:
    return Piece({"en": f"modulo {n}", "zh": f"模{n}"}, f"{{}}%{n}", lambda x: x % n)


def each_plus(n: int) -> Piece:
    words = {"en": f"{{}}, each plus {n}", "zh": f"{{}}各加{n}"}
    return Piece(words, f"[x+{n} for x in {{}}]", lambda v: [x + n for x in v])


def each_times(n: int) -> Piece:
    words = {"en": f"{{}}, each times {n}", "zh": f"{{}}各乘{n}"}
    return Piece(words, f"[x*{n} for x in {{}}]", lambda v: [x * n for x in v])


def repeated(n: int) -> Piece:
    return Piece({"en": f"repeated {n} times", "zh": f"重复{n}次"}, f"({{}}*{n})", lambda s: "".join([s] * n))


def without_first(n: int) -> Piece:
    words = {"en": f"without its first {n} letters", "zh": f"去掉前{n}个字母"}
    return Piece(words, f"{{}}[{n}:]", lambda s: "".join(c for i, c in enumerate(s) if i >= n))


def only_first(n: int) -> Piece:
    words = {"en": f"cut to its first {n} letters", "zh": f"只留前{n}个字母"}
    return Piece(words, f"{{}}[:{n}]", lambda s: "".join(c for i, c in enumerate(s) if i < n))


def backward(n: int) -> Piece:
    return Piece({"en": "reversed", "zh": "反转"}, "{}[::-1]", lambda s: "".join(reversed(s)))


def capital(n: int) -> Piece:
    return Piece({"en": "in capitals", "zh": "变成大写"}, "{}.upper()", lambda s: "".join(c.upper() for c in s))


def a_to_b(n: int) -> Piece:
    words = {"en": "with every a made b", "zh": "把a换成b"}
    return Piece(words, "{}.replace('a','b')", lambda s: "b".join(s.split("a")))


def _selection(en: str, zh: str, condition: str, keep: Callable[[int], bool]) -> Piece:
    words = {"en": f"the {en} numbers of v", "zh": f"v中的{zh}数"}
    return Piece(words, f"[x for x in v if {condition}]", lambda v: [x for x in v if keep(x)])


def _end(en: str, zh: str, code: str, apply: Callable[[Sequence[int]], int]) -> Piece:
    return Piece({"en": en, "zh": zh}, code, apply)


NUMBERS = (plus, minus, times, modulo)
MAPS = (each_plus, each_times)
TEXTS = (repeated, without_first, only_first, backward, capital, a_to_b)
EVERYTHING = Piece({"en": "the numbers of v", "zh": "v中的数"}, "v", list)
SELECTIONS = (
    EVERYTHING,
    _selection("even", "偶", "x%2==0", lambda x: not x & 1),
    _selection("odd", "奇", "x%2==1", lambda x: bool(x & 1)),
    _selection("positive", "正", "x>0", lambda x: x > 0),
    _selection("negative", "负", "x<0", lambda x: x < 0),
)
ENDS = (
    _end("the sum of {}", "{}的和", "sum({})", lambda v: -sum(-x for x in v)),
    _end("the count of {}", "{}的个数", "len({})", lambda v: sum(1 for _ in v)),
    _end("the largest of {}, or 0", "{}的最大值，没有则为0", "max({}, default=0)", lambda v: (sorted(v) or [0])[-1]),
    _end("the smallest of {}, or 0", "{}的最小值，没有则为0", "min({}, default=0)", lambda v: (sorted(v) or [0])[0]),
)


def code_of(name: str, pieces: Sequence[Piece]) -> str:
    """The expression.

    >>> code_of("x", (plus(2), times(3)))
    '(x+2)*3'
    """
    code, bound = name, 2
    for piece in pieces:
        code = piece.code.format(f"({code})" if piece.binds > bound else code)
        bound = piece.binds
    return code


def result_of(pieces: Sequence[Piece], value: Any) -> Any:
    """What the steps make of a value."""
    for piece in pieces:
        value = piece.apply(value)
    return value


def neighbors(pieces: Sequence[Piece], name: str) -> Iterator[tuple[Piece, ...]]:
    """The steps with one of them replaced by another of its kind, in a fixed order, each other code once."""
    seen = {code_of(name, pieces)}
    for place, piece in enumerate(pieces):
        for other in _relatives(piece):
            changed = (*pieces[:place], other, *pieces[place + 1 :])
            if (code := code_of(name, changed)) not in seen:
                seen.add(code)
                yield changed


def _relatives(piece: Piece) -> Iterator[Piece]:
    """Pieces that may stand where this one stands."""
    for closed in (SELECTIONS, ENDS):
        if piece in closed:
            yield from closed
            return
    for makers in (NUMBERS, MAPS, TEXTS):
        made = [maker(n) for maker in makers for n in CONSTANTS]
        if any(other.code == piece.code for other in made):
            yield from made
            return
