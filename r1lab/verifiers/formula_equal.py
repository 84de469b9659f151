"""Whether two typed values are the same: by the rules of their type; what is not certainly equal is not equal."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.formula import (
    Bracketed,
    Builder,
    Combined,
    Expression,
    Listed,
    Matrix,
    Named,
    Ratio,
    Relation,
    Value,
    read,
    signs_chosen,
)
from r1lab.verifiers.formula_value import (
    MIN_POINTS,
    NUM_POINTS,
    Point,
    Undefined,
    evaluate,
    is_number,
    real,
    same_expression,
    same_value,
    symbols,
    zero,
)
from r1lab.verifiers.latex_grammar import Node, negative, number
from r1lab.verifiers.quantity import Quantity
from r1lab.verifiers.regions import region, same_region
from r1lab.verifiers.units import units_agree

MAX_ITEMS = 60


@dataclass(frozen=True)
class Rules:
    """The settings of the checker that comparing needs."""

    same_number: Callable[[Quantity, Quantity], bool]
    """Whether two numbers with units are the same."""
    may_be_rounded: Callable[[Quantity], bool]
    """Whether a decimal is long enough to stand for what rounds to it."""
    percent: tuple[bool, ...]
    """The readings of a percent sign: as 1/100, as a unit, or both."""


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
    if isinstance(value, Ratio):
        for part in value.parts:
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
        _is_plain(decimal)
        and isinstance(exact, Expression)
        and is_number(exact.node)
        and _rounds(decimal.plain, exact.node)
    ):
        raise Unreadable("an approximation that is not what rounding gives")
    exact = replace(exact, decimal=decimal.plain)
    return replace(value, sides=(*value.sides[:-2], exact), signs=value.signs[:-1]) if len(value.sides) > 2 else exact


def symbols_of(value: Value) -> frozenset[str]:
    return symbols(value.node) if isinstance(value, Expression) else frozenset()


def _is_plain(value: Value | None) -> bool:
    return isinstance(value, Expression) and value.plain is not None


def _rounds(decimal: Quantity, node: Node) -> bool:
    gap = abs(real(decimal.value / (100 if decimal.percent else 1)) - real(evaluate(node)))
    return bool(2 * 10 ** (decimal.places or 0) * gap <= 1)


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
                and _rounds(decimal, node)
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
        return as_decimal and _is_plain(decimal) and bool(decimal.plain.places) and same(gold, decimal, rules)
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
    if all(equations) and gold.name and _squeezed(gold.name) == _squeezed(found.name):
        values = (side is not None and same(gold.sides[-1], side, rules) for side in found.sides[1:])
        if all(values):
            return True
    if any(equations) and not all(equations):
        return _set_and_inequality(*((gold, found) if equations[0] else (found, gold)))
    nodes = [_nodes(value) for value in (gold, found)]
    if None in nodes or len(gold.sides) != len(found.sides):
        return False
    if all(equations):
        return _equations(*nodes)
    sets = [_region_or_none(value) for value in (gold, found)]
    if None not in sets:
        return bool(sets[0].variable == sets[1].variable) and same_region(*sets)
    return _inequalities(gold, found, *nodes)


def _set_and_inequality(named: Relation, inequality: Relation) -> bool:
    r"""``x \in [1,2]`` and ``1 \le x \le 2``."""
    sets = [region(named.sides[-1]) if len(named.sides) == 2 else None, _region_or_none(inequality)]
    return None not in sets and sets[1].variable == named.name and same_region(*sets)


def _region_or_none(value: Relation):
    try:
        return region(value)
    except Unreadable:
        return None


def _squeezed(name: str) -> str:
    return re.sub(r"[\s{}]|\\text", "", name)


def _nodes(value: Relation) -> list[Node] | None:
    if not all(isinstance(side, Expression) for side in value.sides):
        return None
    return [side.node for side in value.sides]


def _gap(left: Node, right: Node) -> Node:
    return Node("add", (left, negative(right)))


def _equations(gold: Sequence[Node], found: Sequence[Node]) -> bool:
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


def _inequalities(gold: Relation, found: Relation, one: Sequence[Node], other: Sequence[Node]) -> bool:
    """Single inequalities in several letters: one is the other times a positive number, or turned round."""
    if len(one) != 2:
        return False
    (sign,), (other_sign,) = gold.signs, found.signs
    ratio = _proportional(_gap(*one), _gap(*other))
    if ratio is None or sign == "~" or other_sign == "~" or (abs(ratio) not in (ratio, -ratio)):
        return False
    turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!="}
    return (sign if ratio > 0 else turned[sign]) == other_sign
