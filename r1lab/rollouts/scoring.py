"""Groups are scored while others are still being sampled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Empty, SimpleQueue

from r1lab.types import Rollout


class Scoring:
    """Calls ``score`` in one thread of its own; groups that wait for it are scored in one call.

    Verifiers' workers share the load of a call, so that few large calls are better than many small ones.
    """

    def __init__(self, score: Callable[[Sequence[Rollout]], list[Rollout]]):
        self._score = score
        self._waiting: SimpleQueue[tuple[int, list[Rollout]]] = SimpleQueue()
        self._scored: dict[int, tuple[Rollout, ...]] = {}
        self._calls: deque[Future[None]] = deque()
        self._thread = ThreadPoolExecutor(1, "scoring")

    def __enter__(self) -> Scoring:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, place: int, rollouts: list[Rollout]) -> None:
        """Hands over a group by its place; what an earlier one raised is raised here."""
        while self._calls and self._calls[0].done():
            self._calls.popleft().result()
        self._waiting.put((place, rollouts))
        self._calls.append(self._thread.submit(self._score_waiting))

    def results(self) -> dict[int, tuple[Rollout, ...]]:
        """The scored rollouts of every group, by place; waits for the last one."""
        for call in self._calls:
            call.result()
        return self._scored

    def _score_waiting(self) -> None:
        groups = []
        try:
            while True:
                groups.append(self._waiting.get_nowait())
        except Empty:
            pass
        if groups:
            scored = iter(self._score([rollout for _, rollouts in groups for rollout in rollouts]))
            for place, rollouts in groups:
                self._scored[place] = tuple(next(scored) for _ in rollouts)
