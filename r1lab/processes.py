"""The processes of a run on one machine: the first starts the others, which get ready while it checks.

A launcher that starts all of them itself (torchrun, Slurm) is recognised by what it leaves in the environment.
"""

from __future__ import annotations

import _thread
import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from r1lab import leaving, terminal
from r1lab.characters import shown
from r1lab.errors import R1LabError, Terminated, TrainingError

WAITS = "R1LAB_WAITS"
"""Set in processes that `together` started: they wait on their standard input for a line of the first one."""
LAUNCHERS = ("RANK", "LOCAL_RANK", "SLURM_NTASKS")
"""What those leave in the environment who start every process themselves."""
ALLOCATIONS = 100_000
"""Objects after which Python looks for circles of garbage; its own 700 cost a tenth of the time that imports take."""
ENDINGS = {KeyboardInterrupt: signal.SIGINT, Terminated: signal.SIGTERM}
"""What is raised for the signals that end a run."""
IMPORTS = "<frozen importlib._bootstrap>"
AGAIN_SECONDS = 0.05
"""After which a signal is sent again that came at a bad moment."""
PATIENCE_SECONDS = 5.0
"""How long a run may take to end for a signal before it is sent again."""
POLL_SECONDS = 1.0
"""How often it is looked whether the ranks of other machines are through."""
THROUGH = 96
"""What a process that `together` started ends with after its work; 0 is what code that leaves too early ends with."""
LATE_SECONDS = 2.0
"""By which a deadline of another process is longer than that of the first one, with which it ends."""
GRACE_SECONDS = 10.0
"""How long the first process may take to fail by itself after another one has died."""


def is_first() -> bool:
    """Whether this process speaks and writes for the run; known before there is a process group to ask."""
    return rank(local_size=1) == 0


def rank(local_size: int) -> int:
    """The number of this process among all of the run, of which `local_size` are on each machine."""
    if "RANK" in os.environ:
        return int(os.environ["RANK"])
    if int(os.environ.get("SLURM_NTASKS") or 1) > 1:
        return int(os.environ.get("SLURM_PROCID", "0"))
    return int(os.environ.get("NODE_RANK", "0")) * local_size + int(os.environ.get("LOCAL_RANK", "0"))


def num_launched() -> int:
    """Processes that a launcher (torchrun, srun) has started of this command; 1 where there was none."""
    return int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1)


def startable(size: int) -> int:
    """How many processes `together` would have of `size`: 1 where they have been started already."""
    started = WAITS in os.environ or any(name in os.environ for name in LAUNCHERS)
    return 1 if started else size


def wait_for(missing: Callable[[], int], what: str, say: Callable[[str], None]) -> None:
    """Until the ranks of other machines, which share the run folder, are through as well."""
    if left := missing():
        say(f"Waiting for {left} {what} of other machines")
    while missing():
        time.sleep(POLL_SECONDS)


def look_for_garbage_seldom() -> None:
    """To be called before the imports, which make a million objects that all stay."""
    gc.set_threshold(ALLOCATIONS)


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C and SIGTERM, whenever they come, end the process with a sentence, and with 130 and 143."""
    for number in ENDINGS.values():
        signal.signal(number, _end)
    sys.unraisablehook = _unraisable
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS.values())
        yield
    except BaseException as error:
        number = _asked_by(error)
        if number is None:
            raise
        for each in ENDINGS.values():
            signal.signal(each, signal.SIG_IGN)  # it ends already
        threading.Thread(target=_end_in_time, args=(128 + number,), daemon=True).start()
        if is_first():
            print("\nStopped. The same command goes on from the last checkpoint.", file=sys.stderr, flush=True)
        sys.exit(128 + number)


def _end(number: int, frame: Any) -> None:
    while frame is not None:
        if frame.f_code.co_filename == IMPORTS:  # modules written in C forget what is raised while they are imported
            _send_again(number, AGAIN_SECONDS)
            return
        frame = frame.f_back
    _ending.set()
    _send_again(number, PATIENCE_SECONDS)  # some code forgets every error; at the end of a run it is ignored
    raise next(kind for kind, each in ENDINGS.items() if each == number)


def _end_in_time(status: int) -> None:
    """Python waits at its end for threads, of which one may never return."""
    time.sleep(PATIENCE_SECONDS)
    leaving.exit_now(status)


def _asked_by(error: BaseException | None) -> int | None:
    """The signal for which an error has come, which may be one of what was being ended; None where none did."""
    while error is not None and type(error) not in ENDINGS:
        error = error.__cause__ or error.__context__
    return ENDINGS.get(type(error))


def _unraisable(forgotten: Any) -> None:
    """A signal that came while Python ran a finalizer or a callback would be forgotten: it is sent once more."""
    number = ENDINGS.get(forgotten.exc_type)
    if number is None:
        sys.__unraisablehook__(forgotten)
    else:
        _send_again(number, AGAIN_SECONDS)


def _send_again(number: int, seconds: float) -> None:
    def send() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), number)

    _thread.start_new_thread(send, ())  # threading's own lock may be held by what the signal came into


@contextmanager
def together(work: Callable[[], None], size: int, imports: Sequence[str]) -> Iterator[Callable[[], None]]:
    """Has `size` processes of a run on this machine within the block; none are started where a launcher did it.

    The others are sent `work` (pickled), import `imports`, and call it, by which they enter the same block. What it is
    given is a meeting: the first process passes it and lets the others pass, who wait there. An error that comes to
    them before waits there too, for the first one will have it as well, and say it. They end with the first one,
    whatever ends it. When another one dies, so does the first, for it would wait for that one forever.
    """
    if WAITS in os.environ:
        try:
            yield _meet_first
        except BaseException:
            _meet_first()
            raise
        return
    if startable(size) == 1:
        yield lambda: None
        return
    before = dict(os.environ)
    # Lightning starts no processes where it finds a local rank
    os.environ["LOCAL_RANK"] = "0"
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", str(_free_port()))
    others = _Others(work, size, imports)
    try:
        yield others.meet
        others.join()
    finally:
        others.end()
        os.environ.clear()
        os.environ.update(before)


class _Others:
    """Every process of this machine but the first, and a thread that watches them."""

    def __init__(self, work: Callable[[], None], size: int, imports: Sequence[str]):
        self._ended = threading.Event()
        # a session of their own: Ctrl-C is the first one's to answer, and it takes them along
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "r1lab.processes", *imports], stdin=subprocess.PIPE, start_new_session=True,
                env=os.environ | {"LOCAL_RANK": str(rank), WAITS: "1"},
            )
            for rank in range(1, size)
        ]  # fmt: skip
        for process in self._processes:
            with suppress(BrokenPipeError):  # it died: the watching thread says so
                pickle.dump(work, process.stdin)
                process.stdin.flush()
        threading.Thread(target=self._watch, daemon=True).start()

    def meet(self) -> None:
        """Lets them pass."""
        for process in self._processes:
            with suppress(BrokenPipeError):
                process.stdin.write(b"go\n")
                process.stdin.flush()

    def join(self) -> None:
        """Waits until all are through; one that still waits is through when its input ends. Raises TrainingError."""
        self._ended.set()
        for number, process in enumerate(self._processes, start=1):
            process.communicate()
            if process.returncode != THROUGH:
                raise TrainingError(
                    "A process of the run has failed.",
                    f"rank {number} of this machine ended with {process.returncode}; its error stands above",
                    "Mend what it says. The same command goes on from where the run stands.",
                )

    def end(self) -> None:
        self._ended.set()
        for process in self._processes:
            process.kill()
            process.communicate()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            for rank, process in enumerate(self._processes, start=1):
                if process.poll() not in (None, THROUGH) and not _ending.is_set():
                    told = f"Rank {rank} of this machine ended with {process.returncode}: the run cannot go on."
                    print(f"\n{told} The same command goes on from the last checkpoint.", file=sys.stderr, flush=True)
                    if not self._ended.wait(GRACE_SECONDS):
                        for other in self._processes:
                            other.kill()
                        leaving.exit_now(1)


def main() -> None:
    """Another process of a run: gets ready, does the work it is sent, and ends with the one that started it."""
    terminal.prepare()
    look_for_garbage_seldom()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    work = pickle.load(sys.stdin.buffer)
    for name in sys.argv[1:]:
        import_module(name)
    with stoppable():
        try:
            with leaving.guarded(late=LATE_SECONDS):
                work()
        except R1LabError as error:
            sys.exit(shown(f"\n{type(error).__name__}: {error}"))
    sys.exit(THROUGH)


def _meet_first() -> None:
    """Waits until the first process lets this one pass."""
    global _met
    if not _met and not sys.stdin.buffer.readline():
        leaving.exit_now(THROUGH)
    _met = True


_ending = threading.Event()
"""Whether a signal has come to end this process: that others fail meanwhile is no news."""
_met = False
"""Whether this process has met the first one: it need not do so again."""


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    leaving.exit_now(1)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


if __name__ == "__main__":
    main()
