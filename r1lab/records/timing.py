"""Seconds by named phase of the work, summed over kill and resume."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stopwatch:
    """Adds up wall-clock seconds by name; its `seconds` go into a checkpoint and back.

    >>> clock = Stopwatch({"sampling": 10.0})
    >>> with clock("scoring"):
    ...     pass
    >>> sorted(clock.seconds)
    ['sampling', 'scoring']
    """

    def __init__(self, seconds: Mapping[str, float] | None = None):
        self.seconds: dict[str, float] = dict(seconds or {})
        """Seconds by name; plain numbers, ready for JSON and for a checkpoint."""
        self._running: str | None = None

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Count the block's seconds under `name`, also where it raises; raises RuntimeError inside another block,
        because the same second would count twice."""
        if self._running is not None:
            raise RuntimeError(f"the clock of {name!r} was started inside that of {self._running!r}")
        self._running, started = name, time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
            self._running = None

    @property
    def total(self) -> float:
        """Seconds under all names."""
        return sum(self.seconds.values())

    def load(self, seconds: Mapping[str, float]) -> None:
        """Take over the seconds of a checkpoint in place of those counted so far."""
        self.seconds = dict(seconds)
