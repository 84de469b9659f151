"""Which groups train."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from r1lab.types import Group


@dataclass(frozen=True)
class KeepAll:
    """Every group in which at least two completions were judged: fewer have nothing to be compared with."""

    def __call__(self, groups: Sequence[Group]) -> list[Group]:
        return [g for g in groups if len(g.rewards) >= 2]


@dataclass(frozen=True)
class Informative:
    """Only groups whose rewards differ; the others have advantage 0 and would only add their KL term.

    Source: DAPO's dynamic sampling without the refill; the paper keeps all groups as far as it reports.
    """

    def __call__(self, groups: Sequence[Group]) -> list[Group]:
        return [g for g in groups if g.informative]
