"""Standard output and error: lost, closed, of another encoding, and never steered by what a text says."""

import io
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from r1lab.characters import shown
from r1lab.errors import DataError
from r1lab.records.progress import track
from r1lab.terminal import Formatter, Lasting

ROOT = Path(__file__).resolve().parents[1]
STEERING = [
    "\x1b[2J", "\x1b]52;c;aGk=\x07", "\r", "\0", "\x08\x08", "\x9b31m", "\x90q\x9c", "\x7f", "\u202e", "\u2066",
    "\u200f", "\u2028", "\ufeff", "\u200b", "\ud800", "\U000e0041", "\x0c", "\x0b", "\x1a", "\u061c", "\u0085",
]  # fmt: skip
SHOWN = [
    "plain", "a\nb\tc", "é", "数学", "😀", "👩\u200d🚀", "می\u200cخواهم", "x² ≤ 3", "[red]no[/red]", "\\x1b[2J",
    "a\u00adb",
]  # fmt: skip


@pytest.mark.parametrize("text", STEERING, ids=ascii)
def test_what_would_steer_a_terminal_is_written_out(text):
    found = shown(f"a{text}b")
    assert found.startswith("a\\") and found.replace("\n", "").isascii() and "\x1b" not in found
    assert all(character.isprintable() for character in found)


@pytest.mark.parametrize("text", SHOWN, ids=ascii)
def test_what_a_person_reads_stays(text):
    assert shown(text) == text


def test_log_lines_and_errors_are_written_out():
    record = logging.LogRecord("r1lab", logging.WARNING, "", 0, "%s is damaged", ("a\x1b[2Jb\u202e",), None)
    assert Formatter("%(message)s").format(record) == "a\\x1b[2Jb\\u202e is damaged"
    assert "\x1b" in str(DataError("x", "\x1b")), "the error itself keeps what was found"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_no_title_is_markup_or_steers(stream):
    with track(2, "[red]title[/red]\x1b[2J", {}, stream=stream) as progress:
        progress.aside("[bold]evaluating\x1b[5m")
        progress.update(1)
        progress.update(2)
    text = stream.getvalue()
    assert "[red]title[/red]" in text and "\x1b[2J\x1b" not in text and "\x1b[5m" not in text and r"\x1b[2J" in text


class Full(io.StringIO):
    """Takes so many writes."""

    def __init__(self, room, error):
        super().__init__()
        self.room, self.error = room, error

    def write(self, text):
        if not self.room:
            raise self.error
        self.room -= 1
        return super().write(text)


@pytest.mark.parametrize(("error", "told"), [
    (OSError(28, "No space left on device"), 1), (OSError(5, "Input/output error"), 1), (ValueError("closed file"), 1),
    (BrokenPipeError(32, "Broken pipe"), 0),
])  # fmt: skip
def test_a_lost_stream_is_told_once_and_stops_nothing(error, told, capsys):
    stream = Lasting(full := Full(2, error), "Standard output")
    for _ in range(5):
        print("a", file=stream, flush=True)
    assert full.getvalue() == "a\n" and stream.lost is error
    assert capsys.readouterr().err.count("Standard output cannot be written any more") == told


def python(program, **settings):
    program = f"import sys\nfrom r1lab import terminal\nterminal.prepare()\nterminal.prepare()\n{program}"
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60, **settings)


SAYS = "print(chr(0xE9) + chr(0xD800) + chr(0x6570), flush=True); print('done', file=sys.stderr); sys.exit(3)"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(("environment", "said"), [
    (ASCII, rb"\xe9\ud800\u6570"), ({**ASCII, "PYTHONIOENCODING": "latin-1"}, b"\xe9\\ud800\\u6570"),
    ({**ASCII, "PYTHONIOENCODING": ""}, rb"\xe9\ud800\u6570"), ({"PYTHONUTF8": "1"}, "é\\ud800数".encode()),
])  # fmt: skip
def test_characters_that_the_terminal_lacks_are_written_out(environment, said):
    done = python(SAYS, capture_output=True, env=os.environ | environment)
    assert (done.returncode, done.stdout, done.stderr) == (3, said + b"\n", b"done\n")


@pytest.mark.parametrize(("redirection", "words"), [
    (">/dev/full", "No space left"), (">&-", ""), (">&- 2>&-", ""), ("<&- >&- 2>&-", ""),
    (">/dev/full 2>/dev/full", ""),
    ("| true", ""), ("2>&-", ""),
])  # fmt: skip
def test_a_process_without_its_terminal_ends_as_it_would(redirection, words, tmp_path):
    """What it opens afterwards takes none of the prints, its own or those of its children."""
    program = f"""
import os, subprocess, sys
from r1lab import terminal
terminal.prepare()
with open({str(tmp_path / "file")!r}, "w", encoding="utf-8") as file:
    assert file.fileno() > 2
    for _ in range(3):
        print("x" * 99999)
    os.write(1, b"y") if {">/dev/full" not in redirection and "|" not in redirection} else None
    subprocess.run([sys.executable, "-c", "import sys; print('child'); sys.stdout.flush(); print(1, file=sys.stderr)"])
    print("error", file=sys.stderr, flush=True)
    file.write("kept")
sys.exit(7)
"""
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    line = f'"$0" "$1" {redirection}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(
        ["bash", "-c", line, sys.executable, str(tmp_path / "program.py")], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 7, done.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept"
    assert words in done.stderr and "Exception ignored" not in done.stderr


def test_a_traceback_steers_nothing():
    done = python("raise ValueError('a\\x1b[2J\\u202e')", capture_output=True)
    assert done.returncode == 1 and rb"ValueError: a\x1b[2J\u202e" in done.stderr and b"\x1b" not in done.stderr


def stoppable(body, tmp_path):
    """A process in the block `stoppable` that has come to its end of `body`."""
    program = (
        f"import sys, time\nfrom pathlib import Path\nfrom r1lab import terminal, processes\nterminal.prepare()\n\
ready = Path({str(tmp_path / 'ready')!r})\nwith processes.stoppable():\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
    )
    forgets = f"import time, pathlib\ntry:\n    pathlib.Path({str(tmp_path / 'ready')!r}).touch()\n    time.sleep(1)\n"
    (tmp_path / "forgets.py").write_text(f"{forgets}except BaseException:\n    pass\n", encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )  # fmt: skip
    while not (tmp_path / "ready").exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    return process


WORK = {
    "works": "ready.touch()\nwhile True: time.sleep(1)",
    "computes": "ready.touch()\nwhile True: sum(range(10**5))",
    "cleans up with an error": "try:\n    ready.touch()\n    time.sleep(60)\nfinally:\n    raise ValueError('late')",
    "leaves another way": "try:\n    ready.touch()\n    time.sleep(60)\nexcept BaseException:\n    sys.exit(1)",
    "forgets every error": "try:\n    ready.touch()\n    time.sleep(30)\nexcept BaseException:\n    time.sleep(30)",
    "imports": "import forgets\ntime.sleep(9)",
    "imports in a function": "def f():\n    import forgets\nf()\ntime.sleep(9)",
    "is in a finalizer": (
        "class A:\n    def __del__(self):\n        ready.touch()\n        time.sleep(2)\nA()\ntime.sleep(9)"
    ),
}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_a_signal_ends_with_a_sentence_whatever_it_meets(work, number, code, tmp_path):
    process = stoppable(work, tmp_path)
    process.send_signal(number)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == code, text
    assert text.count("Stopped. The same command goes on") == 1 and "Traceback" not in text


def test_errors_and_exits_without_a_signal_stay_what_they_are(tmp_path):
    process = stoppable("ready.touch()\nraise ValueError('mine')", tmp_path)
    text, _ = process.communicate(timeout=30)
    assert process.returncode == 1 and "ValueError: mine" in text and "Stopped" not in text
    (tmp_path / "ready").unlink()
    process = stoppable("ready.touch()\nsys.exit(5)", tmp_path)
    assert process.wait(30) == 5
