"""Fractions, derivatives, roots, integrals, sums, limits and matrices."""

from __future__ import annotations

from collections.abc import Sequence

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.latex_cursor import Cursor
from r1lab.verifiers.latex_nodes import Node, number, with_letter_i
from r1lab.verifiers.latex_tokens import Token, closing, split


class Calculus(Cursor):
    """The part of the grammar that reads what has parts below and above."""

    def _matrix(self) -> Node:
        token = self.parts[self.at]
        ends = [i for i in range(self.at, len(self.parts)) if self.parts[i].kind == "end"]
        if (
            token.text.rstrip("*") not in ("matrix", "pmatrix", "bmatrix", "vmatrix", "Bmatrix", "array", "smallmatrix")
            or not ends
        ):
            raise Unreadable(f"the environment {token.text!r}")
        inside, self.at = self.parts[self.at + 1 : ends[0]], ends[0] + 1
        if token.text == "array" and inside and inside[0].is_sign("{"):
            inside = inside[closing(inside, 0) + 1 :]
        lines = [line for line in split(inside, r"\\") if line]
        rows = [Node("row", tuple(self.inner(cell) for cell in split(line, "&"))) for line in lines]
        if not rows or len({len(row.args) for row in rows}) != 1:
            raise Unreadable("a matrix whose rows are not of one length")
        return Node("det" if token.text.startswith("vmatrix") else "matrix", tuple(rows))

    def _fraction(self) -> Node:
        start = self.at
        over, under = self._slice(), self._slice()
        if derivative := self._derivative(over, under):
            return derivative
        if not over or not under:
            raise Unreadable("an empty fraction")
        self.at = start
        return Node("div", (self._fraction_part(), self._fraction_part()))

    def _fraction_part(self) -> Node:
        token = self.peek()
        return self._group() if token and token.is_sign("{") else self._primary(script=True)

    def _derivative(self, over: Sequence[Token], under: Sequence[Token]) -> Node | None:
        r"""dy/dx, d^2y/dx^2, \partial u/\partial t, or d/dx with what follows: a name for it, not worked out."""
        signs = ("d", r"\partial")
        if not (over and under and over[0].text in signs and under[0].text == over[0].text and len(under) > 1):
            return None
        if under[1].kind not in ("letter", "upright") or (len(over) > 1 and over[1].is_sign("_", "*", "/", "+", "-")):
            return None
        below = " ".join(part.text for part in under if part.text not in "{}")
        rest = list(over[1:])
        order = ""
        if len(rest) > 1 and rest[0].is_sign("^"):
            end = closing(rest, 1) if rest[1].is_sign("{") else 1
            order, rest = (
                "^" + "".join(part.text for part in rest[1 : end + 1] if part.text not in "{}"),
                rest[end + 1 :],
            )
        name = f"{over[0].text}{order}/{below}"
        if rest:
            return Node("opaque", (self.inner(rest),), name)
        following = self.peek()
        if following is None or not self._juxtaposed(following):
            return Node("symbol", name=name)
        return Node("opaque", (self._term(),), name)

    def _root(self) -> Node:
        if (token := self.peek()) and token.is_sign("["):
            degree = self._group()
            return Node("root", (self._argument(), degree))
        return Node("root", (self._argument(), number(2)))

    def _integral(self, name: str) -> Node:
        low = high = None
        while token := self.peek():
            if token.is_sign("_"):
                self.at += 1
                low = self._index()
            elif token.is_sign("^"):
                self.at += 1
                high = self._script()
            else:
                break
        outer, self.in_integral = self.in_integral, True
        first = self.peek()
        body = number(1) if first and first.text == "d" else self.expression()
        self.in_integral = outer
        variable = ""
        if (token := self.peek()) and token.text == "d":
            self.at += 1
            variable = self._raw()
        limits = tuple(limit for limit in (low, high) if limit is not None)
        return Node("bound", (body, *limits), f"{name} {variable}" if len(limits) == 2 else f"{name} {variable} free")

    def _sum(self, name: str) -> Node:
        variable, low, high = "", None, None
        while token := self.peek():
            if token.is_sign("_"):
                self.at += 1
                inside = self._slice()
                if len(inside) < 3 or not inside[1].is_sign("="):
                    raise Unreadable("a sum without a first index")
                variable, low = inside[0].text, self.inner(inside[2:])
            elif token.is_sign("^"):
                self.at += 1
                high = self._script()
            else:
                break
        if low is None or high is None:
            raise Unreadable("a sum without bounds")
        body = self._term()
        return Node(name, (with_letter_i(body) if variable == "i" else body, low, high), variable)

    def _limit(self) -> Node:
        if not self.take("_"):
            raise Unreadable("a limit of nothing")
        inside = self._slice()
        if len(inside) < 3 or inside[1].text not in (r"\to", r"\rightarrow"):
            raise Unreadable("a limit without an arrow")
        side = "".join(part.text for part in inside[3:] if part.text in ("^", "+", "-"))
        cut = next((i for i, part in enumerate(inside) if i > 2 and part.is_sign("^")), len(inside))
        target = self.inner(inside[2 : cut if side in ("^+", "^-") else len(inside)])
        return Node("bound", (self._term(), target), f"lim{side} {inside[0].text}")
