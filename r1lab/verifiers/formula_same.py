"""Whether two expressions have one value at every point that is tried."""

from __future__ import annotations

from fractions import Fraction

from r1lab.verifiers.errors import TooLarge, Unreadable
from r1lab.verifiers.formula_numbers import MIN_POINTS, MP, NUM_POINTS, SMALL, Value, real, same_value
from r1lab.verifiers.formula_value import Point, drawn_whole, evaluate
from r1lab.verifiers.latex_nodes import Node, counted, is_number


def same_expression(one: Node, other: Node) -> bool:
    """Whether two expressions have one value wherever both have any."""
    numeric = is_number(one) and is_number(other)
    if numeric:
        point = Point(0, True)
        values = [evaluate(one, point), evaluate(other, point)]
        return same_value(*values) or _both_cancel(one, other, point, values)
    seen = 0
    whole = counted(one) | counted(other)
    for seed in range(NUM_POINTS):
        point = Point(seed, False, tuple((name, drawn_whole(name, seed)) for name in whole))
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
    if all(isinstance(value, Fraction) for value in values) or max(abs(real(value)) for value in values) > SMALL:
        return False
    with MP.workdps(240):
        sharper = evaluate(one, point), evaluate(other, point)
    return all(abs(real(b)) <= abs(real(a)) * SMALL for a, b in zip(values, sharper))
