"""Whether two typed values are the same: by the rules of their type; what is not certainly equal is not equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.formula_relations import nodes_of, same_congruences, same_equations, same_inequalities, squeezed
from r1lab.verifiers.formula_same import same_expression
from r1lab.verifiers.formula_settle import is_plain, rounds_to
from r1lab.verifiers.formula_types import (
    Bracketed,
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
from r1lab.verifiers.latex_nodes import Node, is_number, number, symbols
from r1lab.verifiers.quantity import Quantity
from r1lab.verifiers.regions import region, same_region
from r1lab.verifiers.units import units_agree


@dataclass(frozen=True)
class Rules:
    """The settings of the checker that comparing needs."""

    same_number: Callable[[Quantity, Quantity], bool]
    """Whether two numbers with units are the same."""
    may_be_rounded: Callable[[Quantity], bool]
    """Whether a decimal is long enough to stand for what rounds to it."""
    percent: tuple[bool, ...]
    """The readings of a percent sign: as 1/100, as a unit, or both."""


def same(gold: Value, found: Value, rules: Rules) -> bool:
    """Whether two settled values are the same."""
    if isinstance(found, Relation) and not isinstance(gold, Relation):
        return _chain(gold, found, rules)
    if isinstance(gold, Relation) and not isinstance(found, Relation):
        return _without_name(gold, found, rules)
    if isinstance(gold, Relation):
        return _relations(gold, found, rules)
    if isinstance(gold, Expression) and isinstance(found, Expression):
        return _expressions(gold, found, rules)
    if isinstance(gold, Matrix) and isinstance(found, Matrix):
        shapes = [(len(value.rows), len(value.rows[0])) for value in (gold, found)]
        cells = zip(*([cell for row in value.rows for cell in row] for value in (gold, found)))
        return shapes[0] == shapes[1] and all(_expressions(Expression(a), Expression(b), rules) for a, b in cells)
    if isinstance(gold, Congruence) and isinstance(found, Congruence):
        return same_congruences(gold, found)
    if isinstance(gold, Ratio) and isinstance(found, Ratio):
        return len(gold.parts) == len(found.parts) and all(
            same_expression(_times(gold.parts[0], b), _times(found.parts[0], a))
            for a, b in zip(gold.parts[1:], found.parts[1:])
        )
    if isinstance(gold, Named) and isinstance(found, Named):
        return gold.name == found.name
    return _collections(gold, found, rules)


def _times(one: Node, other: Node) -> Node:
    return Node("mul", (one, other))


def _collections(gold: Value, found: Value, rules: Rules) -> bool:
    for one, other in ((gold, found), (found, gold)):
        in_round = isinstance(other, Bracketed) and other.brackets in ("()", "<>")
        if in_round and isinstance(one, Listed) and (named := _by_name(one)) is not None:
            return same(*((named, other) if one is gold else (other, named)), rules)
        if isinstance(one, Bracketed) and one.brackets == "{}" and isinstance(other, Expression):
            items = _several(one, rules)
            return len(items) == 1 and same(items[0], other, rules)
    lists = [_several(value, rules) for value in (gold, found)]
    if all(isinstance(value, Bracketed) and value.brackets == "[]" for value in (gold, found)):
        lists = [None, None]
    if None not in lists:
        return _has_names(lists[0]) == _has_names(lists[1]) and _same_items(*lists, rules)
    if isinstance(gold, Bracketed) and isinstance(found, Bracketed):
        kinds = {value.brackets.replace("<>", "()") for value in (gold, found)}
        if len(kinds) == 1:
            same_length = len(gold.items) == len(found.items)
            return same_length and all(same(a, b, rules) for a, b in zip(gold.items, found.items))
    if isinstance(gold, Expression | Ratio | Matrix) or isinstance(found, Expression | Ratio | Matrix):
        return False
    sets = [region(value) for value in (gold, found)]
    if None not in sets:
        return same_region(*sets)
    return _unions(gold, found, rules)


def _unions(gold: Value, found: Value, rules: Rules) -> bool:
    """Unions whose bounds are letters: the same parts in any order."""
    parts = [_parts(value) for value in (gold, found)]
    return None not in parts and len(parts[0]) > 1 and _same_items(*parts, rules)


def _parts(value: Value) -> list[Value] | None:
    if isinstance(value, Combined):
        halves = [_parts(value.left), _parts(value.right)]
        return halves[0] + halves[1] if value.op == "cup" and None not in halves else None
    return [value] if isinstance(value, Bracketed) else None


def _by_name(value: Listed) -> Value | None:
    """``x = 3, y = 8`` as (3, 8), by the order of the names; None where they are not all named differently."""
    items = value.items
    if not all(
        isinstance(item, Relation) and item.signs == ("=",) and re.fullmatch(r"\\?[A-Za-z]+(_\w)?", item.name)
        for item in items
    ):
        return None
    names = [item.name for item in items]
    if len(set(names)) != len(names) or value.joint == "or":
        return None
    return Bracketed("()", tuple(item.sides[1] for item in sorted(items, key=lambda item: item.name.lstrip("\\"))))


def _several(value: Value, rules: Rules) -> list[Value] | None:
    """The items of a list, or of a set, each once."""
    if isinstance(value, Listed):
        return list(value.items)
    if isinstance(value, Bracketed) and value.brackets == "[]" and len(value.items) > 2:
        return list(value.items)
    if isinstance(value, Bracketed) and value.brackets == "{}":
        kept: list[Value] = []
        for item in value.items:
            if not any(same(item, other, rules) for other in kept):
                kept.append(item)
        return kept
    return None


def _has_names(items: Sequence[Value]) -> bool:
    return any(isinstance(item, Relation) and item.name for item in items)


def _same_items(gold: Sequence[Value], found: Sequence[Value], rules: Rules) -> bool:
    if len(gold) != len(found):
        return False
    left = list(found)
    for item in gold:
        match = next((i for i, other in enumerate(left) if same(item, other, rules)), None)
        if match is None:
            return False
        del left[match]
    return True


def _expressions(gold: Expression, found: Expression, rules: Rules) -> bool:
    if gold.plain and found.plain:
        return rules.same_number(found.plain, gold.plain)
    if gold.plain and gold.plain.places and found.decimal and rules.same_number(found.decimal, gold.plain):
        return True
    if gold.unit.startswith("_") or found.unit.startswith("_"):
        return False  # a number in another base, and no number
    if not units_agree(gold.unit, found.unit) or (gold.percent and found.unit) or (found.percent and gold.unit):
        return False
    for applied in rules.percent if gold.percent != found.percent else rules.percent[:1]:
        one, other = (_scaled(value, applied) for value in (gold, found))
        if same_expression(one, other):
            return True
        for decimal, node in ((gold.plain, other), (found.plain, one)):
            if (
                decimal
                and not decimal.percent
                and rules.may_be_rounded(decimal)
                and is_number(node)
                and rounds_to(decimal, node)
            ):
                return True
    return False


def _scaled(value: Expression, applied: bool) -> Node:
    return Node("div", (value.node, number(100))) if value.percent and applied else value.node


def _chain(gold: Value, found: Relation, rules: Rules) -> bool:
    """An answer with signs of relations to a gold answer without: every part counts, a name in front does not."""
    if found.signs in (("~",),):
        decimal = found.sides[-1]
        as_decimal = isinstance(gold, Expression) and (gold.plain is None or bool(gold.plain.places))
        return as_decimal and is_plain(decimal) and bool(decimal.plain.places) and same(gold, decimal, rules)
    if set(found.signs) == {"="}:
        sides = found.sides[1:] if found.name else found.sides
        return all(side is not None and same(gold, side, rules) for side in sides)
    if isinstance(gold, Expression):
        return False
    sets = [region(value) for value in (gold, found)]
    return None not in sets and same_region(*sets)


def _without_name(gold: Relation, found: Value, rules: Rules) -> bool:
    """A gold answer with signs of relations and an answer without."""
    if set(gold.signs) == {"="}:
        if not gold.name or gold.sides[-1] is None or _unknown_within(gold):
            return False
        return same(gold.sides[-1], found, rules)
    if isinstance(found, Expression):
        return False
    sets = [region(value) for value in (gold, found)]
    return None not in sets and same_region(*sets)


def _unknown_within(gold: Relation) -> bool:
    """Whether y' = 5y says what y' is by y: an equation to solve, not a value with a name."""
    last = gold.sides[-1]
    changing = "'" in gold.name or "\\prime" in gold.name or "dot" in gold.name or gold.name.startswith("\\frac")
    letters = set(re.findall(r"[A-Za-z]", re.sub(r"\\[a-z]+|\(.*|d(?=[A-Za-z])", "", gold.name.partition("}{")[0])))
    return changing and isinstance(last, Expression) and bool(letters & symbols(last.node))


def _relations(gold: Relation, found: Relation, rules: Rules) -> bool:
    equations = [set(value.signs) == {"="} for value in (gold, found)]
    if all(equations) and gold.name and squeezed(gold.name) == squeezed(found.name):
        values = (side is not None and same(gold.sides[-1], side, rules) for side in found.sides[1:])
        if all(values):
            return True
    if any(equations) and not all(equations):
        return _set_and_inequality(*((gold, found) if equations[0] else (found, gold)))
    nodes = [nodes_of(value) for value in (gold, found)]
    if None in nodes or len(gold.sides) != len(found.sides):
        return False
    if all(equations):
        return same_equations(*nodes)
    sets = [_region_or_none(value) for value in (gold, found)]
    if None not in sets:
        return bool(sets[0].variable == sets[1].variable) and same_region(*sets)
    return same_inequalities(gold, found, *nodes)


def _set_and_inequality(named: Relation, inequality: Relation) -> bool:
    r"""``x \in [1,2]`` and ``1 \le x \le 2``."""
    sets = [region(named.sides[-1]) if len(named.sides) == 2 else None, _region_or_none(inequality)]
    return None not in sets and sets[1].variable == named.name and same_region(*sets)


def _region_or_none(value: Relation):
    try:
        return region(value)
    except Unreadable:
        return None
