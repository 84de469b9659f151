"""What it is to run a program that nobody has read: limits in, what came out, and the protocol of a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


@dataclass(frozen=True)
class Limits:
    """What one run of a program may use.

    Example: ``Limits(cpu_seconds=1.0, wall_seconds=2.0, memory_bytes=2**28, output_bytes=2**20)``
    """

    cpu_seconds: float
    """Processor time of the whole program; the measure of its speed, because a busy machine does not change it."""
    wall_seconds: float
    """For programs that sleep or wait."""
    memory_bytes: int
    """Address space beyond that of an idle interpreter."""
    output_bytes: int
    """Of standard output, and as much of standard error."""


class Ending(StrEnum):
    """How a run ended."""

    EXITED = "exited"
    """By itself, with an exit code."""
    KILLED = "killed by a signal"
    TIME = "time limit exceeded"
    OUTPUT = "output limit exceeded"


@dataclass(frozen=True)
class Run:
    """What a program did, as far as can be seen from outside; all of it is the program's own word but the times."""

    ending: Ending
    exit_code: int | None
    """None unless the program ended by itself."""
    stdout: str
    stderr: str
    cpu_seconds: float | None
    """None where the sandbox does not tell."""
    wall_seconds: float

    @property
    def fault(self) -> str:
        """What went wrong, in a few words; "" after exit code 0.

        >>> Run(Ending.EXITED, 1, "", "Traceback ...\\nValueError: no\\n", 0.0, 0.0).fault
        'ValueError: no'
        """
        if self.ending is not Ending.EXITED:
            return str(self.ending)
        if self.exit_code == 0:
            return ""
        return _raised(self.stderr)[:200] or f"exit code {self.exit_code}"


def _raised(stderr: str) -> str:
    """The exception of the last traceback, or else the last line; warnings may stand behind it.

    >>> _raised("Traceback (most recent call last):\\n  File ...\\nValueError: no\\nx.py:1: UserWarning: b")
    'ValueError: no'
    """
    lines = stderr.strip().split("\n")
    start = max((place for place, line in enumerate(lines) if line.startswith("Traceback ")), default=None)
    if start is not None:
        return next((line for line in lines[start + 1 :] if line[:1].strip()), "")
    return next((line for line in reversed(lines) if "Warning: " not in line), lines[-1])


class Sandbox(Protocol):
    """Runs Python programs apart from the machine; a component is a frozen dataclass with this ``__call__``."""

    def __call__(self, program: str, stdin: str, limits: Limits) -> Run:
        """Run ``program`` with ``stdin``; whatever it does is in the Run.

        Errors: SandboxError when it cannot be run in isolation: it is then not run at all.
        """
        ...
