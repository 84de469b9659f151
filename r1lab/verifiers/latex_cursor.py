"""A place in a row of tokens, and what the parts of the grammar share."""

from __future__ import annotations

from collections.abc import Sequence

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.latex_nodes import Node
from r1lab.verifiers.latex_tokens import Token, closing

MAX_DEPTH = 20
"""Brackets in brackets; no gold answer of MATH has more than five."""


class Cursor:
    """``at`` is where the reading stands; the grammar fills in the parts that are not here."""

    def __init__(self, parts: Sequence[Token], depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable("too many brackets in brackets")
        self.parts, self.at, self.depth = parts, 0, depth
        self.bars: list[str] = []
        self.in_integral = False

    def expression(self) -> Node:
        raise NotImplementedError

    def whole(self) -> Node:
        node = self.expression()
        if self.at < len(self.parts):
            raise Unreadable(f"{self.parts[self.at].text!r} behind an expression")
        return node

    def inner(self, parts: Sequence[Token]) -> Node:
        """The expression that ``parts`` are as a whole, one bracket deeper."""
        return type(self)(parts, self.depth + 1).whole()

    def peek(self, ahead: int = 0) -> Token | None:
        return self.parts[self.at + ahead] if self.at + ahead < len(self.parts) else None

    def take(self, *signs: str) -> bool:
        token = self.peek()
        if token and token.kind in ("sign", "command") and token.text in signs:
            self.at += 1
            return True
        return False

    def _raw(self) -> str:
        """The text of a group or of one token, as a name."""
        token = self.peek()
        if token is None:
            raise Unreadable("a name is missing")
        if not token.is_sign("{"):
            self.at += 1
            return token.text
        end = closing(self.parts, self.at)
        inside, self.at = self.parts[self.at + 1 : end], end + 1
        return " ".join(part.text for part in inside)

    def _slice(self) -> Sequence[Token]:
        token = self.peek()
        end = closing(self.parts, self.at) if token and token.is_sign("{") else self.at
        inside = self.parts[self.at + 1 : end] if end > self.at else self.parts[self.at : self.at + 1]
        self.at = end + 1
        return inside
