"""A whole stage on terminals of all kinds, with completions that would steer them: its work is done and recorded."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from stored_run import accuracy, groups, scored, store

ROOT = Path(__file__).resolve().parents[2]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
HOSTILE = "\x1b[2J\x1b]52;c;aGk=\x07\r\u202eé数\x9b"
RAW = "\x1b\x07\r\u202e\x9b"


@pytest.fixture
def stored(tmp_path):
    """A run whose questions and answers hold escape sequences and characters that ASCII lacks."""
    made = groups({f"7{HOSTILE}": ["7", HOSTILE, f"9{HOSTILE}", None], "12": ["12", "1", f"12{HOSTILE}", "[red]12"]})
    made = [
        dataclasses.replace(
            group, question=question, rollouts=tuple(dataclasses.replace(r, question=question) for r in group.rollouts)
        )
        for group in made
        for question in [dataclasses.replace(group.question, text=f"What? {HOSTILE}")]
    ]
    store(tmp_path / "hand" / "0f3a" / "attempt_1", scored(made, {"accuracy": accuracy()}))
    return tmp_path


def rescore(stored, redirection="", **environment):
    words = ["-m", "r1lab", "stage=rescore", f"run.root={stored}", "tracker=disabled", "run.min_free_bytes=1000000",
             f"stage.folder={stored / 'hand' / '0f3a' / 'attempt_1'}", "~reward@rewards.format",
             "reward@rewards.accuracy=random"]  # fmt: skip
    line = f'"$0" "$@" {redirection}; exit ${{PIPESTATUS[0]}}'
    return subprocess.run(
        ["bash", "-c", line, sys.executable, *words], cwd=ROOT, capture_output=True, timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )  # fmt: skip


def summary(stored):
    (folder,) = stored.glob("rescore/*/attempt_1")
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["state"] == "finished"
    return json.loads((folder / "summary.json").read_text(encoding="utf-8")), folder


def test_an_ascii_terminal_gets_all_of_the_report(stored):
    done = rescore(stored, **ASCII)
    assert done.returncode == 0, done.stderr[-3000:]
    _, folder = summary(stored)
    report = (folder / "report.txt").read_text(encoding="utf-8")
    assert "é数" in report and r"\x1b[2J" in report, report
    assert report.encode("ascii", "backslashreplace") in done.stdout
    for path in [*folder.glob("*.txt"), *folder.glob("*.json"), *folder.glob("*.jsonl")]:
        assert not set(RAW) & set(path.read_text(encoding="utf-8")), path
    again = rescore(stored, PYTHONUTF8="1")
    assert again.returncode == 0 and report in again.stdout.decode()
    assert not set(RAW) & set((done.stdout + done.stderr + again.stdout + again.stderr).decode())


@pytest.mark.parametrize("redirection", [">/dev/full", ">&- 2>&-"])
def test_work_that_is_done_is_a_success_without_a_terminal(stored, redirection):
    done = rescore(stored, redirection)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr[-3000:]
    assert summary(stored)[0]["rewards"]
    if redirection == ">/dev/full":
        assert b"Standard output cannot be written any more: [Errno 28] No space left on device" in done.stderr
        again = rescore(stored, redirection)  # there is nothing but to show it
        assert again.returncode == 1 and b"cannot be shown" in again.stderr and b"Traceback" not in again.stderr
