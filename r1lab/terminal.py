"""Standard output and error of every process of a run: losing them stops nothing, and nothing steers them.

A terminal that is closed, a pipe whose reader has left, a full disk behind ``> file``: the run goes on, for its record
is in the run folder. Characters that the terminal's encoding lacks are written as escapes (``\\xe9``).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import Any, TextIO

from r1lab.characters import shown
from r1lab.errors import StorageError


class Lasting:
    """A text stream that swallows what is written once it cannot be written any more."""

    def __init__(self, stream: TextIO, name: str):
        self._stream, self._name = stream, name
        self.lost: Exception | None = None
        """Why nothing is written any more."""

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _try(self, call: Any, *arguments: Any) -> None:
        if self.lost is not None:
            return
        try:
            call(*arguments)
        except (OSError, ValueError) as error:  # ValueError: somebody has closed it
            self.lost = error
            self._drain()
            if not isinstance(error, BrokenPipeError):
                print(f"{self._name} cannot be written any more: {error}", file=sys.stderr)

    def _drain(self) -> None:
        """What is still buffered goes nowhere, or Python would fail on it at its end."""
        with suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._stream.fileno())
            os.close(null)
            self._stream.flush()


class Formatter(logging.Formatter):
    """Log lines in which nothing steers the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return shown(super().format(record))


def tell(text: str) -> None:
    """Shows what a command is for. Raises StorageError where it cannot be shown; a reader that has left is no error."""
    print(shown(text), flush=True)
    lost = getattr(sys.stdout, "lost", None)
    if lost is not None and not isinstance(lost, BrokenPipeError):
        raise StorageError("What was asked for cannot be shown.", str(lost), "Give another standard output.")


def prepare() -> None:
    """To be called at the door of a process, before it opens files; twice does no harm."""
    for descriptor in range(3):
        _fill(descriptor)
    for name, told in (("stdout", "Standard output"), ("stderr", "Standard error")):
        stream = getattr(sys, name)
        if isinstance(stream, Lasting):
            continue
        if stream is None:  # it was closed when Python started
            stream = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, Lasting(stream, told))
    sys.excepthook = _excepthook
    threading.excepthook = lambda thrown: _excepthook(thrown.exc_type, thrown.exc_value, thrown.exc_traceback)


def _fill(descriptor: int) -> None:
    """A closed descriptor names nothing from now on, or the next file that is opened would take the prints."""
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        os.set_inheritable(descriptor, True)


def _excepthook(kind: type[BaseException], error: BaseException | None, trace: Any) -> None:
    if not issubclass(kind, SystemExit):
        sys.stderr.write(shown("".join(traceback.format_exception(kind, error, trace))))
