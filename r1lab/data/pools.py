"""The questions of one source, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from r1lab.data.filters import Dropped
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
