"""The child side of the pool: a nursery that imports once and forks workers that can be killed one by one.

The nursery is a process of its own, not a fork of the trainer: it holds no tensors, no threads and no locks, so a
fork of it is safe and takes milliseconds. It answers two requests on its control socket: FORK (with a socket for the
new worker) -> pid, and REAP pid -> wait status. It ends when the control socket closes or its parent dies, and its
workers with it: killed and reaped, so that not even a zombie is left.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

REQUEST = struct.Struct("=ci")
REPLY = struct.Struct("=i")
FORK, REAP = b"f", b"r"
READY, RETURNED, RAISED = "ready", "returned", "raised"
SPENT = "spent"
"""Returned, too, by a worker that should not get another call: half of its free memory is used up."""
_PR_SET_PDEATHSIG = 1
_ORPHAN_CHECK_MS = 1000


def main(control_fd: int, preload: tuple[str, ...], memory_bytes: int | None) -> None:
    """Serve FORK and REAP until the parent closes its end, however it ended."""
    # Ctrl-C and the signals of a batch system are the trainer's to handle; the whole process group receives them.
    for number in (signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for name in preload:
        _find(name)() if ":" in name else importlib.import_module(name)
    _silence()
    gc.freeze()  # a collection in a worker would touch, and so copy, the pages of all these modules
    nursery, parent, workers = os.getpid(), os.getppid(), set()
    control = socket.socket(fileno=control_fd)
    while _asked(control, parent):
        request, fds = _receive(control)
        if len(request) < REQUEST.size:
            break
        kind, pid = REQUEST.unpack(request)
        if kind == FORK:
            answer = os.fork()
            if answer == 0:
                control.close()
                _work(fds[0], nursery, memory_bytes)
            os.close(fds[0])
            workers.add(answer)
        else:
            answer = os.waitpid(pid, 0)[1]
            workers.discard(pid)
        control.sendall(REPLY.pack(answer))
    for pid in workers:
        os.kill(pid, signal.SIGKILL)  # unreaped, so the pid is still its own
        os.waitpid(pid, 0)
    os._exit(0)


def _asked(control: socket.socket, parent: int) -> bool:
    """Wait until there is something to read; False once the parent is dead.

    Its death closes the socket only where no child that it forked holds a copy.
    """
    poll = select.poll()
    poll.register(control, select.POLLIN)
    while not poll.poll(_ORPHAN_CHECK_MS):
        if os.getppid() != parent:
            return False
    return True


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    data, ancillary, *_ = control.recvmsg(REQUEST.size, socket.CMSG_LEN(array.array("i").itemsize))
    fds = array.array("i")
    for _, kind, payload in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(payload)
    return data, fds.tolist()


def _silence() -> None:
    """What verifiers print goes nowhere; a core file of a crash neither."""
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _work(fd: int, nursery: int, memory_bytes: int | None) -> None:
    """Answer calls on ``fd`` until it closes; never returns."""
    _die_with(nursery)
    memory = _Memory(_limit_memory(memory_bytes))
    connection = Connection(fd)
    connection.send((READY, None, 0.0))
    while True:
        try:
            function, args = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        except BaseException as error:
            connection.send((RAISED, f"call cannot be unpickled: {_describe(error)}", 0.0))
            continue
        kind, value, ms = _run(function, args)
        if memory.is_spent() and kind == RETURNED:
            kind = SPENT
        try:
            connection.send((kind, value, ms))
        except BaseException as error:
            connection.send((RAISED, f"result cannot be pickled: {_describe(error)}", ms))


def _run(function: str | Callable[..., Any], args: tuple[Any, ...]) -> tuple[str, Any, float]:
    start = time.perf_counter()
    try:
        call = _find(function) if isinstance(function, str) else function
        kind, value = RETURNED, call(*args)
    except BaseException as error:
        kind, value = RAISED, _describe(error)
    return kind, value, 1000 * (time.perf_counter() - start)


@cache
def _find(path: str) -> Callable[..., Any]:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _describe(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {str(error)[:300]}"
    except BaseException:
        return type(error).__name__


def _die_with(nursery: int) -> None:
    """A worker stuck in a computation never sees its pipe close: the kernel kills it when the nursery ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != nursery:
            os._exit(0)


def _limit_memory(memory_bytes: int | None) -> int | None:
    """Address space may grow by ``memory_bytes`` beyond what the imports hold already; the limit, None without one.

    The soft limit alone: the worker's code is ours, and a sandbox it starts gives its programs bounds of their own.
    """
    if memory_bytes is None or not os.path.exists("/proc/self/statm"):
        return None
    import resource

    limit = _address_space() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    return limit


def _address_space() -> int:
    """Bytes of address space that this process holds."""
    with open("/proc/self/statm", encoding="utf-8") as statm:
        return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


class _Memory:
    """Watches the address space between calls: caches, SymPy's above all, grow with every call of a worker."""

    def __init__(self, limit: int | None):
        self._limit = limit
        self._after_first: int | None = None

    def is_spent(self) -> bool:
        """Whether half of what the first call left free is used up; asked after every call.

        What the first call takes, every worker would take again: modules that it imports.
        """
        if self._limit is None:
            return False
        held = _address_space()
        if self._after_first is None:
            self._after_first = held
        return 2 * (held - self._after_first) > self._limit - self._after_first
