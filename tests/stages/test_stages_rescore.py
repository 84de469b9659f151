"""`stage=rescore` from the command line, on a run made by hand."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from stored_run import accuracy, groups, scored, store

from r1lab.diagnosis.rescore import RESCORED
from r1lab.records.tables import Table

ROOT = Path(__file__).resolve().parents[2]


def rescore(root, *overrides):
    return subprocess.run(
        [sys.executable, "-m", "r1lab", "stage=rescore", f"run.root={root}", "tracker=disabled",
         "run.min_free_bytes=1000000", *overrides],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture
def stored(tmp_path):
    folder = tmp_path / "hand" / "0f3a" / "attempt_1"
    store(folder, scored(groups(), {"accuracy": accuracy()}))
    (tmp_path / "hand" / "latest").symlink_to(Path("0f3a") / "attempt_1")
    return folder


def test_a_run_is_rescored_again_when_it_has_gone_on(tmp_path, stored):
    shuffled = ("reward@rewards.accuracy=shuffled_gold", "rewards.accuracy.golds=['7','9']", "~reward@rewards.format")
    done = rescore(tmp_path, f"stage.folder={tmp_path / 'hand'}", *shuffled)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "12 completions (train) judged again" in done.stdout
    assert "accuracy: 12 scores, 6 differ" in done.stdout and "6 advantages change sign" in done.stdout
    (folder,) = tmp_path.glob("rescore/*/attempt_1")
    rows = Table(folder / "rescored.parquet", RESCORED).rows()
    assert sum(row["change"] in ("higher", "lower") for row in rows) == 6 and len(rows) == 12
    summary, run = (json.loads((folder / name).read_text()) for name in ("summary.json", "run.json"))
    assert summary["run"] == str(stored) and summary["advantages_change_sign"] == 6
    assert run["parents"] == {"run": "0f3a-attempt_1", "parts": "1"} and run["state"] == "finished"
    assert (folder / "report.txt").read_text() in done.stdout

    again = rescore(tmp_path, f"stage.folder={tmp_path / 'hand'}", *shuffled)
    assert "This run is finished" in again.stdout and "6 differ" in again.stdout
    store(stored, scored(groups(), {"accuracy": accuracy()}), phase=2, step=2)  # the run goes on
    later = rescore(tmp_path, f"stage.folder={tmp_path / 'hand'}", *shuffled)
    assert "24 completions" in later.stdout and "12 differ" in later.stdout


def test_the_rewards_of_training_are_the_default(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "accuracy: 12 scores, 0 differ" in done.stdout and "ok, new" in done.stdout
    left_out = rescore(tmp_path, f"stage.folder={stored}", "~reward@rewards.accuracy")
    assert "judged again, not by accuracy" in left_out.stdout


def test_a_folder_that_is_no_run_lists_the_runs_there_are(tmp_path, stored):
    for override in ((), (f"stage.folder={tmp_path / 'nothing'}",)):
        done = rescore(tmp_path, *override)
        assert done.returncode == 1 and "stage.folder=FOLDER" in done.stderr and str(stored) in done.stderr
    done = rescore(tmp_path / "empty")
    assert done.returncode == 1 and "none" in done.stderr
    assert not (tmp_path / "rescore").exists()


def test_a_reward_model_that_is_not_there_is_a_fault(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}", "+reward@rewards.helpful=helpful",
                   "rewards.helpful.model.source=/nowhere")  # fmt: skip
    assert done.returncode == 1 and "rewards.helpful.model: There is no such model folder. /nowhere" in done.stderr
    assert not (tmp_path / "rescore").exists()


def test_completions_that_are_not_there_name_those_that_are(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}", "stage.kinds=[train,evaluation-after]")
    assert done.returncode == 1 and "has no evaluation-after. Try stage.kinds=[train]" in done.stderr
