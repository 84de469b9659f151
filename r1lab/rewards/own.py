"""A function of one's own as a reward."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from r1lab.config.targets import locate
from r1lab.data.digests import code_digests
from r1lab.errors import ConfigError
from r1lab.leaving import inside
from r1lab.rewards.calls import DEADLINE_S, PASSING, Given, crash
from r1lab.rewards.rubric import Reward, Weight
from r1lab.types import Rollout


@dataclass(frozen=True)
class OwnReward(Reward):
    """Calls a function with each rollout; it returns a number, a Score, or None where it has no opinion.

    An exception makes the score of that completion a CRASH. The run's address holds a digest of the function's file.

    Example: ``OwnReward(1.0, "my_rewards.brevity")`` calls ``brevity(rollout)`` of my_rewards.py.
    """

    weight: Weight
    function: str
    """Its dotted path; the module is found in the working directory and in PYTHONPATH."""
    deadline_s: float = DEADLINE_S
    knows_gold: ClassVar[bool] = False

    @property
    def source(self) -> str:
        return self.function

    @cached_property
    def call(self) -> Callable[[Rollout], Given]:
        """The function. Raises ConfigError: it cannot be found."""
        return locate(self.function)

    def faults(self) -> list[str]:
        """A function that cannot be found, is asynchronous, or takes other arguments than one rollout."""
        try:
            function = self.call
        except ConfigError as error:
            found = error.found or "Its file must be in the working directory or in PYTHONPATH."
            return [f"function: {error.wrong} {found}"]
        if inspect.iscoroutinefunction(function):
            return [f"function: {self.function} is asynchronous. Define it with def, not async def."]
        try:
            inspect.signature(function).bind(None)
        except TypeError as error:
            return [f"function: {self.function} must take one argument, a rollout ({error})."]
        except ValueError:  # a built-in function may hide its signature
            return []
        return []

    def digests(self) -> dict[str, str]:
        """The digest of the function's file."""
        return code_digests(self.call)

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Given]:
        return [self._of(rollout) for rollout in rollouts]

    def _of(self, rollout: Rollout) -> Given:
        try:
            with inside(self.function):
                return self.call(rollout)
        except PASSING:
            raise
        except BaseException as error:
            return crash(error)
