"""Sandboxes that run on this machine: nothing runs unless it is isolated, and isolation is proved by attacking it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from r1lab.errors import SandboxError
from r1lab.verifiers.custody import Warden
from r1lab.verifiers.isolation import choose_way
from r1lab.verifiers.program import Limits, Run

_wardens: dict[tuple[int, tuple[str, ...]], Warden] = {}
"""The warden of each process: one that was inherited through a fork belongs to the parent."""


@dataclass(frozen=True)
class LocalSandbox:
    """Runs Python programs in locked-up children of one warden process, about 2 ms each.

    A program has one process with at most 64 threads, Python's standard library, its input and its output; no
    network, no files but the library's, no environment. Works as root, whose rights the warden gives up, and as an
    ordinary user.

    Example: ``LocalSandbox(ways=("bubblewrap", "landlock"))("print(6 * 7)", "", limits).stdout == "42\\n"``
    """

    ways: Sequence[str]
    """Ways to isolate that are allowed, the first that proves itself is taken: bubblewrap, landlock."""

    def __post_init__(self):
        object.__setattr__(self, "ways", tuple(self.ways))

    def __call__(self, program: str, stdin: str, limits: Limits) -> Run:
        """Run a program. Errors: SandboxError when nothing here isolates, or what did has failed."""
        return self._warden().run(program, stdin, limits)

    @property
    def way(self) -> str:
        """The way that is used. Errors: SandboxError."""
        return choose_way(self.ways)[2]

    def close(self) -> None:
        """End this process's warden; a later call starts a new one."""
        if warden := _wardens.pop((os.getpid(), self.ways), None):
            warden.close()

    def _warden(self) -> Warden:
        key = os.getpid(), self.ways
        if key not in _wardens or not _wardens[key].alive:
            prefix, python, _ = choose_way(key[1])
            try:
                _wardens[key] = Warden(list(prefix), python)
            except SandboxError:
                choose_way.cache_clear()  # what held once does not any more: prove it again
                raise
        return _wardens[key]
