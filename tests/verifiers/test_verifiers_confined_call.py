"""A call in a locked-up fork: what it returns, what it cannot do, what it leaves behind."""

import os
import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from r1lab.errors import SandboxError
from r1lab.verifiers import confined_call as module
from r1lab.verifiers.confined_call import CallError, confined_call
from r1lab.verifiers.program import Limits

LIMITS = Limits(cpu_seconds=1.0, wall_seconds=3.0, memory_bytes=1 << 27, output_bytes=1 << 12)
STATE = {"score": 0}


@pytest.fixture(autouse=True)
def isolated():
    try:
        module._prove()
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")


@pytest.mark.parametrize("value", [42, 0.5, None, "né 中文", [1, [2.5, "x"]], {"a": 1}])
def test_plain_data_come_back(value):
    assert confined_call(lambda: value, LIMITS) == value


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: object(), "TypeError"),
        (lambda: [0] * 10**9, "MemoryError"),
        (lambda: "x" * 9999, "output limit exceeded"),
        (lambda: time.sleep(9), "time limit exceeded"),
        (lambda: os._exit(0), "without a result"),
        (lambda: os.listdir("/etc"), "PermissionError"),
        (lambda: os.mkdir("/tmp/r1lab-written"), "PermissionError"),
        (lambda: os.listdir(os.path.expanduser("~")), "Error"),
        (lambda: socket.socket(), "PermissionError"),
        (lambda: os.fork(), "PermissionError"),
        (lambda: os.kill(os.getppid(), 0), "PermissionError"),
        (lambda: os.system("touch /tmp/r1lab-written"), "CallError"),
        (lambda: (_ for _ in ()).throw(SystemExit(0)), "SystemExit"),
    ],
)
def test_what_it_cannot_do(function, reason):
    if reason == "CallError":  # os.system says -1 or 127 << 8 and raises nothing
        assert confined_call(function, LIMITS) != 0 and not os.path.exists("/tmp/r1lab-written")
        return
    with pytest.raises(CallError, match=reason):
        confined_call(function, replace(LIMITS, wall_seconds=1.0))


def test_no_call_changes_the_next_one(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_TRAINER", "swordfish")

    def change():
        STATE["score"] = 1
        return [STATE["score"], dict(os.environ)]

    assert confined_call(change, LIMITS) == [1, {}]
    assert STATE == {"score": 0} and os.environ["SECRET_OF_THE_TRAINER"] == "swordfish"
    assert confined_call(lambda: STATE["score"], LIMITS) == 0


def children():
    """The processes that this one has started and not waited for."""
    return {pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def test_descriptors_are_closed_and_nothing_is_left():
    before, ours_before = os.listdir("/proc/self/fd"), children()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert "Bad file descriptor" in confined_call(lambda: _written(theirs.fileno()), LIMITS)
    for _ in range(20):
        with pytest.raises(CallError):
            confined_call(lambda: os._exit(1), LIMITS)
    assert os.listdir("/proc/self/fd") == before
    assert children() <= ours_before


def _written(fd):
    try:
        return str(os.write(fd, b"x"))
    except OSError as error:
        return str(error)


def test_a_missing_lock_is_found(monkeypatch):
    monkeypatch.setattr(module.confine, "landlock_ruleset", lambda readable: None)
    with pytest.raises(SandboxError, match="does not hold") as caught:
        module._prove.__wrapped__()
    assert "reading /etc" in caught.value.found


def test_without_landlock_nothing_is_run(monkeypatch):
    monkeypatch.setattr(module.confine, "landlock_abi", lambda: 2)
    with pytest.raises(SandboxError, match="not run"):
        module._prove.__wrapped__()
