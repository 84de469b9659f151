"""Verifiers run in worker processes that are killed at a deadline: a hang costs the deadline and nothing else.

One thread of the parent drives one worker: it sends a call, waits for the answer until the deadline, and otherwise
kills the worker, says so in the ``Outcome``, and forks the next one. ``submit`` therefore returns at once and work
goes on while the parent samples. A worker that has used up half of its memory is replaced; a call that ends a used
worker, or its memory, gets one second try in a new worker.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from r1lab.errors import VerifierError
from r1lab.types import Status
from r1lab.verifiers.worker import FORK, RAISED, READY, REAP, REPLY, REQUEST, SPENT


@dataclass(frozen=True)
class Call:
    """A function, by path "module:name" or picklable itself, and its arguments.

    Example: ``Call("math:sqrt", (2.0,))``
    """

    function: str | Callable[..., Any]
    args: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of a call: its value where ``status`` is OK, otherwise the reason.

    Example: ``Outcome(None, Status.TIMEOUT, "verifier exceeded 5 s", ms=5001.2)``
    """

    value: Any
    status: Status
    reason: str
    ms: float
    """Milliseconds the call took in the worker; wall time up to the kill where it was killed."""


class VerifierPool:
    """Worker processes with a deadline per call, counted from the start of the work, and a memory bound each.

    >>> with VerifierPool(num_workers=1, timeout_seconds=5, memory_bytes=None) as pool:
    ...     pool.score([Call("math:sqrt", (4.0,))])[0].value
    2.0
    """

    def __init__(self, num_workers: int, timeout_seconds: float, memory_bytes: int | None, preload: Iterable[str] = ()):
        """``preload``: "module" to import or "module:function" to call once, before workers fork in the background."""
        if num_workers < 1 or timeout_seconds <= 0:
            raise VerifierError(
                "A verifier pool needs at least one worker and a positive deadline.",
                f"num_workers={num_workers}, timeout_seconds={timeout_seconds}",
                "Try num_workers=2 timeout_seconds=5.",
            )
        self.timeout_seconds = timeout_seconds
        self._calls: queue.SimpleQueue[tuple[Call, Future] | None] = queue.SimpleQueue()
        self._nursery = _Nursery(tuple(preload), memory_bytes)
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._drive, daemon=True) for _ in range(num_workers)]
        for thread in self._threads:
            thread.start()
        atexit.register(self.close)

    def submit(self, call: Call) -> Future[Outcome]:
        """Queue ``call``; ``.result()`` waits for its outcome. VerifierError there if workers cannot start at all."""
        if self._closing.is_set():
            raise VerifierError("The verifier pool is closed.", repr(call)[:200], "Make a new pool.")
        future: Future[Outcome] = Future()
        self._calls.put((call, future))
        return future

    def score(self, calls: Iterable[Call]) -> list[Outcome]:
        """Outcomes of ``calls``, in their order."""
        futures = [self.submit(call) for call in calls]
        return [future.result() for future in futures]

    def close(self) -> None:
        """End all workers now; calls not yet finished become CRASH."""
        if self._closing.is_set():
            return
        self._closing.set()
        atexit.unregister(self.close)
        for _ in self._threads:
            self._calls.put(None)
        self._nursery.close()
        for thread in self._threads:
            thread.join()
        with contextlib.suppress(queue.Empty):
            while True:
                self._settle(self._calls.get_nowait())

    def __enter__(self) -> VerifierPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drive(self) -> None:
        """Life of one thread: take a call, have its worker do it, until a None comes."""
        worker = None
        with contextlib.suppress(VerifierError):  # whoever asks first will be told, with the call in hand
            worker = self._nursery.fork()
        while (item := self._calls.get()) is not None and not self._closing.is_set():
            call, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                worker, outcome = self._run(worker, call)
                future.set_result(outcome)
            except Exception as error:  # nothing may kill this thread: a waiting .result() would wait for ever
                worker = None
                future.set_exception(error)
        self._settle(item)
        if worker:
            worker.connection.close()

    def _run(self, worker: _Worker | None, call: Call) -> tuple[_Worker | None, Outcome]:
        """Answer ``call``, in a second worker where a used one died of it: earlier calls may have filled its memory.

        A new worker with the same limits tells: what ends it, too, is a bomb. A timeout is not tried again: time, other
        than memory, is counted for each call alone, and a second try of every hang would double its cost.
        """
        worker, outcome, again = self._try(worker or self._nursery.fork(), call)
        if again:
            worker, outcome, _ = self._try(worker or self._nursery.fork(), call)
        return worker, outcome

    def _try(self, worker: _Worker, call: Call) -> tuple[_Worker | None, Outcome, bool]:
        """The worker for the next call, the outcome, and whether the call deserves a second try."""
        try:
            worker.connection.send((call.function, call.args))
        except OSError:
            # It died while idle (the kernel was short of memory, say): this call has no part in that.
            worker.end()
            worker = self._nursery.fork()
            worker.connection.send((call.function, call.args))
        except Exception as error:
            reason = f"call cannot be pickled: {type(error).__name__}: {error}"
            return worker, Outcome(None, Status.CRASH, reason, 0.0), False
        worker.calls += 1
        used, start = worker.calls > 1, time.perf_counter()
        try:
            if not worker.connection.poll(self.timeout_seconds):
                worker.end()
                reason = f"verifier exceeded {self.timeout_seconds:g} s"
                return self._successor(), Outcome(None, Status.TIMEOUT, reason, _ms_since(start)), False
            kind, value, ms = worker.connection.recv()
        except (EOFError, OSError):
            closed = self._closing.is_set()
            cause = "pool closed" if closed else _cause(worker.end())
            return self._successor(), Outcome(None, Status.CRASH, cause, _ms_since(start)), used and not closed
        except Exception as error:
            worker.end()
            reason = f"result cannot be unpickled: {type(error).__name__}: {error}"
            return self._successor(), Outcome(None, Status.CRASH, reason, _ms_since(start)), False
        # "MemoryError: ..." or "call cannot be unpickled: MemoryError: ..."
        out_of_memory = kind == RAISED and MemoryError.__name__ in value.split(": ")[:2]
        if out_of_memory or kind == SPENT:
            # Memory that failed once is half full: a fresh fork is cheaper than a second failure.
            worker.end()
            worker = self._successor()
        if kind == RAISED:
            return worker, Outcome(None, Status.CRASH, value, ms), used and out_of_memory
        return worker, Outcome(value, Status.OK, "", ms), False

    def _successor(self) -> _Worker | None:
        """The next worker; None leaves it to the next call to try again and to say why it fails."""
        with contextlib.suppress(VerifierError):
            return self._nursery.fork()
        return None

    def _settle(self, item: tuple[Call, Future] | None) -> None:
        if item is not None and item[1].set_running_or_notify_cancel():
            item[1].set_result(Outcome(None, Status.CRASH, "pool closed", 0.0))


@dataclass(eq=False)
class _Worker:
    """A forked process and the parent's end of its pipe."""

    pid: int
    connection: Connection
    nursery: _Nursery
    process: subprocess.Popen
    """The nursery process that forked it, the only one that can reap it."""
    calls: int = 0
    """Calls that it has been sent."""

    def end(self) -> int | None:
        """Kill it, if it lives still, and reap it; its wait status, None where the nursery is gone too."""
        self.connection.close()
        return self.nursery.reap(self)


class _Nursery:
    """The parent's handle of the process that forks workers; started again if it dies."""

    def __init__(self, preload: tuple[str, ...], memory_bytes: int | None):
        self._preload, self._memory_bytes = preload, memory_bytes
        self._lock = threading.Lock()
        self._closed = False
        self._workers: dict[int, _Worker] = {}
        self._start()

    def fork(self) -> _Worker:
        """A new worker, ready for its first call. Errors: VerifierError when none can be started."""
        for _ in range(2):
            with self._lock, contextlib.suppress(OSError, EOFError):
                if self._closed:
                    raise VerifierError("The verifier pool is closed.")
                if self._process.poll() is not None:
                    self._start()
                return self._fork()
        raise VerifierError(
            "Verifier workers cannot be started.",
            f"{sys.executable} ended with code {self._process.wait(5)} while loading {list(self._preload)}",
            "Read its own message above; importing these by hand in the same Python should work.",
        )

    def reap(self, worker: _Worker) -> int | None:
        with self._lock:
            if self._closed or self._workers.pop(worker.pid, None) is None or worker.process is not self._process:
                return None
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)  # unreaped, so the pid is still its own
            try:
                return self._ask(REAP, worker.pid)
            except (OSError, EOFError):
                return None

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for pid in self._workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._stop()

    def _start(self) -> None:
        self._workers.clear()  # those of a nursery that died are dead with it
        self._control, theirs = socket.socketpair()
        code = (
            f"import sys; sys.path[:] = {sys.path!a}\n"
            f"from r1lab.verifiers.worker import main\n"
            f"main({theirs.fileno()}, {self._preload!a}, {self._memory_bytes!r})"
        )
        command = [sys.executable, "-c", code]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()

    def _stop(self) -> None:
        self._control.close()
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:  # still importing
            self._process.kill()
            self._process.wait()

    def _fork(self) -> _Worker:
        ours, theirs = socket.socketpair()
        connection = Connection(ours.detach())
        try:
            with theirs:
                pid = self._ask(FORK, 0, theirs.fileno())
            if connection.recv()[0] != READY:
                raise EOFError("worker did not report")
        except BaseException:
            connection.close()
            raise
        worker = self._workers[pid] = _Worker(pid, connection, self, self._process)
        return worker

    def _ask(self, kind: bytes, pid: int, *fds: int) -> int:
        """Send one request to the nursery, return its answer."""
        request = REQUEST.pack(kind, pid)
        socket.send_fds(self._control, [request], list(fds)) if fds else self._control.sendall(request)
        reply = self._control.recv(REPLY.size, socket.MSG_WAITALL)
        if len(reply) < REPLY.size:
            raise EOFError("nursery ended")
        return REPLY.unpack(reply)[0]


def _cause(status: int | None) -> str:
    if status is None:
        return "worker died"
    if os.WIFSIGNALED(status):
        return f"worker killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"worker exited with code {os.WEXITSTATUS(status)}"


def _ms_since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)
