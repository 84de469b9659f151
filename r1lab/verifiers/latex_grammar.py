r"""Tokens -> the tree of an expression. It is syntax alone: nothing is evaluated, and the time is linear.

What the reader decides, in one place, and what it does not do:

- Letters keep their case, primes, dots, hats and indices: ``y'``, ``\dot{x}``, ``V_{out}``, ``R`` and ``r`` are names.
- ``\gamma`` is a letter; ``\Gamma(x)`` with an argument in brackets is the function.
- ``e`` and ``i`` are constants, in italics or upright; ``E``, ``e_1`` and ``i_0`` are letters.
- Derivatives, limits and integrals are not worked out, but for definite integrals of polynomials; they are compared
  part by part. Sums and products are added up; a letter in a bound stands for whole numbers.
- ``f(x)`` is a function's value for f, g, h, F, G, H, any primed letter and some Greek letters; else a product.
- ``\log`` without a base has base 10; ``a/bc`` is a/(bc), ``a/b(c)`` is (a/b)c.
- ``2\frac12`` is two and a half; ``2 3`` is nothing.
"""

from __future__ import annotations

from fractions import Fraction

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.latex_calculus import Calculus
from r1lab.verifiers.latex_letters import Letters
from r1lab.verifiers.latex_nodes import Node, in_degrees, negative, number, product
from r1lab.verifiers.latex_tokens import FUNCTIONS, Token, closing, split

_ACCENT_NAMES = (
    "dot ddot dddot hat vec bar tilde overline widehat widetilde mathcal mathscr mathfrak underline overrightarrow "
    "acute check breve"
)
_ACCENTS = frozenset(f"\\{name}" for name in _ACCENT_NAMES.split())
_FACTOR_NAMES = "frac dfrac tfrac cfrac sqrt binom int oint sum prod lim infty angle triangle"
_COMMANDS_OF_FACTORS = frozenset(_FACTOR_NAMES.split())
_CLOSERS = {"(": ")", "[": "]", r"\{": r"\}", "{": "}"}
_BARS = {r"\lfloor": (r"\rfloor", "floor"), r"\lceil": (r"\rceil", "ceil"), "|": ("|", "abs"), r"\|": (r"\|", "norm")}


class Grammar(Letters, Calculus):
    """Reads one expression; ``at`` is where it stands."""

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
            elif self.take(r"\bmod"):
                node = Node("mod", (node, self._factor()))
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
            before = self.parts[self.at - 1]
            if before.is_sign(")", "!") or before.text in (r"\pi", "i"):
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
        for infix, op in ((r"\choose", "binomial"), (r"\over", "div")):
            halves = split(inside, infix)
            if len(halves) == 2:
                self.at = end + 1
                return Node(op, tuple(self.inner(half) for half in halves))
        return self._inner(end).whole()

    def _argument(self) -> Node:
        """What a command such as \\sqrt takes: a group, or one token."""
        token = self.peek()
        return self._group() if token and token.is_sign("{", "(") else self._primary(script=True)

    def _primary(self, script: bool = False) -> Node:
        token = self.peek()
        if token is None:
            raise Unreadable("an expression ends too early")
        if token.kind == "number":
            return self._number(script)
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

    def _number(self, script: bool = False) -> Node:
        r"""A number; with a fraction behind it a mixed one, but never in a script: 2^3\frac12 is 4."""
        text = self.parts[self.at].text
        self.at += 1
        while self._thousands():
            text += self.parts[self.at + 1].text
            self.at += 2
        ahead = self.peek()
        if ahead and ahead.is_sign("_"):
            raise Unreadable("a number with an index")
        value = Fraction(text)
        mixed = not script and ahead is not None and ahead.text == r"\frac" and text.isdigit()
        if mixed and (part := self._plain_fraction()) is not None:
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
            and around[1] == around[4] == "{"
            and around[3] == around[6] == "}"
            and around[2].isdigit()
            and around[5].isdigit()
            and int(around[5])
        ):
            self.at += 7
            return Fraction(int(around[2]), int(around[5]))
        return None

    def _barred(self, opener: str) -> Node:
        closer, op = _BARS[opener]
        self.at += 1
        self.bars.append(closer)
        node = self.expression()
        if not self.take(closer):
            raise Unreadable("a bar is not closed")
        self.bars.pop()
        return Node("opaque", (node,), "norm") if op == "norm" else Node(op, (node,))

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
