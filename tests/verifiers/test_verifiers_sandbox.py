"""Real attacks on a real sandbox: what is contained, what is bounded, that nothing is left behind, as any user."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from code_questions import WAYS

from r1lab.errors import SandboxError
from r1lab.verifiers import sandbox
from r1lab.verifiers.program import Ending, Limits
from r1lab.verifiers.sandbox import LocalSandbox

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(cpu_seconds=1.0, wall_seconds=5.0, memory_bytes=1 << 27, output_bytes=1 << 16)
NOBODY = 65534
LOCAL = LocalSandbox(())


@pytest.fixture(autouse=True, scope="module", params=WAYS)
def isolated(request):
    """Each way to isolate in turn, skipped where it is not to be had; end the warden of its tests."""
    global LOCAL
    LOCAL = LocalSandbox((request.param,))
    try:
        yield LOCAL.way
    except SandboxError as error:
        pytest.skip(f"{request.param} is not to be had here: {error}")
    LOCAL.close()


def run(program, stdin="", **changes):
    return LOCAL(program, stdin, replace(LIMITS, **changes))


def children_of(pid: int) -> list[int]:
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in path.read_text().split()] if path.exists() else []


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process ends in time; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("program", "ending", "code"),
    [
        ("print(1)", Ending.EXITED, 0),
        ("raise SystemExit", Ending.EXITED, 0),
        ("raise SystemExit(3)", Ending.EXITED, 3),
        ("raise SystemExit('no')", Ending.EXITED, 1),
        ("1/0", Ending.EXITED, 1),
        ("def f(", Ending.EXITED, 1),
        ("import os; os._exit(7)", Ending.EXITED, 7),
        ("import ctypes; ctypes.string_at(0)", Ending.KILLED, None),
        ("while True: pass", Ending.TIME, None),
        ("import time; time.sleep(9)", Ending.TIME, None),
        ("import os; os.close(1); os.close(2)\nwhile True: pass", Ending.KILLED, None),
        ("print('x' * 70000)", Ending.OUTPUT, None),
        ("import sys; sys.stderr.write('x' * 70000)", Ending.OUTPUT, None),
        ("import threading, time; threading.Thread(target=time.sleep, args=(9,)).start()", Ending.TIME, None),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            Ending.EXITED,
            0,
        ),
    ],
)
def test_endings(program, ending, code):
    result = run(program, wall_seconds=1.0)
    assert (result.ending, result.exit_code) == (ending, code), result
    assert result.wall_seconds < 3.0


def test_time_is_the_processors_and_exact():
    # 0.3 s of work ends by itself before the whole second at which the kernel would stop it
    work = "import time\nwhile time.process_time() < 0.3: pass\nprint('done')"
    assert run(work, cpu_seconds=1.0).ending is Ending.EXITED
    late = run(work, cpu_seconds=0.1)
    assert late.ending is Ending.TIME and 0.29 < late.cpu_seconds < 0.6
    assert run("while True: pass", cpu_seconds=1.0, wall_seconds=60.0).wall_seconds < 30.0


def test_memory_is_bounded_and_usable():
    assert "MemoryError" in run("bytearray(200 * 2**20)").fault
    assert run("print(len(bytearray(100 * 2**20)))").stdout == "104857600\n"
    many = "kept = []\nwhile True: kept.append(bytes(2**20))"
    assert "MemoryError" in run(many).fault
    assert "MemoryError" in run("import mmap\nmaps = [mmap.mmap(-1, 2**24) for _ in range(99)]").fault or run(
        "import mmap\nmaps = [mmap.mmap(-1, 2**24) for _ in range(99)]"
    ).fault.startswith("OSError")


def test_a_bound_of_the_starting_process_is_said():
    code = (
        ORPHAN.partition("local = ")[0]
        + """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
local = sandbox.LocalSandbox({ways!r})
print(local("print(5)", "", Limits(1, 5, 1 << 27, 1 << 16)).stdout)
try:
    local("print(5)", "", Limits(1, 5, 1 << 31, 1 << 16))
except Exception as error:
    print(type(error).__name__, error.found)
"""
    )
    code = code.format(root=str(ROOT), ways=LOCAL.ways)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout
    assert out.startswith("5\n") and "SandboxError" in out and "raise its bound" in out


def test_threads_are_bounded():
    bomb = """
import threading, time
threading.stack_size(32768)
count = 0
try:
    while count < 2000:
        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
        count += 1
except RuntimeError:
    pass
print(count)
"""
    assert 32 <= int(run(bomb).stdout) < 1000


def test_a_program_has_nothing_of_this_machine(monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_TRAINER", "swordfish")
    program = """
import gc, os, sys
print(dict(os.environ), os.getcwd(), sys.argv, sorted(n for n in sys.modules if n.startswith("r1lab")))
print([fd for fd in range(64) if os.path.exists(f"/proc/self/fd/{fd}")])
for fd in range(3, 64):
    try: os.fstat(fd); print("open", fd)
    except OSError: pass
print("swordfish"[::-1] in "".join(o[::-1] for o in gc.get_objects() if isinstance(o, str)))
"""
    out = run(program).stdout
    assert out.startswith("{} / ['program.py'] ") and "open" not in out
    assert (
        os.geteuid() != 0 or run("import os; print(os.getuid(), os.getgroups() if 0 else '')").stdout.split()[0] != "0"
    )


def test_a_program_finds_nothing_of_the_one_before():
    marker = "m4rk" + "er-of-the-first"
    assert run(f"x = {marker!r}; print(x)").stdout.strip() == marker
    search = """
import gc
half = "er-of-" + "the-first"
texts = [v for o in gc.get_objects() if isinstance(o, dict) for v in o.values() if isinstance(v, str)]
print(sum(half in text != half for text in texts))
"""
    assert run(search).stdout == "0\n"


def test_programs_get_the_same_numbers_in_every_replay():
    program = "import random; print(hash('a'), list({'a', 'b', 'c'}), random.random())"
    first = run(program).stdout
    LOCAL.close()
    assert run(program).stdout == first != ""


@pytest.mark.parametrize("text", ["", "né 中文 \U0001f600", "a\0b", "x" * 3_000_000, "line\n" * 10], ids=len)
def test_input_and_output_are_whole(text):
    result = run("import sys; sys.stdout.write(sys.stdin.read())", text, output_bytes=1 << 22)
    assert result.stdout == text and result.ending is Ending.EXITED


def test_odd_texts_do_not_break_the_sandbox():
    assert run("print('\ud800')").ending is Ending.EXITED
    assert run("import os; os.write(1, b'\\xff\\xfe')").stdout == "\ufffd\ufffd"
    assert run("", "unread" * 100_000).ending is Ending.EXITED
    assert run("#" * 3_000_000 + "\nprint(5)").stdout == "5\n"
    # a program larger than its memory: a failed program, not a failed sandbox
    assert run("#" * 30_000_000, memory_bytes=1 << 24).ending is not Ending.TIME


def test_a_program_that_takes_back_its_output_does_not_break_the_sandbox():
    """As root the pipes are not the program's to open; as an ordinary user they are."""
    program = """
import os
try:
    back = os.open("/proc/self/fd/1", os.O_RDONLY | os.O_NONBLOCK)
except OSError:
    raise SystemExit
for _ in range(20_000):
    os.write(1, b"x")
    try:
        os.read(back, 100)
    except BlockingIOError:
        pass
"""
    assert run(program).ending is Ending.EXITED


def test_nothing_is_left_behind():
    """Processes, files, descriptors and memory after two hundred hostile programs."""
    hostile = [
        "import os\nwhile True:\n    try: os.fork()\n    except OSError: break",
        "from threading import *\nfor _ in range(20): Thread(target=Event().wait, daemon=True).start()",
        "import os, signal\nfor s in range(1, 9): signal.pthread_sigmask(0, [s])\nos.kill(os.getppid(), 9)",
        "import tempfile; tempfile.mkstemp()",
        "print('x' * 10**6)",
        "import os; os.closerange(0, 64)",
        "import subprocess; subprocess.Popen(['sleep', '99'], start_new_session=True)",
        "bytearray(1 << 30)",
    ]
    run("print()")
    warden = sandbox._wardens[(os.getpid(), LOCAL.ways)]
    user = os.stat(f"/proc/{warden._process.pid}").st_uid
    before = snapshot(user)
    for i in range(200):
        run(hostile[i % len(hostile)])
    assert sandbox._wardens[(os.getpid(), LOCAL.ways)] is warden and warden.alive
    assert not children_of(warden._process.pid) or LOCAL.way == "bubblewrap"
    after = snapshot(user)
    assert after["files"] == before["files"] and after["fds"] == before["fds"]
    assert after["rss"] < before["rss"] + 20 * 2**20


def snapshot(user: int) -> dict:
    """What this process holds, and what the sandbox's user owns where everyone may write."""
    folders = [Path(name) for name in ("/tmp", "/dev/shm", "/var/tmp", "/run/lock") if os.path.isdir(name)]
    owned = [str(path) for folder in folders for path in folder.iterdir() if path.lstat().st_uid == user]
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "files": sorted(owned) if user != os.getuid() else [],  # an ordinary user has files of its own there
        "fds": len(os.listdir("/proc/self/fd")),
        "rss": pages * os.sysconf("SC_PAGE_SIZE"),
    }


ORPHAN = """
import sys; sys.path.insert(0, {root!r})
from r1lab.verifiers.program import Limits
from r1lab.verifiers import sandbox
local = sandbox.LocalSandbox({ways!r})
local("print()", "", Limits(1, 1, 1 << 27, 1 << 16))
(warden,) = sandbox._wardens.values()
print(warden._process.pid, flush=True)
local("while True: pass", "", Limits(60, 60, 1 << 27, 1 << 16))
"""


def test_nothing_outlives_a_killed_parent():
    code = ORPHAN.format(root=str(ROOT), ways=LOCAL.ways)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        warden = int(parent.stdout.readline())
        deadline = time.monotonic() + 5
        while not (children := children_of(warden)) and time.monotonic() < deadline:
            time.sleep(0.01)
        parent.send_signal(signal.SIGKILL)
    assert children and gone(warden) and all(gone(child) for child in children)


def test_a_killed_warden_is_said_and_replaced():
    run("print()")
    warden = sandbox._wardens[(os.getpid(), LOCAL.ways)]
    threading.Timer(0.3, warden._process.kill).start()
    with pytest.raises(SandboxError, match="does not count"):
        run("import time; time.sleep(5)")
    assert run("print(5)").stdout == "5\n"


def test_threads_share_a_sandbox():
    results = {}

    def work(number):
        results[number] = [run(f"print({number} * int(input()))", str(i)).stdout for i in range(10)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: [f"{number * i}\n" for i in range(10)] for number in range(4)}


def test_a_fork_starts_a_warden_of_its_own():
    run("print()")
    before = len(sandbox._wardens)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if run("print(3)").stdout == "3\n" and len(sandbox._wardens) == before + 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert run("print(4)").stdout == "4\n"
