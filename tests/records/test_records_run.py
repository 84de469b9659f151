"""Which attempt goes on, who may write it, and what run.json says of it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from r1lab.errors import StorageError
from r1lab.records.run import RunRecord

CONFIG = {"stage": {"lr": 3e-6, "limits": {0: 32768, 8200: 65536}}, "names": ["a", "ü"], "none": None}


def start(root: Path, resume: str = "auto", **more) -> RunRecord:
    return RunRecord.open(root, "zero", "abc", CONFIG, ["stage=r1zero"], resume, min_free_bytes=1, **more)


def on_disk(record: RunRecord) -> dict:
    return json.loads((record.folder / "run.json").read_text())


def test_a_first_start_writes_the_whole_story(tmp_path):
    with start(tmp_path, seeds={"run": 7}, parents={"policy": "p1"}) as record:
        assert record.folder == tmp_path / "zero/abc/attempt_1" and record.id == "abc-attempt_1"
        run = on_disk(record)
    assert run["state"] == "running" and run["seeds"] == {"run": 7} and run["parents"] == {"policy": "p1"}
    assert run["config"] == json.loads(json.dumps(CONFIG)) and run["overrides"] == ["stage=r1zero"]
    assert run["address"] == "abc" and run["experiment"] == "zero"
    assert run["machine"]["cores"] >= 1 and run["machine"]["memory_bytes"] > 10**8 and run["machine"]["torch"]
    assert set(run["code"]) == {"version", "commit", "dirty"}
    assert [s["pid"] for s in run["starts"]] == [os.getpid()] and run["starts"][0]["resumed_from_phase"] is None
    assert yaml.safe_load((record.folder / ".hydra/config.yaml").read_text()) == CONFIG
    assert yaml.safe_load((record.folder / ".hydra/overrides.yaml").read_text()) == ["stage=r1zero"]
    assert on_disk(record)["state"] == "finished" and on_disk(record)["ended"]


def test_auto_goes_on_with_a_failed_attempt_and_notes_where(tmp_path):
    with pytest.raises(ZeroDivisionError), start(tmp_path):
        _ = 1 / 0
    with start(tmp_path) as record:
        assert record.folder.name == "attempt_1" and not record.finished
        record.resumed_from(12)
        run = on_disk(record)
        assert run["state"] == "running" and run["error"] is None
        assert [s["resumed_from_phase"] for s in run["starts"]] == [None, 12]


def test_a_failure_is_kept_with_its_error(tmp_path):
    with pytest.raises(ValueError), start(tmp_path) as record:
        raise ValueError("loss is nan")
    assert on_disk(record)["state"] == "failed" and on_disk(record)["error"] == "ValueError: loss is nan"


def test_auto_returns_a_finished_attempt_untouched(tmp_path):
    with start(tmp_path) as first:
        pass
    before = (first.folder / "run.json").read_bytes()
    with start(tmp_path) as record:
        assert record.finished and record.folder == first.folder
    assert (first.folder / "run.json").read_bytes() == before


def test_never_makes_a_new_attempt_and_always_needs_one(tmp_path):
    with pytest.raises(StorageError, match="no run to resume"):
        start(tmp_path, "always")
    for number in (1, 2, 3):
        with start(tmp_path, "never") as record:
            assert record.folder.name == f"attempt_{number}"
        assert (tmp_path / "zero/latest").resolve() == record.folder.resolve()
    assert os.readlink(tmp_path / "zero/latest") == "abc/attempt_3"  # relative: the folder may be moved as a whole
    (tmp_path / "zero/abc/attempt_10").mkdir()
    (tmp_path / "zero/abc/attempt_11.bak").mkdir()
    with start(tmp_path, "always") as record:
        assert record.folder.name == "attempt_10"  # by number, not by text


def test_the_stated_room_is_asked_for_before_anything_starts(tmp_path):
    with pytest.raises(StorageError, match="too full"):
        RunRecord.open(tmp_path, "zero", "abc", CONFIG, [], "auto", min_free_bytes=10**18)
    assert not list((tmp_path / "zero/abc").glob("attempt_*"))


HOLDER = """
import os, sys, time
from pathlib import Path
from r1lab.records.run import RunRecord
with RunRecord.open(Path(sys.argv[1]), "zero", "abc", {}, [], "auto", min_free_bytes=1) as record:
    if sys.argv[2] == "fork":
        ours, theirs = os.pipe()
        if os.fork() == 0:
            os.write(theirs, b"!")
            time.sleep(8)
            os._exit(0)
        os.read(ours, 1)  # under load the child may come late
    print("open", flush=True)
    time.sleep(60)
"""


def hold(root: Path, how: str = "plain") -> subprocess.Popen:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(root), how], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "open\n"
    return process


def test_a_second_process_is_refused_by_the_pid_of_the_first_until_it_is_killed(tmp_path):
    process = hold(tmp_path)
    with pytest.raises(StorageError, match="Another process works in") as caught:
        start(tmp_path)
    assert f"process {process.pid} on" in caught.value.found and "run.resume=never" in caught.value.remedy
    with start(tmp_path, "never") as beside:
        assert beside.folder.name == "attempt_2"
    joined = RunRecord.attach(tmp_path, "zero", "abc")
    assert joined.folder == beside.folder
    joined.finish()  # of another process: writes nothing
    process.kill()
    process.wait()
    (tmp_path / "zero/abc/attempt_2/run.json").unlink()
    (tmp_path / "zero/abc/attempt_2").rename(tmp_path / "kept")
    with start(tmp_path) as record:
        assert record.folder.name == "attempt_1"
        assert [s["pid"] for s in record.run["starts"]] == [process.pid, os.getpid()]


def test_a_worker_that_outlives_its_killed_run_does_not_keep_the_attempt(tmp_path):
    process = hold(tmp_path, "fork")
    process.kill()
    process.wait()
    began = time.monotonic()
    with start(tmp_path) as record:
        assert record.folder.name == "attempt_1" and time.monotonic() - began < 5


def test_kill_9_between_folder_and_first_word_is_a_first_start(tmp_path):
    (tmp_path / "zero/abc/attempt_1").mkdir(parents=True)
    with start(tmp_path) as record:
        assert record.folder.name == "attempt_1" and len(record.run["starts"]) == 1
        assert on_disk(record)["config"]["names"] == ["a", "ü"]


@pytest.mark.parametrize("torn", ['{"state": ', "null", "\x80"])
def test_an_attempt_with_a_damaged_run_json_goes_on_and_the_file_is_kept(tmp_path, torn, caplog):
    with start(tmp_path) as record:
        (record.folder / "checkpoint").write_text("step 7")
    path = record.folder / "run.json"
    path.write_bytes(torn.encode("latin-1"))
    found = RunRecord.newest(tmp_path, "zero", "abc")
    assert found.folder == record.folder and not found.finished
    with start(tmp_path) as again:
        assert again.folder == record.folder and (again.folder / "checkpoint").read_text() == "step 7"
        assert len(again.run["starts"]) == 1 and on_disk(again)["config"]["names"] == ["a", "ü"]
    assert f"{path} was damaged (now run.json.damaged)" in caplog.text
    assert on_disk(again)["state"] == "finished"
    assert (again.folder / "run.json.damaged").read_bytes() == torn.encode("latin-1")
    path.write_text("{")
    with start(tmp_path, "never") as record:
        assert record.folder.name == "attempt_2"


def test_joining_a_run_that_nobody_opened_is_refused(tmp_path):
    with pytest.raises(StorageError, match="no run to join"):
        RunRecord.attach(tmp_path, "zero", "abc")
