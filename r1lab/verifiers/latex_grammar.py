r"""Tokens -> the tree of an expression. It is syntax alone: nothing is evaluated, and the time is linear.

What the reader decides, in one place, and what it does not do:

- Letters keep their case, primes, dots, hats and indices: ``y'``, ``\dot{x}``, ``V_{out}``, ``R`` and ``r`` are names.
- ``\gamma`` is a letter; ``\Gamma(x)`` with an argument in brackets is the function.
- ``e`` and ``i`` are constants, in italics or upright; ``E``, ``e_1`` and ``i_0`` are letters.
- Derivatives, integrals, limits and sums to an unknown bound are not worked out; they are compared part by part.
- ``f(x)`` is a function's value for f, g, h, F, G, H, any primed letter and some Greek letters; else a product.
- ``\log`` without a base has base 10; ``a/bc`` is a/(bc), ``a/b(c)`` is (a/b)c.
- ``2\frac12`` is two and a half; ``2 3`` is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.latex_tokens import FUNCTIONS, Token

MAX_DEPTH = 20
"""Brackets in brackets; no gold answer of MATH has more than five."""

_APPLIED = frozenset((*"fghFGH", r"\Gamma", r"\Phi", r"\phi", r"\varphi", r"\psi", r"\Psi", r"\zeta"))
_ACCENT_NAMES = (
    "dot ddot dddot hat vec bar tilde overline widehat widetilde mathcal mathscr mathfrak underline overrightarrow "
    "acute check breve"
)
_ACCENTS = frozenset(f"\\{name}" for name in _ACCENT_NAMES.split())
_COMMANDS_OF_FACTORS = frozenset(
    (
        "frac",
        "dfrac",
        "tfrac",
        "cfrac",
        "sqrt",
        "binom",
        "int",
        "oint",
        "sum",
        "prod",
        "lim",
        "infty",
        "angle",
        "triangle",
    )
)
_CLOSERS = {"(": ")", "[": "]", r"\{": r"\}", "{": "}"}
OPENERS = frozenset(("(", "[", r"\{", "{", r"\lfloor", r"\lceil", r"\langle"))
CLOSERS = frozenset((")", "]", r"\}", "}", r"\rfloor", r"\rceil", r"\rangle"))
_BARS = {r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceil"), "|": ("|", "abs"), r"\|": (r"\|", "norm")}


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Example: ``2x`` is ``Node("mul", (Node("number", value=2), Node("symbol", name="x")))``.
    """

    op: str
    args: tuple[Node, ...] = ()
    name: str = ""
    value: Fraction | None = None


def number(value: Fraction | int) -> Node:
    return Node("number", value=Fraction(value))


def negative(node: Node) -> Node:
    return Node("mul", (number(-1), node))


def product(one: Node, other: Node) -> Node:
    """One product of all factors, so that a long one is no deep tree."""
    return Node("mul", (*one.args, other) if one.op == "mul" else (one, other))


def in_degrees(node: Node) -> Node:
    return Node("mul", (node, Node("div", (Node("pi"), number(180)))))


def walk(node: Node) -> list[Node]:
    found = [node]
    for part in found:
        found.extend(part.args)
    return found


def matrix_rows(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    """The cells of a matrix, of a sum of matrices, or of a multiple of one; None for anything else."""
    if node.op == "matrix":
        return tuple(row.args for row in node.args)
    rows = [matrix_rows(arg) for arg in node.args]
    held = [i for i, part in enumerate(rows) if part is not None]
    if (node.op == "mul" and len(held) == 1) or (node.op == "div" and held == [0]):
        before, behind = node.args[: held[0]], node.args[held[0] + 1 :]
        return tuple(tuple(Node(node.op, (*before, cell, *behind)) for cell in row) for row in rows[held[0]])
    if node.op == "add" and None not in rows and len({(len(part), len(part[0])) for part in rows}) == 1:
        return tuple(tuple(Node("add", cells) for cells in zip(*lines)) for lines in zip(*rows))
    return None


def closing(parts: Sequence[Token], start: int) -> int:
    """The index of the token that closes the bracket at ``start``, of whatever kind: (1,2] is an interval."""
    depth = 0
    for i in range(start, len(parts)):
        if parts[i].text in OPENERS and parts[i].kind in ("sign", "command"):
            depth += 1
        elif parts[i].text in CLOSERS and parts[i].kind in ("sign", "command"):
            depth -= 1
            if depth == 0:
                return i
    raise Unreadable("a bracket is not closed")


class Grammar:
    """Reads one expression; ``at`` is where it stands."""

    def __init__(self, parts: Sequence[Token], depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable("too many brackets in brackets")
        self.parts, self.at, self.depth = parts, 0, depth
        self.bars: list[str] = []
        self.in_integral = False

    def whole(self) -> Node:
        node = self.expression()
        if self.at < len(self.parts):
            raise Unreadable(f"{self.parts[self.at].text!r} behind an expression")
        return node

    def peek(self, ahead: int = 0) -> Token | None:
        return self.parts[self.at + ahead] if self.at + ahead < len(self.parts) else None

    def take(self, *signs: str) -> bool:
        token = self.peek()
        if token and token.kind in ("sign", "command") and token.text in signs:
            self.at += 1
            return True
        return False

    def expression(self) -> Node:
        terms = [self._signed()]
        while (token := self.peek()) and token.text in ("+", "-", r"\pm", r"\mp"):
            terms.append(self._signed())
        return terms[0] if len(terms) == 1 else Node("add", tuple(terms))

    def _signed(self) -> Node:
        if self.take("+"):
            return self._term()
        if self.take("-"):
            return negative(self._term())
        for sign in (r"\pm", r"\mp"):
            if self.take(sign):
                return Node(sign, (self._term(),))
        return self._term()

    def _term(self) -> Node:
        node = self._factor()
        while token := self.peek():
            if self.take("*"):
                node = product(node, self._operand())
            elif self.take("/"):
                node = Node("div", (node, self._divisor()))
            elif self._juxtaposed(token):
                node = product(node, self._factor())
            else:
                break
        return node

    def _divisor(self) -> Node:
        """The factors behind a slash: a/bc is a over bc, a/b(c+d) is not."""
        node = self._operand()
        while (token := self.peek()) and not token.is_sign("(", "[") and self._juxtaposed(token):
            node = Node("mul", (node, self._factor()))
        return node

    def _operand(self) -> Node:
        if self.take("-"):
            return negative(self._factor())
        self.take("+")
        return self._factor()

    def _juxtaposed(self, token: Token) -> bool:
        """Whether a factor follows without a sign; a number behind a factor is no product but an error."""
        if token.kind == "number":
            if self.parts[self.at - 1].is_sign(")"):
                return True
            raise Unreadable("two numbers side by side")
        if token.kind == "upright":
            return token.text in ("i", "e") or not self._unit_follows()
        if token.kind == "letter":
            ahead = self.peek(1)
            differential = token.text in ("d", r"\partial") and ahead and ahead.kind in ("letter", "upright")
            return not (self.in_integral and differential)
        if token.kind == "word" or token.kind == "end":
            return False
        if token.text in ("|", r"\|"):
            return token.text not in self.bars
        if token.kind == "begin" or token.text in _BARS:
            return True
        if token.kind == "sign":
            return token.text in ("(", "[", "{")
        name = token.text[1:]
        return name in FUNCTIONS or token.text in _ACCENTS or name in _COMMANDS_OF_FACTORS

    def _unit_follows(self) -> bool:
        """Whether an upright letter here stands for a unit: 5 m, and no factor that ends the text."""
        from r1lab.verifiers.units import unit_at

        return unit_at(self.parts, self.at)

    def _factor(self) -> Node:
        base = self._primary()
        while token := self.peek():
            if token.is_sign("^", "**"):
                self.at += 1
                base = self._raised(base)
            elif token.is_sign("!"):
                self.at += 1
                if base.op == "factorial":
                    raise Unreadable("a factorial of a factorial without brackets")
                base = Node("factorial", (base,))
            elif token.kind == "degree":
                self.at += 1
                base = in_degrees(base)
            elif token.kind == "sign" and set(token.text) == {"'"}:
                raise Unreadable("a prime behind a value")
            else:
                break
        return base

    def _raised(self, base: Node) -> Node:
        if (token := self.peek()) and token.is_sign("*", "+", "-", r"\dagger") and not self._operand_follows():
            raise Unreadable(f"{token.text!r} as an exponent")
        return Node("power", (base, self._script()))

    def _operand_follows(self) -> bool:
        after = self.peek(1)
        return after is not None and (after.kind in ("number", "letter") or after.is_sign("(", "{"))

    def _script(self) -> Node:
        """What stands behind ^: a group, or one token with its sign; 2^{3^4} and 2**3**4 nest to the right."""
        if (token := self.peek()) and token.is_sign("{"):
            return self._group()
        if self.take("-"):
            return negative(self._script())
        self.take("+")
        node = self._primary(script=True)
        if self.take("**", "^"):
            return Node("power", (node, self._script()))
        return node

    def _index(self) -> Node:
        """What stands behind _: a group, or one token with its sign."""
        if (token := self.peek()) and token.is_sign("{"):
            return self._group()
        return negative(self._index()) if self.take("-") else self._primary(script=True)

    def _inner(self, end: int) -> Grammar:
        inner = Grammar(self.parts[self.at : end], self.depth + 1)
        self.at = end + 1
        return inner

    def _group(self) -> Node:
        """A bracket at the cursor, closed by its own kind, and the expression in it."""
        token = self.peek()
        if token is None or token.text not in _CLOSERS:
            raise Unreadable("a bracket is missing")
        end = closing(self.parts, self.at)
        if self.parts[end].text != _CLOSERS[token.text]:
            raise Unreadable("brackets of two kinds")
        self.at += 1
        inside = self.parts[self.at : end]
        choose = [i for i, part in enumerate(inside) if part.text == r"\choose"]
        if len(choose) == 1:
            self.at = end + 1
            return Node(
                "binomial",
                tuple(Grammar(half, self.depth + 1).whole() for half in (inside[: choose[0]], inside[choose[0] + 1 :])),
            )
        return self._inner(end).whole()

    def _argument(self) -> Node:
        """What a command such as \\sqrt takes: a group, or one token."""
        token = self.peek()
        return self._group() if token and token.is_sign("{", "(") else self._primary(script=True)

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

    def _primary(self, script: bool = False) -> Node:
        token = self.peek()
        if token is None:
            raise Unreadable("an expression ends too early")
        if token.kind == "number":
            return self._number()
        if token.kind in ("letter", "upright"):
            self.at += 1
            return self._named(token.text, script)
        if token.kind == "word":
            return self._word(token)
        if token.kind == "begin":
            return self._matrix()
        if token.is_sign("(", "[", "{"):
            return self._group()
        if token.text in _BARS:
            return self._barred(token.text)
        if token.kind == "command":
            self.at += 1
            return self._command(token.text[1:], script)
        raise Unreadable(f"{token.text!r} where a value is expected")

    def _word(self, token: Token) -> Node:
        """An upright name (rate, V_out); never two words, and never one behind a value."""
        if not token.text.isalpha() or token.text in ("or", "and", "not"):
            raise Unreadable(f"the words {token.text!r}")
        self.at += 1
        return self._named(token.text)

    def _number(self) -> Node:
        text = self.parts[self.at].text
        self.at += 1
        while self._thousands():
            text += self.parts[self.at + 1].text
            self.at += 2
        ahead = self.peek()
        if ahead and ahead.is_sign("_"):
            raise Unreadable("a number with an index")
        value = Fraction(text)
        if ahead and ahead.text == r"\frac" and text.isdigit() and (part := self._plain_fraction()) is not None:
            value += part
        return number(value)

    def _thousands(self) -> bool:
        """Whether a comma and three digits follow: 12,000 is a number."""
        number_, comma, digits = (self.peek(i) for i in (-1, 0, 1))
        return bool(
            comma and digits and number_ and comma.is_sign(",") and digits.kind == "number" and not digits.spaced
            and not comma.spaced and len(digits.text.partition(".")[0]) == 3
            and len(number_.text) <= 3 and number_.text.isdigit() and number_.text[0] != "0"
        )  # fmt: skip

    def _plain_fraction(self) -> Fraction | None:
        r"""The value of \frac{1}{2} with whole numbers at the cursor; None for another fraction."""
        around = [part.text for part in self.parts[self.at : self.at + 7]]
        if (
            len(around) == 7
            and around[1::2] == ["{", "{", "}"][:0] + around[1::2]
            and around[1] == around[4] == "{"
            and around[3] == around[6] == "}"
            and around[2].isdigit()
            and around[5].isdigit()
            and int(around[5])
        ):
            self.at += 7
            return Fraction(int(around[2]), int(around[5]))
        return None

    def _named(self, name: str, script: bool = False) -> Node:
        """A letter with its index and primes, the constants, or a function with its argument."""
        name, plain = self._decorated(name, script)
        if plain and name in ("e", "i"):
            return Node(name)
        if plain and name == r"\pi":
            return Node("pi")
        primed = name.endswith("'")
        after = self.peek()
        applied = after is not None and after.is_sign("(") and not script and (primed or name in _APPLIED)
        if applied and (args := self._arguments(simple=primed and name[0] not in "fghFGH")):
            return Node("gamma", args) if name == r"\Gamma" and len(args) == 1 else Node("opaque", args, f"{name}()")
        return Node("symbol", name=name)

    def _decorated(self, name: str, script: bool) -> tuple[str, bool]:
        """The name with its index, primes and stars, and whether it had none."""
        bare = name
        while (token := self.peek()) and not script:
            if token.is_sign("_"):
                self.at += 1
                name += f"_{self._raw()}"
            elif token.kind == "sign" and set(token.text) == {"'"}:
                self.at += 1
                name += token.text
            elif token.is_sign("^") and (mark := self._mark()):
                name += mark
            else:
                break
        return name, name == bare

    def _mark(self) -> str:
        r"""A superscript that is no power: ^*, ^\prime, ^{\dagger}, ^+; "" (and no step) for a power."""
        inside = self.peek(1)
        if inside is None:
            return ""
        if inside.is_sign("{"):
            end = closing(self.parts, self.at + 1)
            marks = self.parts[self.at + 2 : end]
        else:
            end, marks = self.at + 1, self.parts[self.at + 1 : self.at + 2]
            after = self.peek(2)
            if inside.is_sign("+", "-") and after and (after.kind in ("number", "letter") or after.is_sign("(", "{")):
                return ""
        stars = ("*", "+", "-", r"\dagger", r"\star", r"\circ", r"\bullet")
        if marks and all(set(m.text) == {"'"} or m.text in stars for m in marks):
            self.at = end + 1
            text = "".join(m.text for m in marks)
            return text if set(text) == {"'"} else f"^{text}"
        return ""

    def _arguments(self, simple: bool = False) -> tuple[Node, ...]:
        """The values in the round bracket at the cursor; () and no step where it is not ``simple``."""
        end = closing(self.parts, self.at)
        inside = self.parts[self.at + 1 : end]
        if simple and len(inside) != 1:
            return ()
        if self.parts[end].text != ")":
            raise Unreadable("brackets of two kinds")
        self.at = end + 1
        return tuple(Grammar(part, self.depth + 1).whole() for part in split(inside, ","))

    def _barred(self, opener: str) -> Node:
        closer, op = _BARS[opener]
        self.at += 1
        self.bars.append(closer)
        node = self.expression()
        if not self.take(closer):
            raise Unreadable("a bar is not closed")
        self.bars.pop()
        return Node("opaque", (node,), "norm") if op == "norm" else Node(op, (node,))

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
        rows = [
            Node("row", tuple(Grammar(cell, self.depth + 1).whole() for cell in split(line, "&"))) for line in lines
        ]
        if not rows or len({len(row.args) for row in rows}) != 1:
            raise Unreadable("a matrix whose rows are not of one length")
        return Node("det" if token.text.startswith("vmatrix") else "matrix", tuple(rows))

    def _command(self, name: str, script: bool) -> Node:
        if name in ("frac", "dfrac", "tfrac", "cfrac"):
            return self._fraction()
        if name == "sqrt":
            return self._root()
        if name == "binom":
            return Node("binomial", (self._argument(), self._argument()))
        if name == "infty":
            return Node("infinity")
        if f"\\{name}" in _ACCENTS:
            return self._named(f"\\{name}{{{self._raw()}}}", script)
        if name in ("angle", "triangle"):
            return Node("symbol", name=f"\\{name} {self._capitals()}")
        if name in ("int", "oint"):
            return self._integral(name)
        if name in ("sum", "prod"):
            return self._sum(name)
        if name == "lim":
            return self._limit()
        if name in FUNCTIONS:
            return self._function(name)
        raise Unreadable(f"the command {name!r}")

    def _capitals(self) -> str:
        start = self.at
        while (token := self.peek()) and token.kind == "letter":
            self.at += 1
        return "".join(part.text for part in self.parts[start : self.at])

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

    def _slice(self) -> Sequence[Token]:
        token = self.peek()
        end = closing(self.parts, self.at) if token and token.is_sign("{") else self.at
        inside = self.parts[self.at + 1 : end] if end > self.at else self.parts[self.at : self.at + 1]
        self.at = end + 1
        return inside

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
            return Node("opaque", (Grammar(rest, self.depth + 1).whole(),), name)
        following = self.peek()
        if following is None or not self._juxtaposed(following):
            return Node("symbol", name=name)
        return Node("opaque", (self._term(),), name)

    def _root(self) -> Node:
        if (token := self.peek()) and token.is_sign("["):
            degree = self._group()
            return Node("root", (self._argument(), degree))
        return Node("root", (self._argument(), number(2)))

    def _function(self, name: str) -> Node:
        power = base = None
        primes = ""
        while token := self.peek():
            if token.is_sign("^"):
                self.at += 1
                power = self._script()
            elif token.is_sign("_"):
                self.at += 1
                base = self._index()
            else:
                break
        if name in ("max", "min", "gcd", "lcm", "Pr", "Var", "Cov") and (token := self.peek()) and token.is_sign("("):
            args = self._arguments()
        else:
            args = (self._function_argument(),)
        node = Node("function", args + ((base,) if base else ()), ("log_" if base else "") + name + primes)
        if base and name != "log":
            raise Unreadable(f"an index at {name!r}")
        if power is None:
            return node
        if power == number(-1) or power == negative(number(1)):
            if name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh"):
                return Node("function", args, f"arc{name}")
            raise Unreadable(f"{name} to the power of -1")
        return Node("power", (node, power))

    def _function_argument(self) -> Node:
        r"""(x+1), or the factors up to a sign, a bracket or another function: \sin 2x is sin(2x)."""
        token = self.peek()
        if token and token.is_sign("(", "[", "{"):
            return self._group()
        self.take("-") and (_ := None)
        sign = self.parts[self.at - 1].is_sign("-")
        node = self._factor()
        while (token := self.peek()) and self._joins_argument(token):
            node = Node("mul", (node, self._factor()))
        return negative(node) if sign else node

    def _joins_argument(self, token: Token) -> bool:
        if not self._juxtaposed(token) or token.is_sign("(", "["):
            return False
        return token.kind in ("letter", "upright", "number") or token.text in (r"\frac", r"\sqrt", "{", "|", r"\lfloor")

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
                variable, low = inside[0].text, Grammar(inside[2:], self.depth + 1).whole()
            elif token.is_sign("^"):
                self.at += 1
                high = self._script()
            else:
                break
        if low is None or high is None:
            raise Unreadable("a sum without bounds")
        return Node(name, (self._term(), low, high), variable)

    def _limit(self) -> Node:
        if not self.take("_"):
            raise Unreadable("a limit of nothing")
        inside = self._slice()
        if len(inside) < 3 or inside[1].text not in (r"\to", r"\rightarrow"):
            raise Unreadable("a limit without an arrow")
        side = "".join(part.text for part in inside[3:] if part.text in ("^", "+", "-"))
        cut = next((i for i, part in enumerate(inside) if i > 2 and part.is_sign("^")), len(inside))
        target = Grammar(inside[2 : cut if side in ("^+", "^-") else len(inside)], self.depth + 1).whole()
        return Node("bound", (self._term(), target), f"lim{side} {inside[0].text}")


def split(parts: Sequence[Token], *separators: str) -> list[Sequence[Token]]:
    """``parts`` between separators that stand in no bracket."""
    pieces, start, depth = [], 0, 0
    for i, part in enumerate(parts):
        if part.kind in ("sign", "command", "begin", "end"):
            depth += (part.text in OPENERS or part.kind == "begin") - (part.text in CLOSERS or part.kind == "end")
        if depth == 0 and part.text in separators and part.kind in ("sign", "command", "word"):
            pieces.append(parts[start:i])
            start = i + 1
    return [*pieces, parts[start:]]
