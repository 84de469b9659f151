"""Groups are scored while others are still being sampled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from r1lab.types import Rollout


class Scoring:
    """Calls ``score`` group by group, in one thread of its own: what meets in a call is never chance."""

    def __init__(self, score: Callable[[Sequence[Rollout]], list[Rollout]]):
        import torch

        self._score = score
        self._calls: dict[int, Future[list[Rollout]]] = {}
        # a new thread would take the first GPU for its own, on every rank
        of_this_rank = (torch.cuda.current_device(),) if torch.cuda.is_initialized() else None
        self._thread = ThreadPoolExecutor(
            1, "scoring", initializer=torch.cuda.set_device if of_this_rank else None, initargs=of_this_rank or ()
        )

    def __enter__(self) -> Scoring:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # a signal ends the run also while a reward is at work that never returns
        interrupted = kind is not None and not issubclass(kind, Exception)
        self._thread.shutdown(wait=not interrupted, cancel_futures=True)

    def add(self, place: int, rollouts: list[Rollout]) -> None:
        """Hands over a group by its place; what an earlier one raised is raised here."""
        for call in self._calls.values():
            if call.done():
                call.result()
        self._calls[place] = self._thread.submit(self._score, rollouts)

    def results(self) -> dict[int, tuple[Rollout, ...]]:
        """The scored rollouts of every group, by place; waits for the last one."""
        return {place: tuple(call.result()) for place, call in self._calls.items()}
