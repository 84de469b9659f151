"""Live progress in a terminal; plain lines, now and then, where the output goes to a file or a pipe."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from r1lab.characters import shown

if TYPE_CHECKING:
    from rich.live import Live
    from rich.progress import Progress as Bar

RL_COLUMNS = {
    "reward": "reward {:.2f}",
    "accuracy": "accuracy {:.0%}",
    "length": "length {:.0f}",
    "kl": "KL {:.4f}",
    "entropy": "entropy {:.2f}",
    "tokens_per_second": "{:,.0f} tokens/s",
}
"""What a reinforcement-learning run shows, each with its word and format."""

PRETRAIN_COLUMNS = {"loss": "loss {:.3f}", "tokens_per_second": "{:,.0f} tokens/s"}
"""What supervised training shows."""

REWARD_COLUMNS = {"loss": "loss {:.3f}", "accuracy": "right {:.0%}"}
"""What the training of a reward model shows."""


class Progress:
    """How far a run is: the step, its newest numbers, the time left; shows nothing by itself."""

    def __init__(self, total: int, title: str, columns: Mapping[str, str], first: int):
        self.total, self.title, self.columns, self.first = total, shown(title), columns, first
        self.step, self._values, self._started = first, {}, time.perf_counter()
        self._aside = ""

    def begin(self) -> None:
        """The first step starts now: what was done before it says nothing of the time left."""
        self._started = time.perf_counter()

    def aside(self, text: str) -> None:
        """Say what is done between two steps ("evaluating 40/200"); the next step takes it away."""
        self._aside = shown(text)
        self.show_aside()

    def update(self, step: int, **values: float | None) -> None:
        """Say that `step` steps are done, with the newest numbers; one not given (or None) keeps its last value."""
        self.step, self._aside = step, ""
        self._values |= {name: value for name, value in values.items() if value is not None}
        self.show()

    def show(self) -> None:
        """Bring the state to the reader; here to nobody."""

    def show_aside(self) -> None:
        """Bring an aside to the reader; a file or a pipe gets none."""

    @property
    def numbers(self) -> str:
        """The newest numbers in words, in the order of the columns, and the aside: "reward 1.20  accuracy 34%"."""
        words = [text.format(self._values[name]) for name, text in self.columns.items() if name in self._values]
        return "  ".join(filter(None, [*words, self._aside]))

    @property
    def seconds_left(self) -> float | None:
        """By the mean speed of this start; None before its first step."""
        done = self.step - self.first
        return (time.perf_counter() - self._started) * (self.total - self.step) / done if done > 0 else None


class LiveProgress(Progress):
    """A bar with a line of numbers under it, redrawn in place."""

    def __init__(self, total: int, title: str, columns: Mapping[str, str], first: int, live: "Live", bar: "Bar"):
        super().__init__(total, title, columns, first)
        self._live, self._bar = live, bar
        self._task = bar.add_task(self.title, total=total, completed=first, left="")
        self.show()

    def show(self) -> None:
        from rich.console import Group
        from rich.text import Text

        self._bar.update(self._task, completed=self.step, left=_left(self.seconds_left))
        self._live.update(Group(self._bar, Text("  " + self.numbers, style="cyan")), refresh=True)

    show_aside = show


class PlainProgress(Progress):
    """One line every `every` steps, and one for the last; never a control character."""

    def __init__(self, total: int, title: str, columns: Mapping[str, str], first: int, stream: TextIO, every: int):
        super().__init__(total, title, columns, first)
        self._stream, self._every = stream, every

    def show(self) -> None:
        if self.step % self._every == 0 or self.step == self.total:
            parts = (f"{self.title} {self.step}/{self.total}", self.numbers, _left(self.seconds_left))
            print("  ".join(filter(None, parts)), file=self._stream, flush=True)


@contextmanager
def track(
    total: int,
    title: str,
    columns: Mapping[str, str],
    first: int = 0,
    every: int | None = None,
    stream: TextIO | None = None,
    quiet: bool = False,
) -> Iterator[Progress]:
    """Show progress over `total` steps from `first` (where a resumed run goes on), live in a terminal, else in lines.

    `every` counts the steps between plain lines: a twentieth of the total unless given. `quiet` shows nothing: for
    the other processes of a run.

    Example::

        with track(100, "r1zero", RL_COLUMNS) as progress:
            progress.update(1, reward=1.2, accuracy=0.34)
    """
    stream = stream or sys.stdout
    if quiet:
        yield Progress(total, title, columns, first)
        return
    if not stream.isatty():
        yield PlainProgress(total, title, columns, first, stream, every or max(1, total // 20))
        return

    from rich.console import Console
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(file=stream)
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        console=console,
    )
    with Live(console=console, auto_refresh=True, refresh_per_second=2) as live:
        yield LiveProgress(total, title, columns, first, live, bar)


def _left(seconds: float | None) -> str:
    """Return the time left in words: "1:02:05 left"."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} left" if hours else f"{minutes}:{rest:02d} left"
