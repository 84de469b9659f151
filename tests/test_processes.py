"""The first process of a run has the others beside it, and none outlives it."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import os, sys, time
from functools import partial
from pathlib import Path
from r1lab.processes import is_first, together

def run(folder, size, ending):
  rank, before = os.environ.get("LOCAL_RANK", "0"), dict(os.environ)
  def tell(what):
    (folder / f"{what}.{rank}").write_text(str(os.getpid()))
  with together(partial(run, folder, size, ending), size, imports=("colorsys",)) as meet:
    tell("entered")
    if not is_first():
        assert "colorsys" in sys.modules
        if ending == "all fail":
            raise SystemExit("the check fails")
        meet()
    else:
        assert "colorsys" not in sys.modules
        while ending == "checks long":
            time.sleep(0.1)
        if ending in ("fails", "all fail"):
            time.sleep(2)  # others have come to the meeting by then
            raise SystemExit("the check fails")
        meet()
    tell("met")
    if ending == "works long" or (ending == "another fails" and is_first()):
        tell("works")
        time.sleep(600)
    if ending == "another fails":
        raise SystemExit(3)
    tell(f"world {os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}".replace("/", ""))
  tell("left")
  assert not is_first() or dict(os.environ) == before
"""


def start(folder, size, ending, **environment):
    (folder / "script.py").write_text(SCRIPT)
    command = f"from pathlib import Path; import script; script.run(Path({str(folder)!r}), {size}, {ending!r})"
    plain = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "SLURM_NTASKS", "MASTER_PORT")}
    return subprocess.Popen(
        [sys.executable, "-c", command], cwd=ROOT, text=True, stderr=subprocess.PIPE,
        env=plain | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"} | environment,
    )  # fmt: skip


def told(folder, what):
    return sorted(path.suffix for path in folder.glob(f"{what}.*"))


def wait_for(ready):
    for _ in range(600):
        if ready():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass within 30 s")


def alive(folder, what):
    """Which of the processes that said so are still there; zombies are not."""
    pids = [int(path.read_text()) for path in folder.glob(f"{what}.*")]
    states = [Path(f"/proc/{pid}/stat") for pid in pids]
    return [p for p in states if p.exists() and p.read_text().rpartition(")")[2].split()[0] != "Z"]


def test_all_go_through_the_block_at_one_address(tmp_path):
    process = start(tmp_path, 3, "well")
    assert process.wait(60) == 0, process.stderr.read()
    assert told(tmp_path, "entered") == told(tmp_path, "left") == [".0", ".1", ".2"]
    addresses = {path.name.rpartition(".")[0] for path in tmp_path.glob("world *")}
    assert len(addresses) == 1 and "world None" not in addresses.pop()


@pytest.mark.parametrize("ending", ["fails", "all fail"])
def test_others_wait_at_the_meeting_and_end_in_silence_where_the_first_one_fails(ending, tmp_path):
    process = start(tmp_path, 2, ending)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and error.count("the check fails") == 1
    assert told(tmp_path, "entered") == [".0", ".1"] and told(tmp_path, "met") == []
    assert not alive(tmp_path, "entered")


@pytest.mark.parametrize("ending, what", [("works long", "works"), ("checks long", "entered")])
def test_none_outlives_a_first_one_that_was_killed(ending, what, tmp_path):
    process = start(tmp_path, 2, ending)
    wait_for(lambda: told(tmp_path, what) == [".0", ".1"])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not Path(f"/proc/{children[0]}").exists() and not alive(tmp_path, what))


def test_the_first_one_ends_where_another_one_does(tmp_path):
    process = start(tmp_path, 2, "another fails")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1 and "sys.exit(3), which would end the run" in error
    assert "The same command goes on from the last checkpoint." in error and not alive(tmp_path, "entered")


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "SLURM_NTASKS"])
def test_where_a_launcher_starts_all_nothing_more_is_started(name, tmp_path):
    process = start(tmp_path, 2, "well", **{name: "0" if name != "SLURM_NTASKS" else "2"})
    assert process.wait(60) == 0, process.stderr.read()
    assert told(tmp_path, "entered") == [".0"]


def test_what_other_machines_have_not_done_yet_is_waited_for_and_said(tmp_path):
    from r1lab.processes import wait_for

    said, parts = [], [tmp_path / "a", tmp_path / "b"]
    parts[0].touch()
    other = threading.Timer(0.3, parts[1].touch)
    other.start()
    wait_for(lambda: sum(not part.exists() for part in parts), "ranks", said.append)
    assert parts[1].exists() and said == ["Waiting for 1 ranks of other machines"]
    wait_for(lambda: 0, "ranks", said.append)
    assert len(said) == 1
