"""The tree of an expression, and what can be told of it without evaluating."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from r1lab.verifiers.errors import Unreadable


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Example: ``2x`` is ``Node("mul", (Node("number", value=2), Node("symbol", name="x")))``.
    """

    op: str
    args: tuple[Node, ...] = ()
    name: str = ""
    value: Fraction | None = None


def number(value: Fraction | int) -> Node:
    return Node("number", value=Fraction(value))


def negative(node: Node) -> Node:
    return Node("mul", (number(-1), node))


def product(one: Node, other: Node) -> Node:
    """One product of all factors, so that a long one is no deep tree."""
    return Node("mul", (*one.args, other) if one.op == "mul" else (one, other))


def in_degrees(node: Node) -> Node:
    return Node("mul", (node, Node("div", (Node("pi"), number(180)))))


def matrix_rows(node: Node) -> tuple[tuple[Node, ...], ...] | None:
    """The cells of a matrix, of a sum of matrices, or of a multiple of one; None for anything else."""
    if node.op == "matrix":
        return tuple(row.args for row in node.args)
    rows = [matrix_rows(arg) for arg in node.args]
    held = [i for i, part in enumerate(rows) if part is not None]
    if (node.op == "mul" and len(held) == 1) or (node.op == "div" and held == [0]):
        before, behind = node.args[: held[0]], node.args[held[0] + 1 :]
        return tuple(tuple(Node(node.op, (*before, cell, *behind)) for cell in row) for row in rows[held[0]])
    if node.op == "add" and None not in rows and len({(len(part), len(part[0])) for part in rows}) == 1:
        return tuple(tuple(Node("add", cells) for cells in zip(*lines)) for lines in zip(*rows))
    return None


def with_letter_i(node: Node) -> Node:
    """``node`` with the letter i for the imaginary unit: what a sum over i adds."""
    if node.op == "i":
        return Node("symbol", name="i")
    return replace(node, args=tuple(with_letter_i(arg) for arg in node.args))


def counted(node: Node) -> frozenset[str]:
    """The letters in the bounds of sums and products: they stand for whole numbers."""
    found = frozenset().union(*(counted(arg) for arg in node.args)) if node.args else frozenset()
    return found.union(*(symbols(arg) for arg in node.args[1:])) if node.op in ("sum", "prod") else found


def degree(node: Node, name: str) -> int | None:
    """The degree of a polynomial in the letter ``name`` (at most 20); None for anything else."""
    if node.op == "symbol" and node.name == name:
        return 1
    if name not in symbols(node):
        return 0
    parts = [degree(arg, name) for arg in node.args]
    if None in parts:
        return None
    found = None
    if node.op in ("add", "mul"):
        found = max(parts) if node.op == "add" else sum(parts)
    if node.op == "div" and parts[1] == 0:
        found = parts[0]
    if node.op == "power" and node.args[1].op == "number" and node.args[1].value in range(1, 21):
        found = parts[0] * int(node.args[1].value)
    return found if found is not None and found <= 20 else None


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


def signs_chosen(node: Node) -> list[Node]:
    r"""``1\pm\sqrt2`` as its two values: every \pm is free, \mp is its opposite."""
    if not any(sign in repr(node) for sign in ("pm", "mp")):
        return [node]
    return [_choose(node, plus) for plus in (True, False)] if _count(node) == 1 or _has(node, r"\mp") else _each(node)


def _has(node: Node, op: str) -> bool:
    return node.op == op or any(_has(arg, op) for arg in node.args)


def _count(node: Node) -> int:
    return (node.op in (r"\pm", r"\mp")) + sum(_count(arg) for arg in node.args)


def _choose(node: Node, plus: bool) -> Node:
    if node.op in (r"\pm", r"\mp"):
        inner = _choose(node.args[0], plus)
        return inner if plus == (node.op == r"\pm") else negative(inner)
    return replace(node, args=tuple(_choose(arg, plus) for arg in node.args))


def _each(node: Node) -> list[Node]:
    if _count(node) > 4:
        raise Unreadable("too many signs to choose")
    if node.op == r"\pm":
        return [sign for inner in _each(node.args[0]) for sign in (inner, negative(inner))]
    made: list[tuple[Node, ...]] = [()]
    for arg in node.args:
        made = [(*before, choice) for before in made for choice in _each(arg)]
    return [replace(node, args=args) for args in made]
