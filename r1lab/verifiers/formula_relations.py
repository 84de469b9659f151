"""Equations and inequalities between expressions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from r1lab.verifiers.formula_numbers import MIN_POINTS, NUM_POINTS, Undefined, real, same_value, zero
from r1lab.verifiers.formula_same import same_expression
from r1lab.verifiers.formula_types import Expression, Relation
from r1lab.verifiers.formula_value import Point, evaluate
from r1lab.verifiers.latex_nodes import Node, negative, symbols


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
    return all(_proportional(one, other) is not None for one, other in gaps)


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
