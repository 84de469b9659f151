"""Code that leaves before a run ends does so with 1 and a sentence, from wherever in Python it leaves."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from r1lab.errors import LeftError, Terminated
from r1lab.leaving import OsExit, exit_now, guarded, inside, staying

ROOT = Path(__file__).resolve().parents[1]


def ended(program, tmp_path):
    """What becomes of a program."""
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    return subprocess.run([sys.executable, tmp_path / "program.py"], capture_output=True, text=True, timeout=60,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})  # fmt: skip


@pytest.mark.parametrize(
    "code, called",
    [
        ("sys.exit()", "sys.exit()"),
        ("sys.exit(0)", "sys.exit(0)"),
        ("raise SystemExit('done')", "sys.exit('done')"),
        ("exit(3)", "sys.exit(3)"),
        ("os._exit(0)", "os._exit(0)"),
        ("os._exit(96)", "os._exit(96)"),
    ],
)
def test_what_leaves_a_run_is_an_error_with_its_place(code, called):
    with pytest.raises(LeftError) as caught, guarded():
        exec(compile(f"\n{code}", "part.py", "exec"))
    assert caught.value.wrong == f"A part of the run calls {called}, which would end the run."
    assert caught.value.found == "part.py, line 2" or code == "exit(3)"
    with pytest.raises(LeftError, match="my part calls"), staying("my part"):
        exec(code)


@pytest.mark.parametrize("error", [KeyboardInterrupt, Terminated, ValueError, GeneratorExit])
def test_every_other_error_passes(error):
    with pytest.raises(error), guarded():
        raise error
    with pytest.raises(error), staying("my part"):
        raise error


def test_an_exit_that_nobody_catches_is_no_success():
    with pytest.raises(SystemExit) as caught, inside("my part"):
        os._exit(0)
    assert isinstance(caught.value, OsExit) and caught.value.code == 1 and caught.value.status == 0


START = "import atexit, os, sys, threading, time\nfrom r1lab import leaving\n"
THREAD = (
    START
    + """
def leave():
    os._exit({status})

with leaving.guarded():
    leaving._owners["{module}"] = "Reward mine"
    threading.Thread(target=leave).start()
    time.sleep(30)
"""
)


@pytest.mark.parametrize("status", [0, 96, 1])
@pytest.mark.parametrize("module, owner", [("__main__", "Reward mine"), ("other", "A part of the run")])
def test_a_thread_that_leaves_ends_the_run_with_its_place(status, module, owner, tmp_path):
    done = ended(THREAD.format(status=status, module=module), tmp_path)
    assert done.returncode == 1
    assert f"LeftError: {owner} calls os._exit({status}) in a thread of its own: the run ends." in done.stderr
    assert f"found: {tmp_path}/program.py, line 5" in done.stderr


@pytest.mark.parametrize(
    "program, code",
    [
        ("with leaving.guarded():\n  pass\nos._exit(7)", 7),  # the run is over
        ("with leaving.guarded():\n  leaving.exit_now(5)", 5),
        ("atexit.register(lambda: os._exit(0))\nwith leaving.guarded():\n  raise ValueError", 1),
        ("atexit.register(lambda: os._exit(0))\nwith leaving.guarded():\n  pass", 0),
        ("with leaving.guarded():\n  if (child := os.fork()) == 0: os._exit(9)\n"
         "  sys.stdout.flush(); leaving.exit_now(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))", 9),
        ("import multiprocessing\nwith leaving.guarded():\n"
         "  one = multiprocessing.get_context('fork').Process(target=sys.exit, args=(4,))\n"
         "  one.start(); one.join(); leaving.exit_now(one.exitcode)", 4),
    ],
    ids=["after", "now", "a failed run", "a finished run", "a child", "a process"],
)  # fmt: skip
def test_what_is_no_part_of_the_run_leaves_as_usual(program, code, tmp_path):
    assert ended(START + program, tmp_path).returncode == code


def test_a_program_that_calls_nothing_of_ours_has_the_plain_exit():
    assert exit_now is not os._exit or exit_now.__name__ == "_exit"
    assert exit_now.__module__ == "posix"


DEADLINE = (
    START
    + """
from r1lab.errors import VerifierError

with leaving.guarded(late={late}), leaving.within({seconds}, VerifierError("Too long.", "q1", "Mend it."), "__main__"):
    {code}
print("done")
"""
)


@pytest.mark.parametrize(
    "late, seconds, code, status",
    [
        (0, 0.3, "time.sleep(30)", 1),
        (0, 0.3, "while True: pass", 1),
        (0, 0.3, "threading.Event().wait()", 1),
        (0, 30, "time.sleep(0.1)", 0),
        (0, "float('inf')", "time.sleep(0.1)", 0),
        (30, 0.3, "time.sleep(0.8)", 0),
    ],
)
def test_what_takes_too_long_ends_the_process(late, seconds, code, status, tmp_path):
    done = ended(DEADLINE.format(late=late, seconds=seconds, code=code), tmp_path)
    assert done.returncode == status and ("done" in done.stdout) == (status == 0)
    assert status == 0 or f"VerifierError: Too long.\n  found: q1, {tmp_path}/program.py, line 7" in done.stderr
