"""Writing that goes on while the next step is computed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Aside:
    """One piece of work at a time, in a thread; an error of it is raised by whoever calls next.

    >>> written = []
    >>> aside = Aside()
    >>> aside.add(lambda: written.append(1))
    >>> aside.finish()
    >>> written
    [1]
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1, "aside")
        self._going: Future | None = None

    def add(self, work: Callable[[], None]) -> None:
        """Begins the work once what went on before is done."""
        self.finish()
        self._going = self._thread.submit(work)

    def finish(self) -> None:
        """Waits until nothing goes on."""
        going, self._going = self._going, None
        if going is not None:
            going.result()

    def close(self) -> None:
        """Lets what goes on come to its end, without a word of its errors: for a run that ends for another reason."""
        self._thread.shutdown()
