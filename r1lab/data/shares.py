"""Whose turn it is: takers with weights, served one at a time, so that every prefix is within one of its shares."""

from __future__ import annotations

from collections.abc import Mapping

ROUNDING = 1e-9
"""Debts below this are rounding, not debts."""


def shares_of(weights: Mapping[str, float]) -> dict[str, float]:
    """The takers with a positive weight, weights scaled to sum to 1.

    >>> shares_of({"a": 3, "b": 1, "c": 0})
    {'a': 0.75, 'b': 0.25}
    """
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items() if weight}


def take_turn(owed: dict[str, float], shares: Mapping[str, float]) -> str:
    """The taker of the next turn; `owed`, by how much each lags behind its share, is brought up to date in place.

    Of the takers that would not run ahead of their share, the one whose next turn is due first: this order
    keeps every prefix within one turn of its share (Balinski and Young, The quota method of apportionment, 1975).
    """
    # one that a schedule has silenced may keep what is owed to it, so that nobody else is behind: then all may go
    behind = [name for name in shares if owed[name] + shares[name] > ROUNDING] or list(shares)
    taken = min(behind, key=lambda name: (1 - owed[name]) / shares[name])
    for name, share in shares.items():
        owed[name] += share
    owed[taken] -= 1
    return taken
