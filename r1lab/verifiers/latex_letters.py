"""Letters with their marks, and functions with their arguments."""

from __future__ import annotations

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.latex_cursor import Cursor
from r1lab.verifiers.latex_nodes import Node, negative, number
from r1lab.verifiers.latex_tokens import Token, closing, split

_APPLIED = frozenset((*"fghFGH", r"\Gamma", r"\Phi", r"\phi", r"\varphi", r"\psi", r"\Psi", r"\zeta"))


class Letters(Cursor):
    """The part of the grammar that reads names."""

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
        return tuple(self.inner(part) for part in split(inside, ","))

    def _capitals(self) -> str:
        start = self.at
        while (token := self.peek()) and token.kind == "letter":
            self.at += 1
        return "".join(part.text for part in self.parts[start : self.at])

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
        if name == "det" and args[0].op == "matrix" and power is base is None:
            return Node("det", args[0].args)
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
