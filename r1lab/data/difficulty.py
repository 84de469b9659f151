"""Pools of questions by how often they were answered right when last asked: what is learned already is asked less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from r1lab.data.shares import shares_of, take_turn
from r1lab.errors import ConfigError
from r1lab.functional.schedules import is_number
from r1lab.types import Group

NEW, HARD, MEDIUM, EASY = POOLS = ("new", "hard", "medium", "easy")

Observation = tuple[str, float | None]
"""A question's id and the share of its judged completions that passed; None where none was judged."""


@dataclass(frozen=True)
class Difficulty:
    """Which question of a source is next: a pool by its weight, in it the one that waits longest.

    A pass rate of 0.5 puts a question into "medium" with the bounds 0.25 and 0.75; there it waits behind the others.
    The bookkeeping is plain numbers and names in the mix's state, so a resumed run asks the same questions.
    """

    weights: Mapping[str, float]
    """Of new (never judged), hard, medium and easy; a pool of weight 0 is asked only when the others are empty."""
    hard_below: float
    """A pass rate under this is hard."""
    easy_above: float
    """A pass rate over this is easy."""
    reward: str
    """The reward whose score of 1 or more is a pass."""

    def __post_init__(self):
        weights = self.weights.values()
        numbers = all(is_number(weight) and weight >= 0 for weight in weights)
        if set(self.weights) != set(POOLS) or not numbers or not any(weights):
            raise ConfigError(
                f"Difficulty pools need weights of 0 or more for {', '.join(POOLS)}.",
                f"{dict(self.weights)}",
                "mix.difficulty.weights={new: 1, hard: 1, medium: 2, easy: 0.25}",
            )
        bounds = (self.hard_below, self.easy_above)
        if not all(map(is_number, bounds)) or not 0 <= self.hard_below <= self.easy_above <= 1:
            raise ConfigError(
                "The bounds of the difficulty pools are not in order.",
                f"hard_below={self.hard_below}, easy_above={self.easy_above}",
                "mix.difficulty.hard_below=0.25 mix.difficulty.easy_above=0.75",
            )

    def start(self) -> dict[str, Any]:
        """What a source's state holds beside its cursor, which counts the questions that were taken as new."""
        return {"pools": {name: [] for name in POOLS}, "pools_owed": dict.fromkeys(POOLS, 0.0), "asked": {}}

    def take(self, state: dict[str, Any], num_train: int | None) -> int:
        """The place, in the source's training order, of the next question; `state` is brought up to date in place."""
        pools, asked = state["pools"], state["asked"]
        fresh = num_train is None or state["cursor"] < num_train
        filled = [name for name in POOLS if pools[name] or (name == NEW and fresh)]
        if not filled:  # all are being asked already: once more the one that was taken first
            name = next(iter(asked))
            asked[name] = asked.pop(name)
            return asked[name]
        shares = shares_of({name: self.weights[name] for name in filled}) if self._wanted(filled) else None
        pool = take_turn(state["pools_owed"], shares or dict.fromkeys(filled, 1 / len(filled)))
        if pools[pool]:
            return pools[pool].pop(0)
        state["cursor"] += 1
        return state["cursor"] - 1

    def observe(self, state: dict[str, Any], seen: Iterable[Observation]) -> None:
        """Puts the questions of `seen` that this source asked into the pools of their pass rates, in place."""
        for name, rate in seen:
            if name in state["asked"]:
                state["pools"][self.pool_of(rate)].append(state["asked"].pop(name))

    def pool_of(self, rate: float | None) -> str:
        """The pool of a pass rate; a question of which nothing was judged is as good as new."""
        if rate is None:
            return NEW
        return HARD if rate < self.hard_below else EASY if rate > self.easy_above else MEDIUM

    def observation(self, group: Group) -> Observation:
        """What a group says of its question."""
        passed = [score.value >= 1 for r in group.rollouts if (score := r.scores[self.reward]).judged]
        return group.question.id, sum(passed) / len(passed) if passed else None

    def _wanted(self, filled: list[str]) -> bool:
        return any(self.weights[name] for name in filled)
