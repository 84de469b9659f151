"""Equations and inequalities between expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

from r1lab.verifiers.formula_numbers import MIN_POINTS, NUM_POINTS, Undefined, real, same_value, zero
from r1lab.verifiers.formula_same import same_expression
from r1lab.verifiers.formula_types import Congruence, Expression, Relation
from r1lab.verifiers.formula_value import Point, evaluate
from r1lab.verifiers.latex_nodes import Node, is_number, negative, number, symbols

MAX_DENOMINATORS = 6
"""Equations with more are compared as they stand: clearing them multiplies everything by everything."""


def squeezed(name: str) -> str:
    return re.sub(r"[\s{}]|\\text", "", name)


def nodes_of(value: Relation) -> list[Node] | None:
    """The sides as expressions; None where one is none, or has a unit, which this comparison would lose."""
    expressions = all(isinstance(side, Expression) for side in value.sides)
    if not expressions or any(side.unit not in ("", "degree") or side.percent for side in value.sides):
        return None
    return [side.node for side in value.sides]


def _gap(left: Node, right: Node) -> Node:
    return Node("add", (left, negative(right)))


def same_equations(gold: Sequence[Node], found: Sequence[Node]) -> bool:
    """Each is the other times a number, in the same letters; between numbers side by side."""
    if not any(symbols(node) for node in (*gold, *found)):
        return all(same_expression(a, b) for a, b in zip(gold, found))
    gaps = [(_gap(*one), _gap(*other)) for one, other in zip(pairwise(gold), pairwise(found))]
    if any(_constant(gap) for pair in gaps for gap in pair):
        return all(same_expression(a, b) for a, b in zip(gold, found))
    return all(_proportional(*pair) is not None or _proportional(*map(_cleared, pair)) is not None for pair in gaps)


def _cleared(gap: Node) -> Node:
    """``gap`` without its denominators, where no solution is won or lost by that; else ``gap``."""
    if not 0 < _denominators(gap) <= MAX_DENOMINATORS:
        return gap
    over, under = _quotient(gap)
    return over if all(_never_both(over, factor) for factor in _factors(under)) else gap


def _denominators(node: Node) -> int:
    return (node.op == "div" and not is_number(node.args[1])) + sum(_denominators(arg) for arg in node.args)


def _quotient(node: Node) -> tuple[Node, Node]:
    one = number(1)
    if node.op == "div":
        (a, b), (c, d) = map(_quotient, node.args)
        return _times(a, d), _times(b, c)
    if node.op == "mul":
        over, under = one, one
        for top, bottom in map(_quotient, node.args):
            over, under = _times(over, top), _times(under, bottom)
        return over, under
    if node.op == "add":
        over, under = _quotient(node.args[0])
        for top, bottom in map(_quotient, node.args[1:]):
            over = Node("add", (_times(over, bottom), _times(top, under)))
            under = _times(under, bottom)
        return over, under
    return node, one


def _times(one: Node, other: Node) -> Node:
    if number(1) in (one, other):
        return other if one == number(1) else one
    return Node("mul", (one, other))


def _factors(node: Node) -> list[Node]:
    if node.op == "mul":
        return [factor for arg in node.args for factor in _factors(arg)]
    return _factors(node.args[0]) if node.op == "power" else [] if is_number(node) else [node]


def _never_both(over: Node, factor: Node) -> bool:
    """Whether ``over`` is a number but 0 wherever ``factor``, of degree one in a letter, is 0."""
    for name in sorted(symbols(factor)):
        values = []
        for seed in range(NUM_POINTS):
            point = Point(seed, False)
            try:
                at = [evaluate(factor, point.with_value(name, Fraction(value))) for value in (0, 1, 2)]
                if not all(isinstance(value, Fraction) for value in at) or at[2] - 2 * at[1] + at[0] or at[0] == at[1]:
                    break
                values.append(evaluate(over, point.with_value(name, at[0] / (at[0] - at[1]))))
            except Undefined:
                break
        if len(values) == NUM_POINTS:
            return not any(zero(value) for value in values)
    return False


def _constant(gap: Node) -> bool:
    """Whether both sides differ by a number, so that the equation holds nowhere or everywhere."""
    values = []
    for seed in range(NUM_POINTS):
        try:
            values.append(evaluate(gap, Point(seed, False)))
        except Undefined:
            continue
    return bool(values) and (all(zero(v) for v in values) or all(same_value(v, values[0]) for v in values))


def _proportional(one: Node, other: Node):
    """The number that ``one`` is of ``other`` at every point; None where there is none."""
    if symbols(one) != symbols(other):
        return None
    ratios = []
    for seed in range(NUM_POINTS):
        point = Point(seed, False)
        try:
            a, b = evaluate(one, point), evaluate(other, point)
        except Undefined:
            continue
        if zero(a) or zero(b):
            return None
        ratios.append(real(a) / real(b))
    if len(ratios) < MIN_POINTS or not all(same_value(ratio, ratios[0]) for ratio in ratios):
        return None
    return ratios[0]


def same_congruences(gold: Congruence, found: Congruence) -> bool:
    """One modulus, one left side (or none on one side), and residues that are the same or differ by its multiple."""
    if not same_expression(gold.modulus, found.modulus):
        return False
    if gold.left and found.left and not same_expression(gold.left, found.left):
        return False
    if (gold.left is None) != (found.left is None) and (gold.left or found.left).op != "symbol":
        return False
    if not (is_number(gold.right) and is_number(found.right) and is_number(gold.modulus)):
        return same_expression(gold.right, found.right)
    one, other, modulus = (evaluate(node) for node in (gold.right, found.right, gold.modulus))
    whole = all(isinstance(value, Fraction) and value.denominator == 1 for value in (one, other, modulus))
    return whole and modulus > 0 and (one - other) % modulus == 0


def same_inequalities(gold: Relation, found: Relation, one: Sequence[Node], other: Sequence[Node]) -> bool:
    """Single inequalities in several letters: one is the other times a positive number, or turned round."""
    if len(one) != 2:
        return False
    (sign,), (other_sign,) = gold.signs, found.signs
    ratio = _proportional(_gap(*one), _gap(*other))
    if ratio is None or sign == "~" or other_sign == "~" or (abs(ratio) not in (ratio, -ratio)):
        return False
    turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}
    return (sign if ratio > 0 else turned[sign]) == other_sign
