r"""The value of an expression at a point, exactly where it is rational, else to 60 digits; all sizes are bounded.

Two expressions are the same if their values are at points drawn once for each name, positive and negative. What is
not worked out (a derivative, an unknown function) has a drawn value for each value of its arguments.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial, gcd, lcm

import mpmath

from r1lab.verifiers.errors import TooLarge, Unreadable
from r1lab.verifiers.latex_grammar import Node

MAX_EXPONENT = 10_000
MAX_EXPONENT_OF_COMPLEX = 1_000
"""Also of sums with letters: their powers are no answers, and expanding them is what hangs other engines."""
MAX_FACTORIAL = 1_000
MAX_TERMS = 2_000
MAX_BITS = 40_000
MAX_MAGNITUDE = 4_000
"""Bits in front of the point of what is put into exp, sin, ...: their cost grows with it."""
MAX_DIGITS = 1_000

MP = mpmath.MPContext()
MP.dps = 60
_SMALL = MP.mpf(10) ** -30
NUM_POINTS, MIN_POINTS = 6, 3

Value = Fraction | mpmath.mpf | mpmath.mpc


class Undefined(Unreadable):
    """No value here: a division by zero, or an operation on infinity."""


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


def symbols(node: Node) -> frozenset[str]:
    """The names of letters that ``node`` depends on, and of what in it is not worked out."""
    if node.op == "symbol":
        return frozenset((node.name,))
    found = frozenset().union(*(symbols(arg) for arg in node.args)) if node.args else frozenset()
    if node.op in ("sum", "prod"):
        return (symbols(node.args[0]) - {node.name}).union(*(symbols(arg) for arg in node.args[1:]))
    if node.op == "bound":
        kind, _, variable = node.name.partition(" ")
        return found - {variable} | {kind}
    return found | {node.name} if node.op == "opaque" else found


def is_number(node: Node) -> bool:
    return not symbols(node)


def evaluate(node: Node, point: Point | None = None) -> Value:
    """Raises ``TooLarge`` or ``Undefined`` where there is no value."""
    point = point or Point(0, is_number(node))
    try:
        value = _value(node, point)
        if not isinstance(value, Fraction) and MP.isnan(value):
            raise Undefined("no number")
    except (ZeroDivisionError, ValueError, mpmath.libmp.NoConvergence) as error:
        raise Undefined(str(error)) from error
    except OverflowError as error:
        raise TooLarge(str(error)) from error
    return value


def real(value: Value) -> mpmath.mpf | mpmath.mpc:
    return MP.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else value


def infinite(value: Value) -> bool:
    return not isinstance(value, Fraction) and bool(MP.isinf(value))


def same_value(one: Value, other: Value) -> bool:
    """Exactly, or to 30 digits where one is not rational."""
    if isinstance(one, Fraction) and isinstance(other, Fraction):
        return one == other
    one, other = real(one), real(other)
    if MP.isinf(one) or MP.isinf(other):
        return bool(one == other)
    gap, size = abs(one - other), max(abs(one), abs(other))
    return bool(gap <= size * _SMALL)


def zero(value: Value) -> bool:
    return value == 0 or (not isinstance(value, Fraction) and bool(abs(value) < MP.mpf(10) ** -45))


def same_expression(one: Node, other: Node) -> bool:
    """Whether two expressions have one value wherever both have any."""
    numeric = is_number(one) and is_number(other)
    if numeric:
        point = Point(0, True)
        values = [evaluate(one, point), evaluate(other, point)]
        return same_value(*values) or _both_cancel(one, other, point, values)
    seen = 0
    for seed in range(NUM_POINTS):
        point = Point(seed, False)
        values = []
        for node in (one, other):
            try:
                values.append(evaluate(node, point))
            except TooLarge:
                raise
            except Unreadable:
                values.append(None)
        if None in values:
            if values != [None, None]:
                return False
            continue
        if not same_value(*values) and not _both_cancel(one, other, point, values):
            return False
        seen += 1
    return seen >= MIN_POINTS


def _both_cancel(one: Node, other: Node, point: Point, values: list[Value]) -> bool:
    """Whether both are zero but for rounding: what cancels grows smaller with the digits, what is small stays."""
    if all(isinstance(value, Fraction) for value in values) or max(abs(real(value)) for value in values) > _SMALL:
        return False
    with MP.workdps(240):
        sharper = evaluate(one, point), evaluate(other, point)
    return all(abs(real(b)) <= abs(real(a)) * _SMALL for a, b in zip(values, sharper))


def _value(node: Node, point: Point) -> Value:
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
        total = _bounded(total + value) if _exact(total, value) else real(total) + real(value)
    return total


def _mul(node: Node, point: Point) -> Value:
    if node.args[0].value == -1 and node.args[1].op == "infinity":
        return -MP.inf
    total: Value = Fraction(1)
    for value in _args(node, point):
        total = _bounded(total * value) if _exact(total, value) else real(total) * real(value)
    return total


def _div(node: Node, point: Point) -> Value:
    one, other = _args(node, point)
    if other == 0:
        raise Undefined("a division by zero")
    return _bounded(one / other) if _exact(one, other) else real(one) / real(other)


def _exact(*values: Value) -> bool:
    return all(isinstance(value, Fraction) for value in values)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _bounded(value: Fraction) -> Value:
    if _bits(value) > MAX_BITS:
        raise TooLarge("a number of thousands of digits")
    return value


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
        if not _exact(exponent) or exponent <= 0:
            raise Undefined("a power of zero")
        return Fraction(0)
    if whole and isinstance(base, Fraction):
        bits = _bits(base) * abs(int(exponent))
        if bits <= MAX_BITS:
            return base ** int(exponent)
        if point.numeric:
            raise TooLarge("a power")
    if (
        isinstance(base, Fraction)
        and isinstance(exponent, Fraction)
        and (root := _exact_root(base, exponent)) is not None
    ):
        return root
    return _finite(real(base) ** (int(exponent) if whole else real(exponent)))


def _exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """4^{1/2}: rational where it is; None otherwise."""
    if base <= 0 or exponent.denominator > 64 or _bits(base) * abs(exponent.numerator) > MAX_BITS:
        return None
    roots = [_whole_root(part, exponent.denominator) for part in (base.numerator, base.denominator)]
    return Fraction(*roots) ** exponent.numerator if None not in roots else None


def _whole_root(value: int, degree: int) -> int | None:
    if value.bit_length() > 200:
        return None
    root = round(value ** (1 / degree))
    return next((near for near in (root - 1, root, root + 1) if near >= 0 and near**degree == value), None)


def _finite(value: Value) -> Value:
    if isinstance(value, Fraction):
        return value
    if not MP.isfinite(value):
        raise Undefined("no finite value")
    if value and abs(MP.mag(value)) > 10 * MAX_BITS:
        raise TooLarge("a number of thousands of digits")
    return value


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
        return -_plain_root(-base, degree)
    return _plain_root(base, degree)


def _plain_root(base: Value, degree: Value) -> Value:
    if (
        isinstance(base, Fraction)
        and isinstance(degree, Fraction)
        and (root := _exact_root(base, 1 / degree)) is not None
    ):
        return root
    return _finite(MP.sqrt(real(base)) if degree == 2 else real(base) ** (1 / real(degree)))


def _factorial(node: Node, point: Point) -> Value:
    (value,) = _args(node, point)
    if isinstance(value, Fraction) and value.denominator == 1:
        if value < 0:
            raise Undefined("the factorial of a negative number")
        if value > MAX_FACTORIAL:
            raise TooLarge("a factorial")
        return Fraction(factorial(int(value)))
    return _gamma_of(value, 1)


def _gamma(node: Node, point: Point) -> Value:
    (value,) = _args(node, point)
    if isinstance(value, Fraction) and value.denominator == 1:
        if value <= 0:
            raise Undefined("a pole of the gamma function")
        if value > MAX_FACTORIAL:
            raise TooLarge("a factorial")
        return Fraction(factorial(int(value) - 1))
    return _gamma_of(value, 0)


def _gamma_of(value: Value, shift: int) -> Value:
    if abs(value) > MAX_FACTORIAL:
        raise TooLarge("a factorial")
    return _finite(MP.gamma(real(value) + shift))


def _binomial(node: Node, point: Point) -> Value:
    top, bottom = _args(node, point)
    if abs(top) > MAX_FACTORIAL or abs(bottom) > MAX_FACTORIAL:
        raise TooLarge("a binomial coefficient")
    if _exact(top, bottom) and top.denominator == bottom.denominator == 1 and top >= 0 and bottom >= 0:
        return Fraction(comb(int(top), int(bottom)))
    return _finite(MP.binomial(real(top), real(bottom)))


def _abs(node: Node, point: Point) -> Value:
    return abs(_args(node, point)[0])


def _rounded(node: Node, point: Point) -> Value:
    (value,) = _args(node, point)
    if isinstance(value, Fraction):
        return Fraction(value.__floor__() if node.op == "floor" else value.__ceil__())
    if isinstance(value, mpmath.mpc) or abs(value) > MP.mpf(10) ** 20:
        raise Undefined("not to be rounded")
    nearest = MP.nint(value)
    value = nearest if abs(value - nearest) < _SMALL else MP.floor(value) if node.op == "floor" else MP.ceil(value)
    return Fraction(int(value))


_PLAIN = {
    "sin": MP.sin, "cos": MP.cos, "tan": MP.tan, "cot": MP.cot, "sec": MP.sec, "csc": MP.csc, "sinh": MP.sinh,
    "cosh": MP.cosh, "tanh": MP.tanh, "coth": MP.coth, "exp": MP.exp, "ln": MP.ln, "arcsin": MP.asin,
    "arccos": MP.acos, "arctan": MP.atan, "arccot": MP.acot, "arcsec": MP.asec, "arccsc": MP.acsc, "arcsinh": MP.asinh,
    "arccosh": MP.acosh, "arctanh": MP.atanh, "arsinh": MP.asinh, "arcosh": MP.acosh, "artanh": MP.atanh,
    "log": MP.log10, "lg": MP.log10, "Re": MP.re, "Im": MP.im, "arg": MP.arg,
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
        return _logarithm(*args)
    if name in ("log", "lg"):
        return _logarithm(args[0], Fraction(10))
    if name == "exp" and abs(real(args[0])) > MAX_BITS:
        raise TooLarge("exp")
    if name in _PLAIN and len(args) == 1:
        return _finite(_PLAIN[name](real(args[0])))
    return _opaque_value(name, args, point.seed)


def _logarithm(value: Value, base: Value) -> Value:
    found = _finite(MP.ln(real(value)) / MP.ln(real(base)))
    if _exact(value, base) and isinstance(found, mpmath.mpf) and abs(found) < 1000:  # log_2 8 is 3, exactly
        near = Fraction(int(MP.nint(found)))
        if base ** int(near) == value:
            return near
    return found


def _opaque(node: Node, point: Point) -> Value:
    return _opaque_value(node.name, [_value(arg, point) for arg in node.args], point.seed)


def _opaque_value(name: str, args: list[Value], seed: int) -> Value:
    key = " ".join([f"{seed} {name}", *(_digits(arg) for arg in args)])
    return MP.mpf(zlib.crc32(key.encode()) + 2**31) / 2**32 + MP.mpf(zlib.adler32(key.encode())) / 2**40


def _digits(value: Value) -> str:
    value = real(value)
    if isinstance(value, mpmath.mpc):
        parts = [part if abs(part) > _SMALL * abs(value) else MP.mpf(0) for part in (value.real, value.imag)]
        return "|".join(MP.nstr(part, 22) for part in parts)
    return MP.nstr(value, 22)


def _bound(node: Node, point: Point) -> Value:
    """An integral or a limit: by its parts, whatever the name of its variable."""
    kind, _, variable = node.name.partition(" ")
    free = variable.endswith(" free")
    variable = variable.removesuffix(" free")
    inner = point if free else point.with_value(variable, _drawn("bound", point.seed))
    args = [_value(node.args[0], inner), *(_value(arg, point) for arg in node.args[1:])]
    return _opaque_value(f"{kind} {variable if free else ''}", args, point.seed)


def _sum(node: Node, point: Point) -> Value:
    low, high = (_value(arg, point) for arg in node.args[1:])
    if not (_exact(low, high) and low.denominator == high.denominator == 1) or (
        high - low > MAX_TERMS // 10 and not point.numeric
    ):
        inner = point.with_value(node.name, _drawn("bound", point.seed))
        return _opaque_value(node.op, [_value(node.args[0], inner), low, high], point.seed)
    if high - low > MAX_TERMS:
        raise TooLarge("a sum")
    total: Value = Fraction(0 if node.op == "sum" else 1)
    for k in range(int(low), int(high) + 1):
        value = _value(node.args[0], point.with_value(node.name, Fraction(k)))
        if _exact(total, value):
            total = _bounded(total + value if node.op == "sum" else total * value)
        else:
            total = real(total) + real(value) if node.op == "sum" else real(total) * real(value)
    return total


def _determinant(node: Node, point: Point) -> Value:
    rows = [[real(_value(cell, point)) for cell in row.args] for row in node.args]
    if len(rows) != len(rows[0]) or len(rows) > 6:
        raise Unreadable("a determinant")
    if len(rows) == 1:
        return rows[0][0]
    return sum(((-1) ** j * rows[0][j] * _minor(rows, j) for j in range(len(rows))), MP.mpf(0))


def _minor(rows: list[list[Value]], column: int) -> Value:
    rest = [[cell for j, cell in enumerate(row) if j != column] for row in rows[1:]]
    if len(rest) == 1:
        return rest[0][0]
    return sum(((-1) ** j * rest[0][j] * _minor(rest, j) for j in range(len(rest))), MP.mpf(0))


_OPERATIONS = {
    "number": _number, "symbol": lambda node, point: point(node.name), "pi": lambda node, point: +MP.pi,
    "e": lambda node, point: +MP.e, "i": lambda node, point: MP.mpc(0, 1),
    "infinity": lambda node, point: MP.inf, "add": _add, "mul": _mul, "div": _div, "power": _power, "root": _root,
    "factorial": _factorial, "gamma": _gamma, "binomial": _binomial, "abs": _abs, "floor": _rounded, "ceil": _rounded,
    "function": _function, "opaque": _opaque, "bound": _bound, "sum": _sum, "prod": _sum, "det": _determinant,
}  # fmt: skip
