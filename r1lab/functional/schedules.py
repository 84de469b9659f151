"""A value as a function of the optimizer step: wherever a configuration takes a number, it may take one of these."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

EXAMPLE = "[[0, 32768], [8200, 65536]]"


class Schedule(ABC):
    """A value for every step >= 0."""

    @abstractmethod
    def __call__(self, step: int) -> float | int:
        """Return the value at that step."""

    @property
    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest value it can have."""


@dataclass(frozen=True)
class Constant(Schedule):
    """The same value at every step."""

    value: float | int

    def __post_init__(self) -> None:
        _require_number(self.value, "value")

    def __call__(self, step: int) -> float | int:
        return self.value

    @property
    def bounds(self) -> tuple[float, float]:
        return self.value, self.value


Points = Sequence[Sequence[float]]
"""A schedule as a configuration writes it: pairs of a step and the value that holds from it on, [[0, 32], [50, 64]]."""


@dataclass(frozen=True)
class Piecewise(Schedule):
    """A value that holds from its step on, until the next.

    Example: ``Piecewise([[0, 32768], [8200, 65536]])`` is 32768 at step 8199 and 65536 at step 8200
    (paper: the length limit of R1-Zero). Raises ValueError.
    """

    points: Points
    """Steps in ascending order, the first of them 0."""

    def __post_init__(self) -> None:
        if not all(_is_point(point) for point in self.points):
            raise ValueError(f"Points are pairs of a step and a number, as in {EXAMPLE}, not {self.points}.")
        steps = [step for step, _ in self.points]
        if steps[:1] != [0] or any(low >= high for low, high in pairwise(steps)):
            raise ValueError(f"Points begin at step 0, and their steps ascend; found steps {steps}.")
        object.__setattr__(self, "points", tuple((step, value) for step, value in self.points))

    def __call__(self, step: int) -> float | int:
        assert step >= 0
        return next(value for first, value in reversed(self.points) if first <= step)

    @property
    def bounds(self) -> tuple[float, float]:
        values = [value for _, value in self.points]
        return min(values), max(values)


@dataclass(frozen=True)
class Ramp(Schedule):
    """From ``start`` at step 0 to ``end`` at step ``steps``, and ``end`` from there on."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _require_number(self.start, "start")
        _require_number(self.end, "end")
        require_integer("The steps of a ramp", self.steps, 1)

    def __call__(self, step: int) -> float:
        share = self.share(min(1.0, step / self.steps))
        # both ends exactly
        return self.start * (1 - share) + self.end * share

    @property
    def bounds(self) -> tuple[float, float]:
        return min(self.start, self.end), max(self.start, self.end)

    @abstractmethod
    def share(self, time: float) -> float:
        """How much of the way is done when `time`, 0 to 1, of the steps has passed; 0 at 0 and 1 at 1."""


class Linear(Ramp):
    """A straight line from ``start`` at step 0 to ``end`` at step ``steps``, and ``end`` from there on."""

    def share(self, time: float) -> float:
        return time


class Cosine(Ramp):
    """Half a cosine from ``start`` at step 0 to ``end`` at step ``steps``, and ``end`` from there on."""

    def share(self, time: float) -> float:
        return (1 - math.cos(math.pi * time)) / 2


@dataclass(frozen=True)
class Warmup(Schedule):
    """Another schedule, multiplied in the first ``steps`` steps by 1/steps, 2/steps, ... 1.

    ``then`` sees the same step: warm-up does not delay it. Example: ``Warmup(4, 2.0)`` is 0.5, 1.0, 1.5, 2.0, 2.0, ...
    """

    steps: int
    then: Schedule | float | Points

    def __post_init__(self) -> None:
        require_integer("The steps of a warm-up", self.steps, 0)
        object.__setattr__(self, "then", as_schedule(self.then))

    def __call__(self, step: int) -> float | int:
        value = self.then(step)
        return value if step >= self.steps else value * (step + 1) / self.steps

    @property
    def bounds(self) -> tuple[float, float]:
        low, high = self.then.bounds
        return min(low, low / max(self.steps, 1)), max(high, high / max(self.steps, 1))


def as_schedule(value: Any) -> Schedule:
    """Return a number as Constant, pairs of steps and values as Piecewise, a Schedule as it is; else ValueError."""
    if isinstance(value, Schedule):
        return value
    if is_number(value):
        return Constant(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Piecewise(value)
    if isinstance(value, Mapping) and value and all(is_number(step) for step in value):
        pairs = [[step, number] for step, number in value.items()]
        raise ValueError(f"A schedule is written as pairs: {pairs}, not {dict(value)}.")
    raise ValueError(
        f"A schedule is a number, pairs of a step and a value such as {EXAMPLE}, or a Schedule (Linear, Cosine, "
        f"Warmup, ...), not {value!r}."
    )


def require(name: str, value: Any, low: float, *, above: bool = False) -> None:
    """ValueError unless a number, or every value of a schedule, is at least `low`, or greater than it where `above`.

    >>> require("coef", [[0, 0.0], [100, -1.0]], 0)
    Traceback (most recent call last):
    ValueError: coef must be >= 0, found -1.0
    """
    lowest = as_schedule(value).bounds[0]
    if lowest < low or (above and lowest == low):
        raise ValueError(f"{name} must be {'>' if above else '>='} {low}, found {lowest}")


def require_integer(name: str, value: Any, low: int) -> None:
    """ValueError unless a whole number of at least `low`.

    >>> require_integer("samples", 2.5, 1)
    Traceback (most recent call last):
    ValueError: samples must be an integer >= 1, found 2.5
    """
    if type(value) is not int or value < low:
        raise ValueError(f"{name} must be an integer >= {low}, found {value!r}")


def require_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """ValueError unless one of the choices.

    >>> require_choice("how", "maybe", ("auto", True, False))
    Traceback (most recent call last):
    ValueError: how must be auto, True or False, found 'maybe'
    """
    if value not in choices:
        *first, last = map(str, choices)
        raise ValueError(f"{name} must be {', '.join(first)} or {last}, found {value!r}")


def is_number(value: Any) -> bool:
    """Whether a finite number: what a YAML file may hold in its place is a word, true or .nan."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def shown(value: Any) -> str:
    """A number or schedule in as few characters as say it.

    >>> shown(1e-6), shown([[0, 32768], [8200, 65536]]), shown(Linear(1.0, 0.1, 50))
    ('1e-06', '[[0, 32768], [8200, 65536]]', 'Linear(1 to 0.1)')
    """
    if isinstance(value, Schedule):
        low_high = (
            f"{value.start:g} to {value.end:g}" if isinstance(value, Ramp) else "{:g} to {:g}".format(*value.bounds)
        )
        return f"{type(value).__name__}({low_high})"
    if isinstance(value, Sequence):
        return "[" + ", ".join(f"[{step}, {number:.10g}]" for step, number in value) + "]"
    return f"{value:.10g}"


def at_step(component: Any, step: int) -> Any:
    """Return the dataclass with every schedule in its fields, at any depth, replaced by its value at that step.

    Example: ``at_step(RolloutPlan(max_new_tokens=[[0, 32768], [8200, 65536]], ...), 9000).max_new_tokens`` is 65536.
    """
    changed = {}
    for item in dataclasses.fields(component):
        value = getattr(component, item.name)
        if isinstance(value, Schedule) or is_points(value):
            changed[item.name] = as_schedule(value)(step)
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            changed[item.name] = at_step(value, step)
    return dataclasses.replace(component, **changed) if changed else component


def is_points(value: Any) -> bool:
    """Whether pairs of steps and numbers that begin at step 0.

    >>> is_points([[0, 32], [50, 64]]), is_points([1, 2]), is_points([])
    (True, False, False)
    """
    listed = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    return listed and all(_is_point(point) for point in value) and value[0][0] == 0


def _is_point(point: Any) -> bool:
    paired = isinstance(point, Sequence) and not isinstance(point, str) and len(point) == 2
    return paired and type(point[0]) is int and is_number(point[1])


def _require_number(value: Any, what: str) -> None:
    if not is_number(value):
        raise ValueError(f"A schedule's values are finite numbers; {what} is {value!r}.")
