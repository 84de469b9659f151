"""The trusted side of a warden: starts it, hands it programs, bounds their time and output, always reaps them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from r1lab.errors import SandboxError
from r1lab.verifiers.program import Ending, Limits, Run
from r1lab.verifiers.warden import FORK, FORKED, READY, REAP, REAPED, REQUEST

_START_SECONDS = 20.0
"""What a warden may take to start, and a child to lock itself up, on a busy machine."""
_CHUNK = 1 << 16
_STDERR_KEPT = 4096
_NOBODY = 65534
_OWN_USERS = 1_000_000_000
"""Users above this number are nobody's: each process that starts wardens has one of its own."""

_BOOT = """
import sys, types
for name, text in {modules!a}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
module.main({fd})
"""


class Warden:
    """A running warden; one program at a time, more wait. It ends with ``close`` or with this process."""

    def __init__(self, prefix: list[str], python: str):
        """``prefix``: a command that the interpreter is started by. Errors: SandboxError when it does not start."""
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        self._control.settimeout(_START_SECONDS)
        command = [*prefix, python, "-s", "-S", "-B", "-X", "utf8", "-c", _boot(theirs.fileno())]
        try:
            with theirs:
                self._process = _start(command, theirs.fileno())
            with self._process.stderr as complaints:
                hello = json.loads(self._control.recv(4096) or json.dumps({"fault": _last_line(complaints.read())}))
        except (OSError, ValueError) as error:
            self._control.close()
            raise _not_started(python, f"{type(error).__name__}: {error}") from error
        if "fault" in hello:
            self.close()
            raise _not_started(python, hello["fault"])
        self.landlock: int = hello["landlock"]
        """Version of Landlock its children are locked up with."""

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, program: str, stdin: str, limits: Limits) -> Run:
        """Run a program. Errors: SandboxError when it could not be locked up, or the warden died."""
        with self._lock, contextlib.ExitStack() as ends:
            try:
                return self._run(program.encode("utf-8", "replace"), stdin.encode("utf-8", "replace"), limits, ends)
            except (OSError, EOFError) as error:
                self.close()
                raise SandboxError(
                    "The sandbox failed while it ran a program; the program's doing does not count.",
                    f"{type(error).__name__}: {error}",
                    "Run it again; if it happens often, the machine is short of memory or processes.",
                ) from error

    def close(self) -> None:
        """End the warden and its child."""
        self._control.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
            return
        self._process.kill()
        self._process.wait()

    def _run(self, program: bytes, stdin: bytes, limits: Limits, ends: contextlib.ExitStack) -> Run:
        channel, their_channel = socket.socketpair()
        ends.enter_context(channel)
        (their_in, our_in), (our_out, their_out), (our_err, their_err) = (os.pipe() for _ in range(3))
        streams = _Streams(our_in, our_out, our_err, stdin, limits.output_bytes)
        ends.callback(streams.close)
        theirs = [their_channel.detach(), their_in, their_out, their_err]
        request = REQUEST.pack(FORK, 0, limits.cpu_seconds, limits.memory_bytes)
        try:
            socket.send_fds(self._control, [request], theirs)
        finally:
            for fd in theirs:
                os.close(fd)
        pid = FORKED.unpack(self._receive(FORKED.size))[0]
        start = time.monotonic()
        try:
            _hand_over(channel, program)
            start = time.monotonic()
            ending = streams.pump(start + limits.wall_seconds)
        finally:
            seconds = time.monotonic() - start
            self._control.sendall(REQUEST.pack(REAP, pid, 0.0, 0))
            status, cpu_seconds = REAPED.unpack(self._receive(REAPED.size))
        ending = _ending(ending, status, cpu_seconds / limits.cpu_seconds)
        code = os.WEXITSTATUS(status) if ending is Ending.EXITED else None
        out, err = (text.decode("utf-8", "replace") for text in (streams.out, streams.err[-_STDERR_KEPT:]))
        return Run(ending, code, out, err, cpu_seconds, seconds)

    def _receive(self, size: int) -> bytes:
        reply = self._control.recv(size, socket.MSG_WAITALL)
        if len(reply) < size:
            raise EOFError("the warden ended")
        return reply


class _Streams:
    """The pipes of one child: feeds its input, keeps its output, never more than allowed."""

    def __init__(self, stdin_fd: int, stdout_fd: int, stderr_fd: int, stdin: bytes, output_bytes: int):
        self._stdin_fd, self._stdout_fd, self._open = stdin_fd, stdout_fd, {stdin_fd, stdout_fd, stderr_fd}
        self._left, self._limit = memoryview(stdin), output_bytes
        self.out, self.err = bytearray(), bytearray()
        for fd in self._open:
            os.set_blocking(fd, False)
        self._feed()

    def pump(self, deadline: float) -> Ending | None:
        """Move data until the child has closed its output; the limit that was exceeded, or None."""
        poll = select.poll()
        for fd in self._open:
            poll.register(fd, select.POLLOUT if fd == self._stdin_fd else select.POLLIN)
        while self._open - {self._stdin_fd}:
            left = deadline - time.monotonic()
            if left <= 0:
                return Ending.TIME
            for fd, _ in poll.poll(1000 * left):
                self._feed() if fd == self._stdin_fd else self._read(fd)
                if fd not in self._open:
                    poll.unregister(fd)
            if max(len(self.out), len(self.err)) > self._limit:
                return Ending.OUTPUT
        return None

    def close(self) -> None:
        for fd in list(self._open):
            self._shut(fd)

    def _feed(self) -> None:
        """Write what the pipe takes; a child that has ended or does not listen takes nothing, which is its affair."""
        try:
            while self._left:
                self._left = self._left[os.write(self._stdin_fd, self._left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:
            pass
        self._shut(self._stdin_fd)

    def _read(self, fd: int) -> None:
        try:
            data = os.read(fd, _CHUNK)
        except BlockingIOError:  # the child may open its output for reading, too, and take back what it has written
            return
        (self.out if fd == self._stdout_fd else self.err).extend(data)
        if not data:
            self._shut(fd)

    def _shut(self, fd: int) -> None:
        self._open.discard(fd)
        os.close(fd)


def _ending(exceeded: Ending | None, status: int, cpu_share: float) -> Ending:
    """How a run ended; ``cpu_share``: processor seconds used, of those allowed."""
    killed = os.WIFSIGNALED(status)
    # the kernel kills at a whole second by a coarser clock than the one that is read afterwards, on a busy machine a
    # much coarser one; a program has no other way to be killed by this signal than memory that the machine lacks
    if cpu_share > 1 or (exceeded is None and killed and os.WTERMSIG(status) == signal.SIGKILL and cpu_share > 0.5):
        return Ending.TIME
    return exceeded or (Ending.KILLED if killed else Ending.EXITED)


def _hand_over(channel: socket.socket, program: bytes) -> None:
    """Give the program to a child that has said it is locked up. Errors: EOFError, OSError."""
    channel.settimeout(_START_SECONDS)
    answer = channel.recv(1000)
    if answer != READY:
        raise EOFError(f"a child could not be locked up: {answer.decode(errors='replace') or 'it died'}")
    with contextlib.suppress(ConnectionError):  # it may run out of memory while it reads, which is its affair
        channel.sendall(program)
    with contextlib.suppress(OSError):
        channel.shutdown(socket.SHUT_WR)


def _boot(fd: int) -> str:
    """The warden's program: texts, not files, because its user may not read the project."""
    folder = Path(__file__).parent
    names = ("confine", "warden")
    modules = [(f"r1lab.verifiers.{name}", (folder / f"{name}.py").read_text(encoding="utf-8")) for name in names]
    return _BOOT.format(modules=modules, fd=fd)


def _start(command: list[str], fd: int) -> subprocess.Popen:
    """The process, with rights of nobody where this one has those of root."""
    users = [_OWN_USERS + os.getpid(), _NOBODY] if os.geteuid() == 0 else [None]
    for user in users:
        try:
            return subprocess.Popen(
                command,
                env={"PYTHONHASHSEED": "0"},  # the order of sets is the same in every replay
                cwd="/",
                pass_fds=[fd],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                **({} if user is None else {"user": user, "group": user, "extra_groups": []}),
            )
        except (OSError, subprocess.SubprocessError) as error:
            fault = error  # a container may know the first 65,536 users only
    raise OSError(f"{command[0]}: {fault}")


def _last_line(complaints: bytes) -> str:
    return complaints.decode(errors="replace").strip().rpartition("\n")[2][:300] or "it ended at once"


def _not_started(python: str, found: str) -> SandboxError:
    return SandboxError(f"The sandbox's interpreter {python} does not start.", found, "Install python3 for all users.")
