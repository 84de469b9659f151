"""Sets of real numbers: intervals, unions, differences and inequalities in one variable, compared by membership.

Two sets are the same if they agree at every boundary of either, between neighbours, and beyond the outermost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import mpmath

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.formula_numbers import MP, real, same_value, zero
from r1lab.verifiers.formula_types import Bracketed, Builder, Combined, Expression, Listed, Named, Relation, Value
from r1lab.verifiers.formula_value import Point, evaluate
from r1lab.verifiers.latex_nodes import Node, is_number, negative, symbols

MAX_DEGREE = 12


@dataclass(frozen=True)
class Region:
    boundaries: tuple[mpmath.mpf, ...]
    holds: Callable[[mpmath.mpf], bool]
    variable: str = ""
    """What an inequality is about; "" for a set."""


def region(value: Value) -> Region | None:
    """The set of real numbers that ``value`` is; None where it is none, raises where its bounds have no value."""
    if isinstance(value, Bracketed):
        return _finite(value) if value.brackets == "{}" else _interval(value)
    if isinstance(value, Named) and value.name in ("R", ""):
        return Region((), lambda at: bool(value.name))
    if isinstance(value, Combined):
        return _combined(value.op, region(value.left), region(value.right))
    if isinstance(value, Builder):
        inner = region(value.condition)
        return Region(inner.boundaries, inner.holds) if inner and inner.variable == value.variable else None
    if isinstance(value, Relation):
        return _inequality(value)
    if isinstance(value, Listed) and value.joint in ("or", "and"):
        found = region(value.items[0])
        for item in value.items[1:]:
            found = _combined("cup" if value.joint == "or" else "cap", found, region(item))
        return found
    return None


def same_region(one: Region, other: Region) -> bool:
    if one.variable and other.variable and one.variable != other.variable:
        return False
    marks = sorted({*one.boundaries, *other.boundaries})
    distinct = [mark for i, mark in enumerate(marks) if not i or not same_value(mark, marks[i - 1])]
    between = [(a + b) / 2 for a, b in pairwise(distinct)]
    outside = [distinct[0] - 1, distinct[-1] + 1] if distinct else [MP.mpf(0)]
    return all(one.holds(at) == other.holds(at) for at in [*distinct, *between, *outside])


def _combined(op: str, one: Region | None, other: Region | None) -> Region | None:
    if one is None or other is None or (one.variable and other.variable and one.variable != other.variable):
        return None
    tests = {
        "cup": lambda at: one.holds(at) or other.holds(at),
        "cap": lambda at: one.holds(at) and other.holds(at),
        "setminus": lambda at: one.holds(at) and not other.holds(at),
    }
    return Region(one.boundaries + other.boundaries, tests[op], one.variable or other.variable)


def _bound(value: Value) -> mpmath.mpf | None:
    if not isinstance(value, Expression) or not is_number(value.node) or value.unit not in ("", "degree"):
        return None
    bound = real(evaluate(value.node))
    return None if isinstance(bound, mpmath.mpc) else bound


def _finite(value: Bracketed) -> Region | None:
    items = [_bound(item) for item in value.items]
    if None in items:
        return None
    return Region(tuple(items), lambda at: any(same_value(at, item) for item in items))


def _interval(value: Bracketed) -> Region | None:
    if len(value.items) != 2 or value.brackets not in ("()", "[]", "(]", "[)"):
        return None
    low, high = (_bound(item) for item in value.items)
    if low is None or high is None:
        return None

    def holds(at: mpmath.mpf) -> bool:
        if same_value(at, low) or same_value(at, high):
            closed = (value.brackets[0] == "[" or not same_value(at, low)) and (
                value.brackets[1] == "]" or not same_value(at, high)
            )
            return closed
        return bool(low < at < high)

    return Region(tuple(bound for bound in (low, high) if MP.isfinite(bound)), holds)


def _inequality(value: Relation) -> Region | None:
    """A chain of inequalities in one variable; = and other signs are none."""
    if not set(value.signs) <= {"<", ">", "<=", ">=", "!="} or not all(isinstance(s, Expression) for s in value.sides):
        return None
    nodes = [side.node for side in value.sides]
    names = frozenset().union(*(symbols(node) for node in nodes))
    if len(names) != 1 or any(part.unit for part in value.sides):
        return None
    (name,) = names
    gaps = [Node("add", (left, negative(right))) for left, right in pairwise(nodes)]
    marks = [root for gap in gaps for root in roots(gap, name)]

    def holds(at: mpmath.mpf) -> bool:
        return all(_true(gap, sign, name, at) for gap, sign in zip(gaps, value.signs))

    return Region(tuple(marks), holds, name)


def _true(gap: Node, sign: str, name: str, at: mpmath.mpf) -> bool:
    try:
        found = evaluate(gap, Point(0, True, ((name, at),)))
    except Unreadable:
        return False
    if isinstance(found, mpmath.mpc):
        return False
    none = zero(found) or abs(real(found)) < MP.mpf(10) ** -25
    return {"<": not none and found < 0, ">": not none and found > 0, "<=": none or found < 0,
            ">=": none or found > 0, "!=": not none}[sign]  # fmt: skip


def roots(node: Node, name: str) -> list[mpmath.mpf]:
    """The real zeros and poles of a quotient of polynomials, also within absolute values; raises for anything else."""
    found: list[mpmath.mpf] = []
    for plain in _without_bars(node):
        over, under = _quotient(plain, name)
        for polynomial in (over, under):
            found += _zeros(polynomial)
    return found


def _without_bars(node: Node) -> list[Node]:
    if node.op == "abs":
        inner = _without_bars(node.args[0])
        return inner + [negative(part) for part in inner]
    made: list[tuple[Node, ...]] = [()]
    for arg in node.args:
        made = [(*before, choice) for before in made for choice in _without_bars(arg)]
    if len(made) > 16:
        raise Unreadable("too many absolute values")
    return [Node(node.op, args, node.name, node.value) for args in made]


Polynomial = list  # coefficients, the constant first


def _quotient(node: Node, name: str) -> tuple[Polynomial, Polynomial]:
    if name not in symbols(node):
        return [real(evaluate(node))], [MP.mpf(1)]
    if node.op == "symbol":
        return [MP.mpf(0), MP.mpf(1)], [MP.mpf(1)]
    if node.op == "add":
        parts = [_quotient(arg, name) for arg in node.args]
        over, under = parts[0]
        for top, bottom in parts[1:]:
            over, under = _sum(_product(over, bottom), _product(top, under)), _product(under, bottom)
        return over, under
    if node.op in ("mul", "div"):
        over, under = _quotient(node.args[0], name)
        for top, bottom in (_quotient(arg, name) for arg in node.args[1:]):
            top, bottom = (bottom, top) if node.op == "div" else (top, bottom)
            over, under = _product(over, top), _product(under, bottom)
        return over, under
    if node.op == "power" and is_number(node.args[1]):
        exponent = evaluate(node.args[1])
        if isinstance(exponent, Fraction) and exponent.denominator == 1 and 0 <= exponent <= MAX_DEGREE:
            over, under = [MP.mpf(1)], [MP.mpf(1)]
            a, b = _quotient(node.args[0], name)
            for _ in range(int(exponent)):
                over, under = _product(over, a), _product(under, b)
            return over, under
    raise Unreadable("an inequality that is no quotient of polynomials")


def _sum(one: Polynomial, other: Polynomial) -> Polynomial:
    size = max(len(one), len(other))
    return [sum((p[i] for p in (one, other) if i < len(p)), MP.mpf(0)) for i in range(size)]


def _product(one: Polynomial, other: Polynomial) -> Polynomial:
    made = [MP.mpf(0)] * (len(one) + len(other) - 1)
    if len(made) > MAX_DEGREE + 1:
        raise Unreadable("a polynomial of high degree")
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            made[i + j] += a * b
    return made


def _zeros(coefficients: Polynomial) -> list[mpmath.mpf]:
    while coefficients and zero(coefficients[-1]):
        coefficients = coefficients[:-1]
    if len(coefficients) < 2:
        return []
    if len(coefficients) == 2:
        return [-coefficients[0] / coefficients[1]]
    found = MP.polyroots(coefficients[::-1], maxsteps=200, extraprec=400)
    return [MP.re(root) for root in found if abs(MP.im(root)) < MP.mpf(10) ** -12]
