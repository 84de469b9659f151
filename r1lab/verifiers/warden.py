"""The process that forks a fresh, locked-up child for every program: an interpreter started once, forked in 1 ms.

It is started by ``custody.Warden`` without rights, environment or files, answers two requests on its control socket -
FORK (with four file descriptors) -> pid, REAP pid -> wait status and times - and ends when that socket closes, and
its child with it. It never sees a program: the child alone reads it, from its own socket, after it has locked itself
up. So one program cannot find another's text, or anything else, in the memory it inherits.

The text of this file is sent to an interpreter that may not be able to read the project: it imports confine alone.
"""

import array
import atexit
import builtins
import gc
import json
import os
import random
import resource
import signal
import site
import socket
import struct
import sys
import threading
import time
import traceback
import types

from r1lab.verifiers.confine import MIN_LANDLOCK, confine, landlock_abi, landlock_ruleset, seal, seccomp_filter

REQUEST = struct.Struct("=cidq")
"""Kind, pid (REAP), processor seconds and bytes of memory (FORK)."""
FORKED = struct.Struct("=i")
REAPED = struct.Struct("=id")
"""Wait status, processor seconds."""
FORK, REAP = b"f", b"r"
READY = b"R"
NUM_THREADS = 64
"""Tasks a program may have."""
_RECOUNT_SECONDS = 1.0
# what most programs import, loaded once here instead of once in each child
_PRELOADED = (
    "bisect collections copy dataclasses datetime decimal fractions functools hashlib heapq io itertools json math "
    "operator queue re statistics string threading typing"
)
LIBRARIES = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/dev/urandom"]
"""What a program may read beside Python's standard library."""


def main(control_fd: int) -> None:
    """Serve requests; in a child, run its program. Never returns once it has said that it is ready."""
    sys.path[:] = [path for path in sys.path if path]
    control = socket.socket(fileno=control_fd)
    try:
        ruleset, code = _prepare()
        with open("/proc/self/statm", encoding="utf-8") as statm:
            held = int(statm.read().split()[0]) * resource.getpagesize()
    except Exception as error:
        control.sendall(json.dumps({"fault": f"{type(error).__name__}: {error}"}).encode())
        return
    control.sendall(json.dumps({"landlock": landlock_abi()}).encode())
    program = _serve(control, ruleset, code, held)
    _run(program)


def _prepare():
    """The ruleset and the filter of all children; the modules they will want."""
    for name in _PRELOADED.split():
        __import__(name)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_DFL)
    site.setquit()  # exit and quit, which -S leaves out
    socket.socketpair = _Pipe.pair
    seal()
    code = seccomp_filter()
    has_landlock = landlock_abi() >= MIN_LANDLOCK
    readable = [os.path.dirname(os.__file__), os.path.join(sys.base_prefix, "lib"), *LIBRARIES]
    ruleset = landlock_ruleset(readable) if has_landlock else None
    os.environ.clear()
    gc.collect()
    gc.freeze()
    return ruleset, code


class _Pipe:
    """One end of a pair of pipes in the place of ``socket.socketpair``: asyncio wakes itself by one."""

    def __init__(self, reading, writing):
        self._reading, self._writing = reading, writing

    @classmethod
    def pair(cls, *_):
        (a, b), (c, d) = os.pipe(), os.pipe()
        return cls(a, d), cls(c, b)

    def fileno(self):
        return self._reading

    def setblocking(self, flag):
        os.set_blocking(self._reading, flag)
        os.set_blocking(self._writing, flag)

    def recv(self, size):
        return os.read(self._reading, size)

    def send(self, data):
        return os.write(self._writing, data)

    def close(self):
        for fd in {self._reading, self._writing} - {-1}:
            os.close(fd)
        self._reading = self._writing = -1


def _serve(control, ruleset, code, held):
    """Answer requests until the control socket closes, then end; in a child, return the program's text."""
    child, tasks, counted = 0, 0, -_RECOUNT_SECONDS
    while True:
        request, fds = _receive(control)
        if len(request) < REQUEST.size:
            if child:
                os.kill(child, signal.SIGKILL)
            os._exit(0)
        kind, pid, cpu_seconds, memory_bytes = REQUEST.unpack(request)
        if kind == REAP:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the pid is still its own; the dead do not mind
            _, status, usage = os.wait4(pid, 0)
            child = 0
            control.sendall(REAPED.pack(status, usage.ru_utime + usage.ru_stime))
            continue
        if time.monotonic() > counted + _RECOUNT_SECONDS:
            tasks, counted = _count_tasks(), time.monotonic()
        warden = os.getpid()
        child = os.fork()
        if child == 0:
            control.close()
            return _lock_up(fds, warden, ruleset, code, cpu_seconds, held + memory_bytes, tasks + NUM_THREADS)
        for fd in fds:
            os.close(fd)
        control.sendall(FORKED.pack(child))


def _receive(control):
    data, ancillary, *_ = control.recvmsg(REQUEST.size, socket.CMSG_LEN(4 * 4))
    fds = array.array("i")
    for _, kind, payload in ancillary:
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(payload)
    return data, fds.tolist()


def _count_tasks() -> int:
    """Threads of this user on the machine: the kernel's bound is for all of them together."""
    count = 0
    for entry in os.scandir("/proc") if os.path.isdir("/proc") else ():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:
            continue  # it has ended
    return count


def _lock_up(fds, warden, ruleset, code, cpu_seconds, memory_bytes, num_tasks):
    """In the child: streams in place, everything else closed, locked up; only then the program is read."""
    channel, *streams = fds
    for target, fd in enumerate(streams):
        os.dup2(fd, target)
    try:
        confine(ruleset, code, cpu_seconds, memory_bytes, num_tasks)
        if os.getppid() != warden:
            os._exit(1)
        os.closerange(3, channel)
        os.closerange(channel + 1, 64)
        os.write(channel, READY)
    except Exception as error:
        os.write(channel, f"{type(error).__name__}: {error}".encode())
        os._exit(1)
    parts = []
    while part := os.read(channel, 1 << 20):
        parts.append(part)
    os.close(channel)
    return b"".join(parts)


def _run(program: bytes) -> None:
    """Run the program as ``__main__``, then end as an interpreter does, but for tearing down what it has loaded.

    The full teardown would write to every page that is shared with the warden, which takes five times as long as all
    the rest.
    """
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__builtins__ = builtins
    sys.argv[:] = ["program.py"]
    random.seed(0)  # a program that draws numbers without a seed draws the same ones in every replay
    code = 1
    try:
        exec(compile(program, "program.py", "exec"), module.__dict__)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code & 0xFF)
