"""Run one function in a fork of this process that is locked up for good: it computes and returns plain data.

The fork may read Python's libraries and write to the pipe that takes its result: no other file, no network, no
process, no environment. What it does to its own memory ends with it, so no call can change the next one. It needs
Landlock; isolation.ATTACKS are tried on a fork before the first call.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import io
import json
import os
import select
import signal
import struct
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from r1lab.errors import SandboxError
from r1lab.verifiers import confine
from r1lab.verifiers.isolation import successful_attacks
from r1lab.verifiers.program import Ending, Limits
from r1lab.verifiers.warden import LIBRARIES

_PROOF = Limits(cpu_seconds=5.0, wall_seconds=10.0, memory_bytes=1 << 27, output_bytes=1 << 16)
_RESULT_FD = 3


class CallError(Exception):
    """The call raised, died or reached a limit; the text says which."""


def confined_call(function: Callable[[], Any], limits: Limits) -> Any:
    """What ``function()`` returns, as JSON carries it. Errors: CallError; SandboxError where nothing isolates.

    Example: ``confined_call(lambda: 6 * 7, limits) == 42``
    """
    _prove()
    return _call(function, limits)


@cache
def _prove() -> None:
    """Attack a fork once in each process. Errors: SandboxError, with the attacks that succeeded."""
    if confine.landlock_abi() < confine.MIN_LANDLOCK:
        raise SandboxError(
            "Scorers that are not ours cannot be run apart from this machine, so they are not run.",
            f"the kernel has Landlock {confine.landlock_abi()}, needed is {confine.MIN_LANDLOCK} (Linux 6.2)",
            "Use Linux 6.2 or newer with Landlock, or leave reasoning_gym out of the mix.",
        )
    try:
        found = successful_attacks(lambda program: _call(lambda: _printed(program), _PROOF), _PROOF.memory_bytes)
    except CallError as error:
        raise SandboxError("The self-test of a confined call did not come to its end.", str(error)) from error
    if found:
        raise SandboxError("A confined call does not hold against:", ", ".join(found))


def _printed(program: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(program, "attacks.py", "exec"), {"__name__": "attacks", "__builtins__": builtins})
    return printed.getvalue()


def _call(function: Callable[[], Any], limits: Limits) -> Any:
    reading, writing = os.pipe()
    sys.stdout.flush(), sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        try:
            _compute(function, writing, limits)
        finally:
            os._exit(1)
    os.close(writing)
    try:
        text, ending = _read(reading, limits)
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)  # unreaped, so the pid is still its own
        _, status, usage = os.wait4(pid, 0)
    if usage.ru_utime + usage.ru_stime > limits.cpu_seconds:
        ending = Ending.TIME
    if ending is not Ending.EXITED:
        raise CallError(str(ending))
    try:
        kind, content = json.loads(text)
    except (ValueError, TypeError) as error:
        raise CallError(f"it ended without a result (wait status {status})") from error
    if kind != "value":
        raise CallError(str(content)[:200])
    return content


def _read(fd: int, limits: Limits) -> tuple[bytes, Ending]:
    """What comes out of the pipe until its end, and the limit that was reached first."""
    poll, text, deadline = select.poll(), b"", time.monotonic() + limits.wall_seconds
    poll.register(fd, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(1000 * left):
            part = os.read(fd, 1 << 16)
            text += part
            if not part:
                return text, Ending.EXITED
            if len(text) > limits.output_bytes:
                return text, Ending.OUTPUT
    return text, Ending.TIME


def _compute(function: Callable[[], Any], result_fd: int, limits: Limits) -> None:
    """In the fork: lock up, compute, write the result, end."""
    _lock_up(result_fd, limits)
    try:
        outcome = ["value", function()]
        text = json.dumps(outcome)
    except BaseException as error:
        text = json.dumps(["error", f"{type(error).__name__}: {error}"[:200]])
    data = memoryview(text.encode())
    while data:
        data = data[os.write(_RESULT_FD, data) :]
    os._exit(0)


def _lock_up(result_fd: int, limits: Limits) -> None:
    """No streams but the result's, no environment, no capability, then all the locks of confine.py."""
    null = os.open(os.devnull, os.O_RDWR)
    result_fd = os.dup(result_fd)
    for target in (0, 1, 2):
        os.dup2(null, target)
    os.dup2(result_fd, _RESULT_FD)
    os.closerange(_RESULT_FD + 1, 1 << 20)
    os.environ.clear()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    confine.seal()
    _drop_capabilities()
    with open("/proc/self/statm", encoding="utf-8") as statm:
        held = int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    packages = [path for path in sys.path if os.path.basename(path) in ("site-packages", "dist-packages")]
    readable = [os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "lib"), *packages]
    ruleset = confine.landlock_ruleset([*readable, *LIBRARIES])
    code = confine.seccomp_filter(without=("clone",))
    confine.confine(ruleset, code, limits.cpu_seconds, held + limits.memory_bytes, 0)


def _drop_capabilities() -> None:
    """Root keeps its number, because it may own the libraries that are read, and nothing else of root."""
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, nothing) < 0:
        raise OSError(ctypes.get_errno(), "capset")
