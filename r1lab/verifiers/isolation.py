"""The ways to run code apart from this machine, and the proof that one works: it is attacked before it is used.

Two ways, the strongest first. ``bubblewrap``: the warden lives in namespaces of its own, where there is no network, no
other process and no file but the interpreter's. ``landlock``: the warden is an ordinary process. In both its children
are bound by seccomp and limits, and by Landlock where the kernel has it; the second way needs it. A way that fails
one attack is not used; where none is left, nothing runs.

What remains visible by the second way, never the content of a file: whether a file exists, its size, owner and times;
where a symbolic link leads; which processes exist and whose they are; when library files were last read, which other
programs may have caused. Where it runs as the caller's user, a program can open its own standard streams again. By the
first way there are no other files and processes to see. Both ways share the machine's kernel, clock, memory and
processors with the program, which can read its name, load and size.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from r1lab.errors import ConfigError, SandboxError
from r1lab.verifiers.confine import MIN_LANDLOCK
from r1lab.verifiers.custody import Warden
from r1lab.verifiers.program import Ending, Limits

_LIMITS = Limits(cpu_seconds=5.0, wall_seconds=10.0, memory_bytes=1 << 27, output_bytes=1 << 16)
_BLINK = Limits(cpu_seconds=5.0, wall_seconds=0.1, memory_bytes=1 << 27, output_bytes=1 << 12)

# Each attack prints its name if it succeeds. The files and the port are there, open to everyone, as bait.
ATTACKS = r"""
import ctypes, os, signal, socket, sys, threading
bait, port = {bait!r}, {port!r}
libc = ctypes.CDLL(None, use_errno=True)

def connect(family, kind, address):
    with socket.socket(family, kind) as s:
        s.settimeout(1)
        s.connect(address)
        s.send(b"x")

def fork():
    if os.fork() == 0:
        os._exit(0)

def memory():
    block = bytearray({memory})
    block[::4096] = b"x" * len(block[::4096])

def threads():
    stop, started = threading.Event(), []
    threading.stack_size(32768)
    try:
        for _ in range(256):
            started.append(threading.Thread(target=stop.wait))
            started[-1].start()
    finally:
        stop.set()

def system_call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

def environment():
    assert set(os.environ) or any(name in open("/proc/self/environ").read() for name in ("PATH", "HOME", "USER"))

for name, attack in {{
    "network": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
    "datagrams": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
    "abstract sockets": lambda: connect(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + bait),
    "reading files": lambda: open(bait + "/secret").read(),
    "reading /etc": lambda: open("/etc/passwd").read(),
    "reading /proc": lambda: open("/proc/%d/maps" % os.getppid()).read(),
    "writing files": lambda: open(bait + "/written", "w"),
    "cutting files": lambda: os.truncate(bait + "/secret", 0),
    "deleting files": lambda: os.unlink(bait + "/secret"),
    "changing modes": lambda: os.chmod(bait + "/secret", 0),
    "writing /tmp": lambda: open("/tmp/r1lab-sandbox-%d" % os.getpid(), "x"),
    "writing /dev/shm": lambda: open("/dev/shm/r1lab-sandbox-%d" % os.getpid(), "x"),
    "memory files": lambda: os.memfd_create("x"),
    "environment": environment,
    "processes": fork,
    "programs": lambda: os.execv(sys.executable, [sys.executable, "-c", "print('programs', flush=True)"]),
    "many threads": threads,
    "memory": memory,
    "signals to the parent": lambda: os.kill(os.getppid(), signal.SIGWINCH),
    "signals to all": lambda: os.kill(-1, 0),
    "ptrace": lambda: system_call(101 if os.uname().machine == "x86_64" else 117, 16, os.getppid(), 0, 0),
    "namespaces": lambda: system_call(272 if os.uname().machine == "x86_64" else 97, 0x10000000),
}}.items():
    try:
        attack()
        print(name, flush=True)
    except (OSError, MemoryError, RuntimeError, AssertionError):
        pass
print("end", flush=True)
"""


@cache
def choose_way(ways: tuple[str, ...]) -> tuple[tuple[str, ...], str, str]:
    """The first of ``ways`` that stands all attacks: the command before the interpreter, the interpreter, its name.

    Errors: ConfigError for an unknown way; SandboxError, with what was found in each way, where none stands.
    """
    found = []
    for way in ways:
        if way not in _PREFIXES:
            raise ConfigError("Unknown way to isolate programs.", way, f"Choose from {', '.join(_PREFIXES)}.")
        for python in interpreters():
            try:
                prefix = _PREFIXES[way](python)
                prove(Warden(prefix, python), needs_landlock=way == "landlock")
                return tuple(prefix), python, way
            except SandboxError as error:
                found.append(f"{way} with {python}: {error.wrong} {error.found}".strip())
    raise SandboxError(
        "Nothing here can run generated code apart from this machine, so it is not run.",
        "\n         ".join(found) or "no way is allowed",
        "Install bubblewrap (apt install bubblewrap) and a python3 that every user can read, use Linux 6.2 or newer\n"
        "         with Landlock, or point checkers.code.sandbox at a Sandbox Fusion or Piston server.",
    )


def interpreters() -> list[str]:
    """Pythons to try: this one if a stranger may run it, so that programs meet the same version, then the system's."""
    own, system = (
        os.path.realpath(getattr(sys, "_base_executable", sys.executable)),
        shutil.which("python3", path="/usr/bin"),
    )
    candidates = [own, *([os.path.realpath(system)] if system else [])]
    return list(dict.fromkeys(path for path in candidates if os.geteuid() != 0 or _open_to_all(Path(path))))


def prove(warden: Warden, needs_landlock: bool) -> None:
    """Attack a fresh warden from inside, and close it. Errors: SandboxError with the attacks that succeeded."""
    try:
        if needs_landlock and warden.landlock < MIN_LANDLOCK:
            raise SandboxError(f"The kernel has Landlock {warden.landlock}, needed is {MIN_LANDLOCK} (Linux 6.2).")
        succeeded = successful_attacks(lambda program: _printed(warden, program), _LIMITS.memory_bytes)
        if warden.run("while True: pass", "", _BLINK).ending is not Ending.TIME:
            succeeded.append("running on")
        if warden.run("while True: print('x' * 999)", "", _LIMITS).ending is not Ending.OUTPUT:
            succeeded.append("endless output")
        if succeeded:
            raise SandboxError("It does not hold against:", ", ".join(succeeded))
        if warden.run("print(6 * int(input()))", "7\n", _LIMITS).stdout != "42\n":
            raise SandboxError("It does not run a plain program.")
    finally:
        warden.close()


def successful_attacks(execute: Callable[[str], str], memory_bytes: int) -> list[str]:
    """Names of the attacks that succeed; ``execute`` runs a program with so much memory and returns what it printed.

    Errors: SandboxError when the program did not come to its end.
    """
    with _bait() as (folder, port):
        printed = execute(ATTACKS.format(bait=folder, port=port, memory=2 * memory_bytes))
        *succeeded, end = printed.split("\n")[:-1] or [""]
        if end != "end":
            raise SandboxError("The self-test did not come to its end.", printed[-200:])
        return succeeded + ([] if _untouched(Path(folder)) else ["changing files"])


def _printed(warden: Warden, program: str) -> str:
    run = warden.run(program, "", _LIMITS)
    if run.fault:
        raise SandboxError("The self-test did not come to its end.", run.fault)
    return run.stdout


@contextlib.contextmanager
def _bait() -> Iterator[tuple[str, int]]:
    """A folder that everyone may change with a file that everyone may read, and a port that answers."""
    with tempfile.TemporaryDirectory(prefix="r1lab-sandbox-") as folder, contextlib.ExitStack() as sockets:
        Path(folder, "secret").write_text("secret", encoding="utf-8")
        os.chmod(folder, 0o777)
        os.chmod(Path(folder, "secret"), 0o666)
        port = sockets.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        abstract = sockets.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind("\0" + folder)
        abstract.listen()
        yield folder, port


def _untouched(folder: Path) -> bool:
    try:
        return (folder / "secret").read_text(encoding="utf-8") == "secret" and os.listdir(folder) == ["secret"]
    except OSError:
        return False


def _open_to_all(path: Path) -> bool:
    """Whether a user without any rights may run this file."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


def _bubblewrap(python: str) -> list[str]:
    """bwrap with everything unshared and nothing mounted but the interpreter, for reading. Errors: SandboxError."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxError("bubblewrap is not installed.")
    mounts = ["--ro-bind", "/usr", "/usr"]
    for name in ("/lib", "/lib64", "/bin"):
        if os.path.islink(name):
            mounts += ["--symlink", os.readlink(name), name]
        elif os.path.isdir(name):
            mounts += ["--ro-bind", name, name]
    prefix = str(Path(python).parents[1])
    if not prefix.startswith("/usr"):
        mounts += ["--ro-bind", prefix, prefix]
    mounts += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for device in ("/dev/null", "/dev/urandom"):
        mounts += ["--dev-bind", device, device]
    alone = [
        "--unshare-all",
        "--unshare-user",
        "--disable-userns",
        "--new-session",
        "--die-with-parent",
        "--cap-drop",
        "ALL",
    ]
    return [bwrap, *alone, *mounts, "--proc", "/proc", "--remount-ro", "/", "--"]


_PREFIXES = {"bubblewrap": _bubblewrap, "landlock": lambda python: []}
