"""The types of values that a formula may have."""

from __future__ import annotations

from dataclasses import dataclass

from r1lab.verifiers.latex_nodes import Node
from r1lab.verifiers.quantity import Quantity


@dataclass(frozen=True)
class Expression:
    """``2\\sqrt3\\text{ cm}``: a formula with its unit; ``plain`` where it is written as a number."""

    node: Node
    unit: str = ""
    percent: bool = False
    plain: Quantity | None = None
    decimal: Quantity | None = None
    r"""What stands behind it as its rounding: 3.14 in \pi \approx 3.14."""


@dataclass(frozen=True)
class Bracketed:
    """Values in brackets: ``()`` is a tuple or an open interval, ``{}`` a set, ``[)`` an interval, ``<>`` a vector."""

    brackets: str
    items: tuple[Value, ...]


@dataclass(frozen=True)
class Listed:
    """Values beside each other, each as often as it is written; joined by "," or "or" or "and"."""

    items: tuple[Value, ...]
    joint: str = ","


@dataclass(frozen=True)
class Matrix:
    rows: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True)
class Congruence:
    r"""``x \equiv 2 \pmod 5``; ``left`` is None where a residue stands alone."""

    left: Node | None
    right: Node
    modulus: Node


@dataclass(frozen=True)
class Ratio:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Combined:
    """A union, an intersection or a difference of sets."""

    op: str
    left: Value
    right: Value


@dataclass(frozen=True)
class Named:
    r"""A set that has a name (\mathbb{R}), or "" for the empty set."""

    name: str


@dataclass(frozen=True)
class Builder:
    """All values of a variable that satisfy a condition."""

    variable: str
    condition: Value


@dataclass(frozen=True)
class Relation:
    """``a = b < c``: sides and the signs between them; ``name`` is the text of the first side where it is a name."""

    sides: tuple[Value | None, ...]
    """None for a side that is only a name and no expression."""
    signs: tuple[str, ...]
    name: str = ""


Value = Expression | Bracketed | Listed | Matrix | Congruence | Ratio | Combined | Named | Builder | Relation
