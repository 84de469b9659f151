"""Files whole or not at all, JSON without forbidden numbers, room asked for before the work."""

import json
import math
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest
import torch

from r1lab.disk import Lock, plain, replacing, require_space, write_json_atomic
from r1lab.errors import StorageError


class Finish(StrEnum):
    STOP = "stop"


def test_json_round_trip_of_what_configs_and_metrics_hold(tmp_path):
    write_json_atomic(
        tmp_path / "run.json",
        {"path": Path("a/b"), 0: (1, 2), "nan": math.nan, "inf": -math.inf, "np": np.float64(0.5), "t": torch.tensor(3),
         "finish": Finish.STOP, "text": "ü", "on": True, "none": None},
    )  # fmt: skip
    text = (tmp_path / "run.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "path": "a/b", "0": [1, 2], "nan": "nan", "inf": "-inf", "np": 0.5, "t": 3, "finish": "stop", "text": "ü",
        "on": True, "none": None,
    }  # fmt: skip
    assert plain(0.1) == 0.1


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_write_takes_the_files_place_and_never_touches_the_old_content(tmp_path):
    path, old = tmp_path / "run.json", tmp_path / "old.json"
    write_json_atomic(path, [1])
    old.hardlink_to(path)  # a kill while writing in place would show here
    write_json_atomic(path, [2])
    assert json.loads(path.read_text()) == [2] and json.loads(old.read_text()) == [1]


WRITER = """
import sys
from pathlib import Path
from r1lab.disk import write_json_atomic
print("writing", flush=True)
for number in range(10**9):
    write_json_atomic(Path(sys.argv[1]), {"number": number, "filling": ["x" * 50] * 2000})
"""


def test_kill_9_while_writing_leaves_a_whole_file(tmp_path):
    path = tmp_path / "run.json"
    for delay in (0.03, 0.05, 0.08):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        while not path.exists():
            pass
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(timeout=delay)
        writer.kill()
        writer.wait()
        assert len(json.loads(path.read_text())["filling"]) == 2000


def test_room_and_permission_are_asked_for_before_the_work(tmp_path):
    require_space(tmp_path / "new" / "folder", 1)
    assert list((tmp_path / "new/folder").iterdir()) == []
    too_much = shutil.disk_usage(tmp_path).free + 10**12
    with pytest.raises(StorageError, match="too full") as caught:
        require_space(tmp_path, too_much)
    assert f"{too_much / 1e9:.2f} GB wanted" in caught.value.found
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "x", Path("/proc/r1lab")):
        with pytest.raises(StorageError, match="cannot be written"):
            require_space(folder, 1)


def test_a_lock_is_held_once_and_free_after_release(tmp_path):
    lock = Lock.take(tmp_path / ".lock", wait=False)
    assert Lock.take(tmp_path / ".lock", wait=False) is None
    lock.release()
    lock.release()
    with Lock.take(tmp_path / ".lock", wait=False):
        assert Lock.take(tmp_path / ".lock", wait=False) is None
    assert Lock.take(tmp_path / ".lock", wait=True) is not None
