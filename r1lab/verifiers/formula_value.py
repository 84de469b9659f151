r"""The value of an expression at a point, exactly where it is rational, else to 60 digits; all sizes are bounded.

Two expressions are the same if their values are at points drawn once for each name, positive and negative. What is
not worked out (a derivative, an unknown function) has a drawn value for each value of its arguments.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial, gcd, lcm

import mpmath

from r1lab.verifiers.errors import TooLarge, Unreadable
from r1lab.verifiers.formula_numbers import (
    MAX_BITS,
    MAX_EXPONENT,
    MAX_EXPONENT_OF_COMPLEX,
    MAX_FACTORIAL,
    MAX_MAGNITUDE,
    MAX_TERMS,
    MP,
    SMALL,
    Undefined,
    Value,
    bits,
    bounded,
    exact,
    exact_root,
    finite,
    gamma_of,
    infinite,
    logarithm,
    minor,
    opaque_value,
    plain_root,
    real,
)
from r1lab.verifiers.latex_nodes import Node, degree, is_number

MAX_STEPS = 30_000
"""Operations for one value; sums within sums need more."""
_STEPS_LEFT = [MAX_STEPS]


@dataclass(frozen=True)
class Point:
    """Where letters have values; ``bound`` are those of sums."""

    seed: int
    numeric: bool
    bound: tuple[tuple[str, Value], ...] = ()

    def __call__(self, name: str) -> Value:
        for key, value in self.bound:
            if key == name:
                return value
        return _drawn(name, self.seed)

    def with_value(self, name: str, value: Value) -> Point:
        return Point(self.seed, self.numeric, ((name, value), *self.bound))


@lru_cache(maxsize=4096)
def _drawn(name: str, seed: int) -> Value:
    draw = random.Random(f"{seed} {name}")
    value = Fraction(draw.randrange(2_000, 30_000), 9973)
    if seed % 2 and draw.random() < 0.7:
        value = -value
    if seed >= 4 and name[:1] in "zw":
        return MP.mpc(real(value), real(Fraction(draw.randrange(2_000, 30_000), 9973)))
    return value


def drawn_whole(name: str, seed: int) -> Fraction:
    """A whole number for a letter that bounds a sum, small enough to add every term."""
    return Fraction(random.Random(f"{seed} whole {name}").randrange(3, 24))


def evaluate(node: Node, point: Point | None = None) -> Value:
    """Raises ``TooLarge`` or ``Undefined`` where there is no value."""
    point = point or Point(0, is_number(node))
    _STEPS_LEFT[0] = MAX_STEPS
    try:
        value = _value(node, point)
        if not isinstance(value, Fraction) and MP.isnan(value):
            raise Undefined("no number")
    except (ZeroDivisionError, ValueError, mpmath.libmp.NoConvergence) as error:
        raise Undefined(str(error)) from error
    except OverflowError as error:
        raise TooLarge(str(error)) from error
    return value


def _value(node: Node, point: Point) -> Value:
    _STEPS_LEFT[0] -= 1
    if _STEPS_LEFT[0] < 0:
        raise TooLarge("sums within sums")
    operation = _OPERATIONS.get(node.op)
    if operation is None:
        raise Unreadable(f"{node.op} within an expression")
    return operation(node, point)


def _args(node: Node, point: Point) -> list[Value]:
    values = [_value(arg, point) for arg in node.args]
    if any(infinite(value) for value in values):
        raise Undefined("an operation on infinity")
    return values


def _number(node: Node, point: Point) -> Value:
    return node.value


def _add(node: Node, point: Point) -> Value:
    total: Value = Fraction(0)
    for value in _args(node, point):
        total = bounded(total + value) if exact(total, value) else real(total) + real(value)
    return total


def _mul(node: Node, point: Point) -> Value:
    if node.args[0].value == -1 and node.args[1].op == "infinity":
        return -MP.inf
    total: Value = Fraction(1)
    for value in _args(node, point):
        total = bounded(total * value) if exact(total, value) else real(total) * real(value)
    return total


def _div(node: Node, point: Point) -> Value:
    one, other = _args(node, point)
    if other == 0:
        raise Undefined("a division by zero")
    return bounded(one / other) if exact(one, other) else real(one) / real(other)


def _power(node: Node, point: Point) -> Value:
    base, exponent = _args(node, point)
    base_node = node.args[0]
    whole = isinstance(exponent, Fraction) and exponent.denominator == 1
    size = abs(real(exponent))
    if size > MAX_EXPONENT:
        raise TooLarge("a power")
    sum_of_letters = base_node.op == "add" and not is_number(base_node)
    complex_sum = isinstance(base, mpmath.mpc) and base_node.op != "i"
    if size > MAX_EXPONENT_OF_COMPLEX and (sum_of_letters or complex_sum):
        raise TooLarge("a power of a sum")
    if base == 0:
        if not exact(exponent) or exponent <= 0:
            raise Undefined("a power of zero")
        return Fraction(0)
    if whole and isinstance(base, Fraction):
        if bits(base) * abs(int(exponent)) <= MAX_BITS:
            return base ** int(exponent)
        if point.numeric:
            raise TooLarge("a power")
    if (
        isinstance(base, Fraction)
        and isinstance(exponent, Fraction)
        and (root := exact_root(base, exponent)) is not None
    ):
        return root
    return finite(real(base) ** (int(exponent) if whole else real(exponent)))


def _root(node: Node, point: Point) -> Value:
    base, degree = _args(node, point)
    if (not isinstance(degree, Fraction) and not (isinstance(degree, mpmath.mpf))) or degree == 0:
        raise Undefined("a root of no degree")
    if isinstance(degree, Fraction) and abs(degree) > 10**9:
        raise TooLarge("a root")
    if base == 0:
        return Fraction(0)
    odd = isinstance(degree, Fraction) and degree.denominator == 1 and degree.numerator % 2
    negative = isinstance(base, Fraction | mpmath.mpf) and base < 0
    if odd and negative:
        return -plain_root(-base, degree)
    return plain_root(base, degree)


def _factorial(node: Node, point: Point) -> Value:
    (value,) = _args(node, point)
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined("the factorial of a negative number")
        if value > MAX_FACTORIAL:
            raise TooLarge("a factorial")
        return Fraction(factorial(int(value)))
    return gamma_of(value, 1)


def _gamma(node: Node, point: Point) -> Value:
    (value,) = _args(node, point)
    if isinstance(value, Fraction) and value.denominator == 1:
        if value <= 0:
            raise Undefined("a pole of the gamma function")
        if value > MAX_FACTORIAL:
            raise TooLarge("a factorial")
        return Fraction(factorial(int(value) - 1))
    return gamma_of(value, 0)


def _binomial(node: Node, point: Point) -> Value:
    top, bottom = _args(node, point)
    if abs(top) > MAX_FACTORIAL or abs(bottom) > MAX_FACTORIAL:
        raise TooLarge("a binomial coefficient")
    if exact(top, bottom) and top.denominator == bottom.denominator == 1 and top >= 0 and bottom >= 0:
        return Fraction(comb(int(top), int(bottom)))
    return finite(MP.binomial(real(top), real(bottom)))


def _mod(node: Node, point: Point) -> Value:
    top, bottom = _args(node, point)
    if not (exact(top, bottom) and top.denominator == bottom.denominator == 1 and bottom > 0):
        raise Undefined("a remainder of what is not whole")
    return top % bottom


def _abs(node: Node, point: Point) -> Value:
    return abs(_args(node, point)[0])


def _rounded(node: Node, point: Point) -> Value:
    (value,) = _args(node, point)
    if isinstance(value, Fraction):
        return Fraction(value.__floor__() if node.op == "floor" else value.__ceil__())
    if isinstance(value, mpmath.mpc) or abs(value) > MP.mpf(10) ** 20:
        raise Undefined("not to be rounded")
    nearest = MP.nint(value)
    value = nearest if abs(value - nearest) < SMALL else MP.floor(value) if node.op == "floor" else MP.ceil(value)
    return Fraction(int(value))


_PLAIN = {
    "sin": MP.sin, "cos": MP.cos, "tan": MP.tan, "cot": MP.cot, "sec": MP.sec, "csc": MP.csc, "sinh": MP.sinh,
    "cosh": MP.cosh, "tanh": MP.tanh, "coth": MP.coth, "exp": MP.exp, "ln": MP.ln, "arcsin": MP.asin,
    "arccos": MP.acos, "arctan": MP.atan, "arccot": MP.acot, "arcsec": MP.asec, "arccsc": MP.acsc, "arcsinh": MP.asinh,
    "arccosh": MP.acosh, "arctanh": MP.atanh, "arsinh": MP.asinh, "arcosh": MP.acosh, "artanh": MP.atanh,
    "cis": MP.expj, "log": MP.log10, "lg": MP.log10, "Re": MP.re, "Im": MP.im, "arg": MP.arg,
}  # fmt: skip


def _function(node: Node, point: Point) -> Value:
    args, name = _args(node, point), node.name
    if name in ("floor", "ceil"):
        return _rounded(Node(name, node.args), point)
    if name in ("gcd", "lcm") and all(isinstance(arg, Fraction) and arg.denominator == 1 for arg in args):
        return Fraction((gcd if name == "gcd" else lcm)(*(int(arg) for arg in args)))
    if name in ("max", "min") and all(isinstance(arg, Fraction | mpmath.mpf) for arg in args):
        return (max if name == "max" else min)(args, key=real)
    if any(arg and abs(MP.mag(real(arg))) > MAX_MAGNITUDE for arg in args) and name not in (
        "ln",
        "log",
        "lg",
        "log_log",
    ):
        raise TooLarge(name)
    if name in ("ln", "log", "lg", "log_log") and args[0] == 0:
        raise Undefined("the logarithm of zero")
    if name == "log_log":
        if args[1] in (0, 1):
            raise Undefined("a logarithm to this base")
        return logarithm(*args)
    if name in ("log", "lg"):
        return logarithm(args[0], Fraction(10))
    if name == "exp" and abs(real(args[0])) > MAX_BITS:
        raise TooLarge("exp")
    if name in _PLAIN and len(args) == 1:
        return finite(_PLAIN[name](real(args[0])))
    return opaque_value(name, args, point.seed)


def _opaque(node: Node, point: Point) -> Value:
    return opaque_value(node.name, [_value(arg, point) for arg in node.args], point.seed)


def _bound(node: Node, point: Point) -> Value:
    """A definite integral of a polynomial; else an integral or a limit by its parts, whatever its variable."""
    kind, _, variable = node.name.partition(" ")
    free = variable.endswith(" free")
    variable = variable.removesuffix(" free")
    if kind == "int" and not free and variable and degree(node.args[0], variable) is not None:
        return _integral(node, variable, point)
    inner = point if free else point.with_value(variable, _drawn("bound", point.seed))
    args = [_value(node.args[0], inner), *(_value(arg, point) for arg in node.args[1:])]
    return opaque_value(f"{kind} {variable if free else ''}", args, point.seed)


def _integral(node: Node, variable: str, point: Point) -> Value:
    """The integral of a polynomial, by the quadrature of Gauss, which is exact for it."""
    low, high = (_value(arg, point) for arg in node.args[1:])
    if infinite(low) or infinite(high):
        raise Undefined("the integral of a polynomial to infinity")

    def at(value: Value) -> Value:
        return real(_value(node.args[0], point.with_value(variable, value)))

    return finite(MP.quad(at, [real(low), real(high)], method="gauss-legendre", maxdegree=4))


def _sum(node: Node, point: Point) -> Value:
    low, high = (_value(arg, point) for arg in node.args[1:])
    if not (exact(low, high) and low.denominator == high.denominator == 1) or (
        high - low > MAX_TERMS // 10 and not point.numeric
    ):
        inner = point.with_value(node.name, _drawn("bound", point.seed))
        return opaque_value(node.op, [_value(node.args[0], inner), low, high], point.seed)
    if high - low > MAX_TERMS:
        raise TooLarge("a sum")
    total: Value = Fraction(0 if node.op == "sum" else 1)
    for k in range(int(low), int(high) + 1):
        value = _value(node.args[0], point.with_value(node.name, Fraction(k)))
        if exact(total, value):
            total = bounded(total + value if node.op == "sum" else total * value)
        else:
            total = real(total) + real(value) if node.op == "sum" else real(total) * real(value)
    return total


def _determinant(node: Node, point: Point) -> Value:
    rows = [[real(_value(cell, point)) for cell in row.args] for row in node.args]
    if len(rows) != len(rows[0]) or len(rows) > 6:
        raise Unreadable("a determinant")
    if len(rows) == 1:
        return rows[0][0]
    return sum(((-1) ** j * rows[0][j] * minor(rows, j) for j in range(len(rows))), MP.mpf(0))


_OPERATIONS = {
    "number": _number, "symbol": lambda node, point: point(node.name), "pi": lambda node, point: +MP.pi,
    "e": lambda node, point: +MP.e, "i": lambda node, point: MP.mpc(0, 1),
    "infinity": lambda node, point: MP.inf, "add": _add, "mul": _mul, "div": _div, "power": _power, "root": _root,
    "factorial": _factorial, "mod": _mod, "gamma": _gamma, "binomial": _binomial, "abs": _abs,
    "floor": _rounded, "ceil": _rounded, "function": _function, "opaque": _opaque, "bound": _bound,
    "sum": _sum, "prod": _sum, "det": _determinant,
}  # fmt: skip
