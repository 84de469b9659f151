"""Which groups train, and whether further questions take the places of those that do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from r1lab.errors import ConfigError
from r1lab.types import Group


class Selection(Protocol):
    """Chooses groups, each by itself: the choice is the same on any number of ranks."""

    rounds: int
    """How many more times, at most, places without a group that trains get another question."""

    def __call__(self, groups: Sequence[Group]) -> list[Group]:
        """The groups that train."""
        ...


@dataclass(frozen=True)
class KeepAll:
    """Every group in which at least two completions were judged; one alone, where no more were sampled (PPO)."""

    rounds: ClassVar[int] = 0

    def __call__(self, groups: Sequence[Group]) -> list[Group]:
        return [g for g in groups if len(g.rewards) >= min(2, len(g.rollouts))]


@dataclass(frozen=True)
class Informative:
    """Only groups whose rewards differ; the others have advantage 0 and would only add their KL term.

    Source: DAPO's dynamic sampling without the refill; the paper keeps all groups as far as it reports.
    """

    rounds: ClassVar[int] = 0

    def __call__(self, groups: Sequence[Group]) -> list[Group]:
        return [g for g in groups if g.informative]


@dataclass(frozen=True)
class Refilled:
    """Only groups whose rewards differ; the mix's next questions take the places of the others, for some rounds.

    A place that is empty after the last round stays empty: a phase may train on fewer groups, never wait forever.
    Source: DAPO's dynamic sampling (Yu et al. 2025, section 3.2), bounded.
    """

    rounds: int

    def __post_init__(self):
        if type(self.rounds) is not int or self.rounds < 1:
            wrong = "Refilling needs at least one round, and whole ones."
            raise ConfigError(wrong, f"rounds={self.rounds!r}", "selection.rounds=2, or selection=informative")

    def __call__(self, groups: Sequence[Group]) -> list[Group]:
        return [g for g in groups if g.informative]
