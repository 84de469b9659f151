"""An experiment with arms: every arm with every seed, one table, one figure, and nothing is run twice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def said(root, *words, status=0):
    command = [sys.executable, "-m", "r1lab", "experiments=tiny_comparison", f"run.root={root}", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("comparison")
    return root, said(root)


def test_every_arm_runs_with_every_seed(whole):
    root, text = whole
    runs = [json.loads(path.read_text())["config"] for path in root.glob("r1zero/*/attempt_1/run.json")]
    met = sorted((run["stage"]["plan"]["temperature"], run["run"]["seed"]) for run in runs)
    assert met == [(1.0, 0), (1.0, 1), (1.5, 0), (1.5, 1)]
    assert "Seeds 0, 1: mean (lowest to highest)" in text
    (folder,) = root.glob("tiny_comparison/*/attempt_1")
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
    found = json.loads((folder / "summary.json").read_text())
    assert found["seeds"] == [0, 1] and list(found["arms"]) == ["warm", "hot"]
    # the numbers of an arm are those of its own runs' last evaluations
    for arm, temperature in (("warm", 1.0), ("hot", 1.5)):
        own = {}
        for path in root.glob("r1zero/*/attempt_1/run.json"):
            run = json.loads(path.read_text())["config"]
            if run["stage"]["plan"]["temperature"] == temperature:
                last = sorted(path.parent.glob("evaluations/*.json"))[-1]
                own[run["run"]["seed"]] = json.loads(last.read_text())["mean_length"]
        assert [numbers["mean_length"] for numbers in found["arms"][arm]] == [own[0], own[1]]
    row = next(line for line in text.splitlines() if line.startswith("length "))
    assert all(f"{sum(n['mean_length'] for n in arm) / 2:.1f} (" in row for arm in found["arms"].values())


def test_nothing_runs_twice_and_another_seed_alone_is_new(whole):
    root, _ = whole
    began = {path: path.stat().st_mtime_ns for path in root.glob("*/*/attempt_1/run.json")}
    assert "This run is finished" in said(root)
    table = said(root, "stage.seeds=[0,1,2]", "plan=true")
    states = {line.split()[0]: line for line in table.splitlines() if "/rl" in line}
    assert {name for name, line in states.items() if "to do" in line} == {"warm/2/rl", "hot/2/rl"}
    assert began == {path: path.stat().st_mtime_ns for path in root.glob("*/*/attempt_1/run.json")}


def test_nothing_to_compare_is_said(tmp_path):
    told = said(tmp_path, "stage.seeds=[]", status=1)
    assert "nothing to compare" in told and "experiments=clip_bounds" in told


def test_a_number_that_no_evaluation_has_is_told_before_anything_runs(tmp_path):
    told = said(tmp_path, "+stage.shows.reading=scores.readable", "+stage.shows.easy=accuracy_by_level.1", status=1)
    assert "reading: scores.readable is no number of stage.arms.warm" in told and "scores.format" in told
    assert "easy" not in told and not list(tmp_path.iterdir())
