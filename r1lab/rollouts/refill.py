"""The groups of a phase: every place gets a question, and another one where the first teaches nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from r1lab.data.mix import State
from r1lab.rollouts.selection import Selection
from r1lab.types import Group, Question

Draw = Callable[[State, int], tuple[list[Question], State]]
"""The mix's next questions of a state and the state after them: the same on every rank."""
Sample = Callable[[list[tuple[int, Question]]], list[Group]]
"""(index, question) pairs to scored groups."""
Union = Callable[[list[int]], list[int]]
"""Places of this rank to those of all ranks, in order; every rank calls it together."""


@dataclass(frozen=True, eq=False)
class Collected:
    """What a rank sampled in a phase, and what of it trains."""

    groups: list[Group]
    """All of them, refills too; the index of a refill is its place + round * Q."""
    kept: dict[int, Group]
    """The groups that train, by place (0 to Q-1)."""
    cursor: State
    """Where the mix goes on, the same on every rank."""


def collect(
    places: Sequence[int],
    num_places: int,
    cursor: State,
    selection: Selection,
    draw: Draw,
    sample: Sample,
    union: Union,
) -> Collected:
    """Groups for this rank's places among the phase's `num_places` (Q), refilled as the selection allows.

    A further question goes to the first empty place of all ranks, so places, and with them minibatches and random
    streams, are the same on any number of ranks. Whether there is another round is decided by all ranks together:
    each calls `union` and `sample` as often as every other, with nothing to sample where its places are filled.
    """
    questions, cursor = draw(cursor, num_places)
    groups = sample([(place, questions[place]) for place in places])
    kept = {group.index: group for group in selection(groups)}
    for turn in range(1, selection.rounds + 1):
        empty = union([place for place in places if place not in kept])
        if not empty:
            break
        questions, cursor = draw(cursor, len(empty))
        given = dict(zip(empty, questions, strict=True))
        more = sample([(place + turn * num_places, given[place]) for place in places if place in given])
        groups += more
        kept |= {group.index % num_places: group for group in selection(more)}
    return Collected(groups, kept, cursor)
