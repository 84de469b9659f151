r"""Text -> a typed value: expression with its unit, tuple, set, list, ratio, relation; None of it is evaluated.

``read`` is for ``clean`` text as a whole: "3 or 4" is a list of two values.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.formula_types import (
    Bracketed,
    Builder,
    Combined,
    Congruence,
    Expression,
    Listed,
    Matrix,
    Named,
    Ratio,
    Relation,
    Value,
)
from r1lab.verifiers.latex_cursor import MAX_DEPTH
from r1lab.verifiers.latex_grammar import Grammar
from r1lab.verifiers.latex_nodes import Node, in_degrees, matrix_rows
from r1lab.verifiers.latex_spellings import respelled
from r1lab.verifiers.latex_tokens import CLOSERS, OPENERS, Token, bracket_depth, closing, split, tokens
from r1lab.verifiers.names import is_derivative, is_name, tuple_name
from r1lab.verifiers.quantity import read_quantity
from r1lab.verifiers.units import UNIT_NAMES, canonical_unit, known_unit, unit_behind

MAX_TOKENS = 1000
_TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc|cis)(?![A-Za-z])")
_PLAIN_UNIT = re.compile(r"(.*[\d})i]) ((?:[A-Za-z]{2,}|[A-Za-z]+(?=.*/))(?:\^\d)?(?:/[A-Za-z]+(?:\^\d)?)?)")
_RELATIONS = {"=": "=", "<": "<", ">": ">", r"\leq": "<=", r"\geq": ">=", r"\neq": "!=", r"\approx": "~", r"\in": "in"}
_OR, _AND = (r"\vee", "or"), (r"\wedge", "and")


def read(text: str, angles: bool = False) -> Value:
    """The value of ``clean`` text; raises ``Unreadable`` where it is none as a whole."""
    try:
        return _Reader(text, angles).value()
    except RecursionError as error:
        raise Unreadable("too many parts within parts") from error


class _Reader:
    def __init__(self, text: str, angles: bool) -> None:
        self.text = respelled(text)
        self.angles = angles or bool(_TRIGONOMETRY.search(text))
        self.parts = self._without_degrees(_with_thousands(_spelled(tokens(self.text))))
        if len(self.parts) > MAX_TOKENS or bracket_depth(self.parts) > MAX_DEPTH:
            raise Unreadable("too long, or too many brackets in brackets")

    def value(self) -> Value:
        return self._listed(self.parts)

    def _without_degrees(self, parts: list[Token]) -> list[Token]:
        r"""Degrees are a factor where they are angles, else a unit that may be left out."""
        kept: list[Token] = []
        for i, part in enumerate(parts):
            if part.text == r"\circ" and kept and kept[-1].is_sign("^"):
                kept.pop()
                last = i == len(parts) - 1
                kept += [replace(part, kind="degree", text=r"^\circ")] if self.angles or last else []
            else:
                kept.append(part)
        return kept

    def _listed(self, parts: Sequence[Token]) -> Value:
        """Statements with commas or words between them."""
        if (
            len(parts) > 2
            and parts[0].kind == "begin"
            and parts[0].text in ("cases", "aligned")
            and parts[-1].kind == "end"
        ):
            lines = [line for line in split(parts[1:-1], r"\\") if line]
            return _flat(Listed(tuple(self._line(line) for line in lines)))
        for joint, signs in (("or", _OR), ("and", _AND), (",", (",", ";"))):
            pieces = split(parts, *signs)
            if len(pieces) > 1:
                pieces = [piece[1:] if piece and piece[0].is_sign(",") else piece for piece in pieces]
                pieces = [piece[:-1] if piece and piece[-1].is_sign(",") else piece for piece in pieces]
                items = tuple(self._listed(piece) for piece in pieces)
                return _flat(Listed(items, joint))
        return self._statement(parts)

    def _line(self, parts: Sequence[Token]) -> Value:
        """A line of cases: a value and where it holds, or one statement with its signs aligned."""
        cells = split(parts, "&")
        if len(cells) != 2 or not cells[0] or not cells[1] or cells[1][0].text in _RELATIONS:
            return self._listed([part for part in parts if not part.is_sign("&")])
        value, condition = cells
        value = value[:-1] if value[-1].is_sign(",") else value
        word = condition[0].text.strip(" ,:").lower() if condition[0].kind == "word" else ""
        if len(condition) == 1 and word in ("otherwise", "else"):
            return Bracketed("()", (self._side(value), Named("otherwise")))
        return Bracketed("()", (self._side(value), self._listed(condition[word in ("if", "for", "when") :])))

    def _statement(self, parts: Sequence[Token]) -> Value:
        marks = [i for i, part in enumerate(parts) if part.text in (r"\pmod", r"\mod")]
        if len(marks) == 1:
            return self._congruence(parts[: marks[0]], parts[marks[0] + 1 :])
        cuts = _relation_signs(parts)
        if not cuts:
            return self._side(parts)
        starts, ends = [0, *(i + 1 for i, _ in cuts)], [*(i for i, _ in cuts), len(parts)]
        pieces = [parts[a:b] for a, b in zip(starts, ends)]
        signs = tuple(sign for _, sign in cuts)
        name = self._source(pieces[0]) if pieces[0] else ""
        if signs[0] in ("=", "~", "in") and (is_name(name) or is_derivative(name)):
            return Relation((self._try_side(pieces[0]), *(self._side(p) for p in pieces[1:])), signs, name)
        if signs == ("~",) and not pieces[0]:
            return Relation((None, self._side(pieces[1])), signs)
        if signs in (("=",), ("in",)) and (names := tuple_name(name)):
            return Relation((None, self._side(pieces[1])), ("=",), names)
        return Relation(tuple(self._side(piece) for piece in pieces), signs)

    def _congruence(self, parts: Sequence[Token], modulus: Sequence[Token]) -> Congruence:
        sides = split(parts, r"\equiv")
        if len(sides) > 2:
            raise Unreadable("a chain of congruences")
        left = Grammar(sides[0]).whole() if len(sides) == 2 else None
        return Congruence(left, Grammar(sides[-1]).whole(), Grammar(modulus).whole())

    def _source(self, parts: Sequence[Token]) -> str:
        return self.text[parts[0].start : parts[-1].end].strip() if parts else ""

    def _try_side(self, parts: Sequence[Token]) -> Value | None:
        try:
            return self._side(parts)
        except Unreadable:
            return None

    def _side(self, parts: Sequence[Token]) -> Value:
        """What stands on one side of a relation: sets, a ratio, or one value."""
        for sign in (r"\cup", r"\setminus", r"\cap"):
            pieces = split(parts, sign)
            if len(pieces) > 1:
                value = self._side(pieces[0])
                for piece in pieces[1:]:
                    value = Combined(sign[1:], value, self._side(piece))
                return value
        pieces = split(parts, ":")
        if len(pieces) > 1:
            return Ratio(tuple(Grammar(piece).whole() for piece in pieces))
        return self._one(parts)

    def _one(self, parts: Sequence[Token]) -> Value:
        if not parts:
            raise Unreadable("nothing")
        first = parts[0]
        if (
            len(parts) == 1
            and first.kind == "command"
            and first.text in (r"\emptyset", r"\mathbbR", r"\mathbbZ", r"\mathbbN", r"\mathbbQ", r"\mathbbC")
        ):
            return Named(first.text[7:] if "bb" in first.text else "")
        if (first.kind == "sign" and first.text in ("(", "[", r"\{", "{")) or first.text == r"\langle":
            end = closing(parts, 0)
            if end == len(parts) - 1 and (found := self._bracketed(parts)) is not None:
                return found
        if any(part.kind == "begin" for part in parts) and (matrix := _matrix(parts)):
            return matrix
        return self._expression(parts)

    def _bracketed(self, parts: Sequence[Token]) -> Value | None:
        opener, closer, inside = parts[0].text, parts[-1].text, parts[1:-1]
        if inside and inside[0].kind == "begin" and inside[-1].kind == "end" and (matrix := _matrix(inside)):
            return matrix
        if any(part.text in (r"\choose", r"\over") for part in inside):
            return None
        if opener == "{" and closer == "}":
            return self._listed(inside) if inside else None
        if opener == r"\{" and closer == r"\}":
            return self._set(inside)
        pieces = split(inside, ",", ";")
        brackets = opener[-1] + closer[-1]
        if opener == r"\langle":
            brackets = "<>"
        if len(pieces) < 2:
            if brackets == "()" and (split(inside, *_OR, *_AND, r"\cup")[1:] or _relation_signs(inside)):
                return self._listed(inside)
            return None
        if len(pieces) == 2 or brackets in ("()", "<>", "[]"):
            return Bracketed(brackets, tuple(self._side(piece) for piece in pieces))
        raise Unreadable("brackets of two kinds")

    def _set(self, inside: Sequence[Token]) -> Value:
        if not inside:
            return Named("")
        for sign in ("|", ":"):
            pieces = split(inside, sign)
            if len(pieces) == 2 and pieces[0] and pieces[0][0].kind == "letter":
                among = _relation_signs(pieces[0])
                if len(pieces[0]) == 1 or (
                    among
                    and among[0] == (1, "in")
                    and pieces[0][2:][-1:][0].text == r"\mathbbR"
                    and len(pieces[0]) == 3
                ):
                    return Builder(pieces[0][0].text, self._listed(pieces[1]))
        items = self._listed(inside)
        return Bracketed("{}", items.items if isinstance(items, Listed) else (items,))

    def _expression(self, parts: Sequence[Token]) -> Expression:
        plain = read_quantity(self._source(parts))
        currency = {part.text for part in parts if part.is_sign("$", "€", "£", "¥", "₹")}
        parts = [part for part in parts if part.text not in currency]
        if len(currency) > 1 or not parts:
            raise Unreadable("two currencies")
        unit = UNIT_NAMES[currency.pop()] if currency else ""
        percent = False
        if parts[-1].kind == "degree" and not self.angles:
            parts, unit = parts[:-1], unit or "degree"
        elif parts[-1].is_sign("%"):
            parts, percent = parts[:-1], True
        if plain is not None and not (self.angles and plain.unit == "degree"):
            return Expression(Node("number", value=plain.value), plain.unit, plain.percent, plain)
        node, behind = self._with_plain_unit(parts) or self._formula(parts)
        if unit and behind:
            raise Unreadable("two units")
        if behind == "percent":
            behind, percent = "", True
        if behind == "degree" and self.angles:
            behind, node = "", in_degrees(node)
        return Expression(node, unit or behind, percent)

    def _with_plain_unit(self, parts: Sequence[Token]) -> tuple[Node, str] | None:
        r"""``3\times10^8 m/s``: a number, a space, and units of two letters or a quotient of units in plain letters."""
        match = _PLAIN_UNIT.fullmatch(self._source(parts))
        if match is None or not all(known_unit(word.lower()) for word in re.findall("[A-Za-z]+", match[2])):
            return None
        behind = parts[0].start + match.start(2)
        front = [part for part in parts if part.start < behind]
        if any(part.kind in ("letter", "word", "upright") and part.text not in (r"\pi", "e") for part in front):
            return None
        unit = canonical_unit(match[2])
        return (Grammar(front).whole(), unit) if unit else None

    def _formula(self, parts: Sequence[Token]) -> tuple[Node, str]:
        grammar = Grammar(parts)
        node = grammar.expression()
        if grammar.at == len(parts):
            return node, ""
        unit, end = unit_behind(parts, grammar.at)
        if unit is None or end < len(parts):
            raise Unreadable(f"{parts[grammar.at].text!r} behind a formula")
        return node, unit


def _spelled(parts: list[Token]) -> list[Token]:
    """``\\text{ or }`` as the word between values; <= and >= as one sign."""
    return [
        replace(p, text=p.text.strip(",").lower())
        if p.kind == "word" and p.text.strip(",").lower() in ("or", "and")
        else p
        for p in parts
    ]


def _relation_signs(parts: Sequence[Token]) -> list[tuple[int, str]]:
    found, depth = [], 0
    for i, part in enumerate(parts):
        if part.kind in ("sign", "command"):
            depth += (part.text in OPENERS) - (part.text in CLOSERS)
            if depth == 0 and part.text in _RELATIONS:
                found.append((i, _RELATIONS[part.text]))
    return found


def _with_thousands(parts: list[Token]) -> list[Token]:
    """12,000 as one number outside brackets, unless commas without a space part values there, too: 1,2,300."""
    depth, commas = 0, []
    for i, part in enumerate(parts):
        depth += (part.text in OPENERS) - (part.text in CLOSERS)
        commas += [i] if depth == 0 and part.is_sign(",") and i < len(parts) - 1 else []
    inside = {i for i in commas if _groups_digits(parts, i)}
    if not inside or any(not parts[i + 1].spaced for i in commas if i not in inside):
        return parts
    made: list[Token] = []
    for i, part in enumerate(parts):
        if i in inside:
            continue
        if i - 1 in inside:
            made[-1] = replace(made[-1], text=made[-1].text + part.text, end=part.end)
        else:
            made.append(part)
    return made


def _groups_digits(parts: Sequence[Token], comma: int) -> bool:
    """Whether the comma stands between up to three digits and three digits, without a space."""
    before, behind = parts[comma - 1], parts[comma + 1]
    return (
        comma > 0 and before.kind == behind.kind == "number" and not (parts[comma].spaced or behind.spaced)
        and len(behind.text.partition(".")[0]) == 3 and len(before.text) <= 3 and before.text.isdigit()
        and (before.text[0] != "0" or (comma > 1 and parts[comma - 2].is_sign(",")))
    )  # fmt: skip


def _matrix(parts: Sequence[Token]) -> Matrix | None:
    """A matrix, or a sum or multiple of matrices; None for an expression without any."""
    grammar = Grammar(parts)
    node = grammar.expression()
    rows = matrix_rows(node) if grammar.at == len(parts) else None
    return Matrix(rows) if rows is not None else None


def _flat(listed: Listed) -> Listed:
    """``(x,y) = (1,2), (2,1)`` names both; ``3, 5 and 7`` is a list of three."""
    items: list[Value] = []
    for item in listed.items:
        items += item.items if isinstance(item, Listed) and item.joint == "," else [item]
    return Listed(tuple(items), listed.joint)
