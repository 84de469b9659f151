"""The questions of the sources of a mix, read, sifted and ready to be drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from r1lab.data.filters import Dropped, Filter, sift
from r1lab.errors import DataError
from r1lab.functional.rng import hashed_index, permutation, seed_of
from r1lab.types import Question

HELDOUT_SEED = seed_of("heldout")
"""Held-out questions do not follow the run's seed: runs of several seeds are compared on the same questions."""


class Pool(Protocol):
    """The questions of one source, ready to be drawn."""

    num_train: int | None
    """None where they have no end, 0 where the source is for evaluation alone."""

    def train(self, cursor: int, seed: int) -> Question:
        """The question at a place of the endless training order."""
        ...

    def heldout(self, count: int) -> list[Question]:
        """The first `count` held-out questions, or all where there are fewer: never a training question."""
        ...


class Source(Protocol):
    """Where questions come from."""

    def load(self, name: str) -> Pool:
        """Read what there is to read; `name` becomes the questions' source. Raises DataError."""
        ...


@dataclass(frozen=True, eq=False)
class FilePool:
    """Two lists of questions: the training order is a new permutation in each epoch."""

    training: Sequence[Question]
    held_out: Sequence[Question]
    left_out: Sequence[Dropped] = ()
    """Rows of the files that are in neither."""

    @property
    def num_train(self) -> int:
        return len(self.training)

    def train(self, cursor: int, seed: int) -> Question:
        """The question at a place of the endless training order: every question once in each epoch."""
        return self.training[hashed_index(cursor, len(self.training), seed)]

    def heldout(self, count: int) -> list[Question]:
        """The first `count` questions of one fixed permutation."""
        return [self.held_out[index] for index in permutation(len(self.held_out), HELDOUT_SEED)[:count]]


def loaded_pools(sources: Mapping[str, Source]) -> dict[str, Pool]:
    """The pool of each source. Raises DataError with the faults of all of them."""
    pools, faults = {}, []
    for name, source in sources.items():
        try:
            pools[name] = source.load(name)
        except DataError as error:
            faults.append(DataError(f"Source {name} of the mix: {error.wrong}", error.found, error.remedy))
    if len(faults) > 1:
        raise DataError(f"{len(faults)} sources of the mix cannot be used.\n" + "\n".join(map(str, faults)))
    if faults:
        raise faults[0]
    return pools


def sifted_pools(pools: Mapping[str, Pool], filters: Mapping[str, Filter]) -> tuple[dict[str, Pool], list[Dropped]]:
    """The pools without the training questions that the filters drop, and all that is in none of them, with the reason.

    Pools without end go through as they are. Raises DataError.
    """
    listed = {name: pool for name, pool in pools.items() if isinstance(pool, FilePool)}
    kept, dropped = sift({name: pool.training for name, pool in listed.items()}, filters)
    left_out = [row for pool in listed.values() for row in pool.left_out]
    return {**pools, **{name: replace(listed[name], training=kept[name]) for name in kept}}, left_out + dropped
