"""Typed values in one form: signs chosen, named values without names, all of which have a value."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.formula import read
from r1lab.verifiers.formula_numbers import NUM_POINTS, Undefined, real
from r1lab.verifiers.formula_types import (
    Bracketed,
    Builder,
    Combined,
    Congruence,
    Expression,
    Listed,
    Matrix,
    Named,
    Ratio,
    Relation,
    Value,
)
from r1lab.verifiers.formula_value import Point, evaluate
from r1lab.verifiers.latex_nodes import Node, is_number, signs_chosen, symbols
from r1lab.verifiers.quantity import Quantity

MAX_ITEMS = 60


@lru_cache(maxsize=256)  # the rollouts of a group share their gold answer
def _outcome(text: str, degrees: str) -> Value | Unreadable:
    try:
        return settled(read(text, degrees == "angle"))
    except Unreadable as error:
        return error
    except RecursionError:
        return Unreadable("too many parts within parts")


def value_of(text: str, degrees: str) -> Value:
    """The settled value of ``clean`` text; raises ``Unreadable`` or ``TooLarge``."""
    found = _outcome(text, degrees)
    if isinstance(found, Unreadable):
        raise found
    return found


def settled(value: Value) -> Value:
    """``value`` with its signs chosen, its sets and named values in one form.

    Raises ``Unreadable`` where a part has no value, ``TooLarge`` where it is too large to have one.
    """
    if isinstance(value, Expression):
        choices = [replace(value, node=node, plain=None) for node in signs_chosen(value.node)]
        choices = [value] if len(choices) == 1 else choices
        for choice in choices:
            _has_value(choice.node)
        return choices[0] if len(choices) == 1 else Listed(tuple(choices), "or")
    if isinstance(value, Bracketed):
        items = tuple(settled(item) for item in value.items)
        if value.brackets == "{}":
            items = tuple(part for item in items for part in (item.items if isinstance(item, Listed) else (item,)))
            return items[0] if len(items) == 1 and not isinstance(items[0], Named) else Bracketed("{}", items)
        if any(isinstance(item, Listed) for item in items):
            raise Unreadable("a list in brackets")
        return Bracketed(value.brackets, items)
    if isinstance(value, Listed):
        return _settled_list(value)
    if isinstance(value, Matrix):
        for row in value.rows:
            for cell in row:
                _has_value(cell)
    if isinstance(value, Ratio | Congruence):
        for part in value.parts if isinstance(value, Ratio) else (value.right, value.modulus):
            _has_value(part)
    if isinstance(value, Combined):
        return Combined(value.op, *(_as_set(settled(half)) for half in (value.left, value.right)))
    if isinstance(value, Builder):
        return Builder(value.variable, settled(value.condition))
    if isinstance(value, Relation):
        if value.signs == ("in",):
            if not value.name and value.sides[0] is not None:
                raise Unreadable("what is not named is in a set")
            value = replace(value, signs=("=",))
        sides = tuple(None if side is None else settled(side) for side in value.sides)
        return _approximated(replace(value, sides=sides))
    return value


def _as_set(value: Value) -> Value:
    return Bracketed("{}", (value,)) if isinstance(value, Expression) else value


def _has_value(node: Node) -> None:
    if is_number(node):
        evaluate(node)
        return
    for seed in range(NUM_POINTS):
        try:
            evaluate(node, Point(seed, False))
            return
        except Undefined:
            continue
    raise Undefined("no value at any point")


def _settled_list(value: Listed) -> Value:
    if len(value.items) > MAX_ITEMS:
        raise Unreadable("a long list")
    items = [settled(item) for item in value.items]
    named = [isinstance(item, Relation) and item.signs == ("=",) and bool(item.name) for item in items]
    if named[0] and not any(isinstance(item, Relation) for item in items[1:]):
        return settled(Listed((items[0].sides[1], *items[1:]), value.joint))
    if all(named) and len({_base(item.name) for item in items}) == 1:
        names = [item.name for item in items]
        if len(set(names)) in (1, len(names)):
            return settled(Listed(tuple(item.sides[1] for item in items), value.joint))
    flat: list[Value] = []
    for item in items:
        flat += item.items if isinstance(item, Listed) else [item]
    return Listed(tuple(flat), value.joint)


def _base(name: str) -> str:
    return re.sub(r"_.*|\d+", "", name).strip() or name


def _approximated(value: Relation) -> Relation:
    r"""``v \approx d`` as v where d is v rounded."""
    if "~" not in value.signs or (value.signs == ("~",) and value.sides[0] is None):
        return value
    exact, decimal = value.sides[-2], value.sides[-1]
    if value.signs.count("~") > 1 or value.signs[-1] != "~":
        raise Unreadable("an approximation of an approximation")
    named = len(value.sides) == 2 and bool(value.name)
    if named and (exact is None or symbols_of(exact)):
        return value
    if not (
        is_plain(decimal)
        and isinstance(exact, Expression)
        and is_number(exact.node)
        and rounds_to(decimal.plain, exact.node)
    ):
        raise Unreadable("an approximation that is not what rounding gives")
    exact = replace(exact, decimal=decimal.plain)
    return replace(value, sides=(*value.sides[:-2], exact), signs=value.signs[:-1]) if len(value.sides) > 2 else exact


def symbols_of(value: Value) -> frozenset[str]:
    return symbols(value.node) if isinstance(value, Expression) else frozenset()


def is_plain(value: Value | None) -> bool:
    return isinstance(value, Expression) and value.plain is not None


def rounds_to(decimal: Quantity, node: Node) -> bool:
    gap = abs(real(decimal.value / (100 if decimal.percent else 1)) - real(evaluate(node)))
    return bool(2 * 10 ** (decimal.places or 0) * gap <= 1)
