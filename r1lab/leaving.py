"""A run ends at its end: code of others that leaves before it, or never returns, ends it with a sentence and with 1.

`sys.exit` and `os._exit` are caught wherever Python calls them, in threads too. What ends the process without Python
(ctypes, `os.execv`) is not, and code that never gives back Python's lock has no deadline.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from r1lab.characters import shown
from r1lab.errors import LeftError, R1LabError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Whose answers stay as they are, whatever code of others puts in their place."""

exit_now = os._exit
"""Ends the process at once, in a run too."""


class OsExit(SystemExit):
    """`os._exit` in a run. Where nobody catches it, the process ends with 1, whatever the status was."""

    def __init__(self, status: Any):
        super().__init__(1)
        self.status = status

    def __str__(self) -> str:
        return f"os._exit({self.status}) was called"


@contextmanager
def guarded(late: float = 0.0) -> Iterator[None]:
    """A run is under way in the block. Raises LeftError: SystemExit came out of it.

    `late`: seconds by which deadlines of this process are longer, so that the first one of a run speaks.
    """
    os._exit = _guarded_exit
    _run.process, _run.under_way, _run.failed, _run.late = os.getpid(), True, False, late
    try:
        yield
    except SystemExit as error:
        _run.failed = True
        raise left("A part of the run", error) from error
    except BaseException:
        _run.failed = True
        raise
    finally:
        _run.under_way = False


@contextmanager
def inside(owner: str, module: str = "") -> Iterator[None]:
    """Code of others runs in the block, in this thread: `os._exit` raises OsExit there.

    What it has put in the place of the answers to Ctrl-C and SIGTERM goes, and a process that it forks never comes out.

    owner: whose code it is, for a sentence; module: where it is defined, so that its threads are known by it.
    """
    os._exit = _guarded_exit
    if module:
        _owners[module] = owner
    process, before = os.getpid(), getattr(_here, "process", None)
    in_main = threading.current_thread() is threading.main_thread()  # no other can change them
    answers = [(number, signal.getsignal(number)) for number in SIGNALS if in_main]
    _here.process, status = process, 1
    try:
        yield
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise
    finally:
        _here.process = before
        if os.getpid() != process:
            exit_now(status & 0xFF)
        for number, answer in answers:
            if answer is not None and signal.getsignal(number) is not answer:
                signal.signal(number, answer)


@contextmanager
def staying(owner: str, module: str = "") -> Iterator[None]:
    """The same, and what leaves is an error. Raises LeftError."""
    try:
        with inside(owner, module):
            yield
    except SystemExit as error:
        raise left(owner, error) from error


@contextmanager
def within(seconds: float, late: R1LabError, module: str) -> Iterator[None]:
    """The process ends with the error `late` and with 1 where the block takes longer; Ctrl-C works as ever.

    What is being done then is found by `module`, where the code is defined.
    """

    def end() -> None:
        frame, places = sys._current_frames().get(thread), []
        while frame is not None:
            places.append((frame.f_globals.get("__name__") == module, _place(frame)))
            frame = frame.f_back
        place = next((place for own, place in places if own), places[0][1] if places else "")
        _end(type(late)(late.wrong, f"{late.found}, {place}", late.remedy))

    thread = threading.get_ident()
    timer = threading.Timer(min(seconds + _run.late, threading.TIMEOUT_MAX), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def left(owner: str, error: SystemExit) -> LeftError:
    """What is said of code that leaves, and where it does."""
    frames = list(_frames(error.__traceback__))
    place = next((_place(frame) for frame in reversed(frames) if frame.f_code.co_filename != __file__), "")
    called = f"os._exit({error.status})" if isinstance(error, OsExit) else f"sys.exit({_code(error)})"
    return LeftError(f"{owner} calls {called}, which would end the run.", place, "Return, or raise an error, instead.")


class _Run:
    """What is under way in this process."""

    process = 0
    under_way = failed = False
    late = 0.0


_run = _Run()
_here = threading.local()
"""`process`: the process in which code of others runs in this thread."""
_owners: dict[str, str] = {}
"""Who called code of a module last."""


def _guarded_exit(status: int) -> None:
    process = os.getpid()
    if getattr(_here, "process", None) == process:
        raise OsExit(status)
    if _run.process != process:  # a child that was forked leaves as usual
        exit_now(status)
    if not _run.under_way:
        exit_now(status or int(_run.failed))
    if threading.current_thread() is threading.main_thread():
        raise OsExit(status)
    frame = caller = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") not in _owners:
        frame = frame.f_back
    owner = _owners[frame.f_globals["__name__"]] if frame is not None else "A part of the run"
    again = "Return from it instead. The same command goes on from the last checkpoint."
    _end(LeftError(f"{owner} calls os._exit({status}) in a thread of its own: the run ends.", _place(caller), again))


def _end(error: R1LabError) -> None:
    """Says it and ends the process; nothing is awaited."""
    print(shown(f"\n{type(error).__name__}: {error}"), file=sys.stderr, flush=True)
    sys.stdout.flush()
    exit_now(1)


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _place(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def _code(error: SystemExit) -> str:
    return "" if error.code is None else f"{error.code!r:.80}"
