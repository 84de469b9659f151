"""JSON lines that survive their writer, and a tracker that stops nothing."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from r1lab.errors import StorageError
from r1lab.records.loggers import JsonlLog, Tracker


def filled(path: Path, phases: int) -> JsonlLog:
    log = JsonlLog(path)
    for phase in range(phases):
        log.write({"phase": phase, "reward": phase / 4})
    return log


def test_rows_are_on_disk_when_write_returns(tmp_path):
    log = JsonlLog(tmp_path / "new" / "log.jsonl")
    log.write({"step": 3, "kl": math.nan, "phase": 1, "text": "ü\nx"})
    lines = (tmp_path / "new/log.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=pytest.fail) for line in lines] == log.rows()
    assert log.rows() == [{"phase": 1, "step": 3, "kl": "nan", "text": "ü\nx"}]


def test_a_torn_last_line_is_gone_after_opening_and_the_log_goes_on(tmp_path):
    log = filled(tmp_path / "log.jsonl", 2)
    with log.path.open("a") as file:
        file.write('{"phase": 2, "rew')
    assert len(log.rows()) == 2  # a reader of a running log does not stumble either
    resumed = JsonlLog(log.path)
    resumed.write({"phase": 2, "reward": 0.5})
    assert [row["phase"] for row in resumed.rows()] == [0, 1, 2] == [row["phase"] for row in log.rows()]


def test_a_log_that_is_one_torn_line_becomes_empty(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"ph')
    assert JsonlLog(tmp_path / "log.jsonl").rows() == [] and (tmp_path / "log.jsonl").read_text() == ""


def test_truncate_from_removes_that_phase_and_all_later(tmp_path):
    log = filled(tmp_path / "log.jsonl", 12)
    log.truncate_from(9)
    assert [row["phase"] for row in log.rows()] == list(range(9))
    log.write({"phase": 9, "reward": 9.0})
    assert log.rows()[-1] == {"phase": 9, "reward": 9.0} and len(list(tmp_path.iterdir())) == 1


def test_a_broken_line_in_the_middle_names_file_and_line(tmp_path):
    log = filled(tmp_path / "log.jsonl", 3)
    lines = log.path.read_text().splitlines(keepends=True)
    log.path.write_text(lines[0] + '{"phase": 1,\n' + lines[2])
    with pytest.raises(StorageError, match=r"Line 2 of .*log\.jsonl"):
        log.truncate_from(1)


@pytest.mark.parametrize("broken", [
    b"\xff\xfe{}", b'{"phase": 1, "x": "\xed\xa0\x80"}', b'{"phase": 1', b"", b"7", b"[]", b"{}", b"\0" * 20,
    b"[" * 9999,
], ids=repr)  # fmt: skip
def test_lines_that_are_no_rows_are_counted_and_nothing_is_lost(tmp_path, broken):
    log = filled(tmp_path / "log.jsonl", 3)
    first, _, last = log.path.read_bytes().splitlines()
    log.path.write_bytes(b"\n".join([first, broken, broken, last, b""]))
    whole = log.path.read_bytes()
    with pytest.raises(StorageError, match=r"2 of 4 lines of .*log\.jsonl cannot be read") as caught:
        JsonlLog(log.path).truncate_from(1)
    assert "line 2" in str(caught.value) and "line 3" in str(caught.value) and len(str(caught.value)) < 1000
    assert log.path.read_bytes() == whole


def test_what_a_cut_has_taken_is_known_and_can_be_put_back(tmp_path):
    log = filled(tmp_path / "log.jsonl", 9)
    log.path.write_bytes(log.path.read_bytes()[: log.path.stat().st_size // 2])
    cut = JsonlLog(log.path)
    assert cut.lacking(8) == [4, 5, 6, 7, 8] and cut.lacking(3) == []
    cut.restore({"phase": phase, "reward": phase / 4} for phase in (8, 5, 7, 4, 6))
    assert cut.rows() == filled(tmp_path / "whole.jsonl", 9).rows() and cut.lacking(8) == []


def test_control_characters_are_written_out_and_come_back(tmp_path):
    log, text = JsonlLog(tmp_path / "log.jsonl"), "\x1b[2J\x9b\x7f\u202e\u2028\U000e0041é\n"
    log.write({"phase": 1, "text": text})
    assert log.rows() == [{"phase": 1, "text": text}]
    assert log.path.read_text(encoding="utf-8").rstrip("\n").isprintable()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        JsonlLog(tmp_path / "file" / "log.jsonl")


WRITER = """
import sys
from pathlib import Path
from r1lab.records.loggers import JsonlLog
log = JsonlLog(Path(sys.argv[1]))
first = len(log.rows())
for phase in range(first, 10**6):
    log.write({"phase": phase, "filling": "x" * 20000})
"""


def test_kill_9_while_writing_and_going_on_leaves_no_row_twice_or_missing(tmp_path):
    path = tmp_path / "log.jsonl"
    for size in (10**6, 2 * 10**6, 3 * 10**6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        while not path.exists() or path.stat().st_size < size:
            assert writer.poll() is None
        writer.kill()
        writer.wait()
    rows = JsonlLog(path).rows()
    assert len(rows) >= 140 and [row["phase"] for row in rows] == list(range(len(rows)))


LIMITED = """
import resource, sys
from pathlib import Path
from r1lab.errors import StorageError
from r1lab.records.loggers import JsonlLog
log = JsonlLog(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (1050, 1050))
for phase in range(100):
    try:
        log.write({"phase": phase, "filling": "x" * 70})
    except StorageError as error:
        print(phase, error)
        break
"""


def test_a_line_that_the_disk_refuses_is_an_error_at_once_and_no_row(tmp_path):
    path = tmp_path / "log.jsonl"
    result = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True)
    assert result.stdout.startswith("10 ") and "cannot be written" in result.stdout, result.stderr
    assert path.stat().st_size == 1050  # 10 lines of less than 105 bytes, and the torn one
    assert [row["phase"] for row in JsonlLog(path).rows()] == list(range(10))
    assert path.stat().st_size < 1050


def test_no_tracker_where_none_is_wanted(tmp_path):
    assert Tracker("disabled", "r1lab")(tmp_path, "name", {}, "abc-attempt_1") is None
    assert not any(tmp_path.iterdir())


TRACKED = """
import logging, os, signal, subprocess, sys
from pathlib import Path
logging.basicConfig(stream=sys.stdout, format="%(message)s")
from r1lab.records.loggers import Tracker
folder = Path(sys.argv[1])
def wandb_service():
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb"], capture_output=True).stdout
    return [int(pid) for pid in found.split()]
mirror = Tracker("auto", "r1lab")(folder, "name", {"clip": float("inf")}, "abc-attempt_1")
print("version", mirror.version)
mirror.log_metrics({"reward": 1.0}, step=1)
mirror.finalize("success")
mirror.log_metrics({"reward": 2.0}, step=2)
for pid in wandb_service():
    os.kill(pid, signal.SIGKILL)
    while os.path.exists(f"/proc/{pid}") and "Z" not in open(f"/proc/{pid}/stat").read().split()[2]:
        pass
for step in range(3, 20):
    mirror.log_metrics({"reward": 2.0}, step=step)
mirror.close()
print("still here")
"""


def test_wandb_is_offline_without_a_key_keeps_the_runs_id_and_its_death_stops_nothing(tmp_path):
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRACKED, str(tmp_path / "run")]
    (tmp_path / "run").mkdir()
    result = subprocess.run(command, capture_output=True, text=True, env=home, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "version abc-attempt_1" in result.stdout and "still here" in result.stdout
    assert result.stdout.count("the run goes on without it") == 1
    assert len(list((tmp_path / "run/wandb").glob("offline-run-*-abc-attempt_1"))) == 1
