"""Numbers: exact fractions, else 60 digits; what is too large raises ``TooLarge``, what has no value ``Undefined``."""

from __future__ import annotations

import zlib
from fractions import Fraction

import mpmath

from r1lab.verifiers.errors import TooLarge, Unreadable

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
SMALL = MP.mpf(10) ** -30
NUM_POINTS = 6
MIN_POINTS = 3

Value = Fraction | mpmath.mpf | mpmath.mpc


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
    return bool(gap <= size * SMALL)


def zero(value: Value) -> bool:
    return value == 0 or (not isinstance(value, Fraction) and bool(abs(value) < MP.mpf(10) ** -45))


def exact(*values: Value) -> bool:
    return all(isinstance(value, Fraction) for value in values)


def bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def bounded(value: Fraction) -> Value:
    if bits(value) > MAX_BITS:
        raise TooLarge("a number of thousands of digits")
    return value


def exact_root(base: Fraction, exponent: Fraction) -> Fraction | None:
    """4^{1/2}: rational where it is; None otherwise."""
    if base <= 0 or exponent.denominator > 64 or bits(base) * abs(exponent.numerator) > MAX_BITS:
        return None
    roots = [_whole_root(part, exponent.denominator) for part in (base.numerator, base.denominator)]
    return Fraction(*roots) ** exponent.numerator if None not in roots else None


def _whole_root(value: int, degree: int) -> int | None:
    if value.bit_length() > 200:
        return None
    root = round(value ** (1 / degree))
    return next((near for near in (root - 1, root, root + 1) if near >= 0 and near**degree == value), None)


def finite(value: Value) -> Value:
    if isinstance(value, Fraction):
        return value
    if not MP.isfinite(value):
        raise Undefined("no finite value")
    if value and abs(MP.mag(value)) > 10 * MAX_BITS:
        raise TooLarge("a number of thousands of digits")
    return value


def plain_root(base: Value, degree: Value) -> Value:
    if (
        isinstance(base, Fraction)
        and isinstance(degree, Fraction)
        and (root := exact_root(base, 1 / degree)) is not None
    ):
        return root
    return finite(MP.sqrt(real(base)) if degree == 2 else real(base) ** (1 / real(degree)))


def gamma_of(value: Value, shift: int) -> Value:
    if abs(value) > MAX_FACTORIAL:
        raise TooLarge("a factorial")
    return finite(MP.gamma(real(value) + shift))


def logarithm(value: Value, base: Value) -> Value:
    found = finite(MP.ln(real(value)) / MP.ln(real(base)))
    if exact(value, base) and isinstance(found, mpmath.mpf) and abs(found) < 1000:  # log_2 8 is 3, exactly
        near = Fraction(int(MP.nint(found)))
        if base ** int(near) == value:
            return near
    return found


def opaque_value(name: str, args: list[Value], seed: int) -> Value:
    key = " ".join([f"{seed} {name}", *(_digits(arg) for arg in args)])
    return MP.mpf(zlib.crc32(key.encode()) + 2**31) / 2**32 + MP.mpf(zlib.adler32(key.encode())) / 2**40


def _digits(value: Value) -> str:
    value = real(value)
    if isinstance(value, mpmath.mpc):
        parts = [part if abs(part) > SMALL * abs(value) else MP.mpf(0) for part in (value.real, value.imag)]
        return "|".join(MP.nstr(part, 22) for part in parts)
    return MP.nstr(value, 22)


def minor(rows: list[list[Value]], column: int) -> Value:
    rest = [[cell for j, cell in enumerate(row) if j != column] for row in rows[1:]]
    if len(rest) == 1:
        return rest[0][0]
    return sum(((-1) ** j * rest[0][j] * minor(rest, j) for j in range(len(rest))), MP.mpf(0))


class Undefined(Unreadable):
    """No value here: a division by zero, or an operation on infinity."""
