"""Multirun sweeps: one after the other, and as processes of their own through submitit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("launcher", ["basic", "submitit_local"])
def test_a_sweep_over_seeds(launcher, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", "-m", "experiments=tiny", "run.seed=0,1", f"hydra/launcher={launcher}",
         f"run.root={tmp_path}", "stage.max_steps=4", "stage.ref_refresh_steps=4", "evaluation.questions=2"],
        cwd=ROOT, capture_output=True, text=True, timeout=280, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    runs = sorted(tmp_path.glob("tiny/*/attempt_1"))
    assert len(runs) == 2, "each seed has an address of its own"
    states = [json.loads((run / "run.json").read_text()) for run in runs]
    assert [s["state"] for s in states] == ["finished", "finished"]
    assert sorted(s["seeds"]["run"] for s in states) == [0, 1]
    assert len(list(tmp_path.glob("artifacts/policy/*/base.json"))) == 1, "one base serves both"
    first, second = ((run / "steps.parquet" / "phase-000001.rank-0.parquet").read_bytes() for run in runs)
    assert first != second


@pytest.mark.parametrize("launcher", ["basic", "submitit_local"])
def test_a_sweep_of_runs_with_two_ranks(launcher, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", "-m", "experiments=tiny", "run.seed=5,6", f"hydra/launcher={launcher}",
         "strategy=ddp", "strategy.devices=2", f"run.root={tmp_path}", "stage.max_steps=4",
         "stage.ref_refresh_steps=4", "evaluation.questions=2"],
        cwd=ROOT, capture_output=True, text=True, timeout=280, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    runs = sorted(tmp_path.glob("tiny/*/attempt_1"))
    states = [json.loads((run / "run.json").read_text()) for run in runs]
    assert [s["state"] for s in states] == ["finished", "finished"]
    assert sorted(s["seeds"]["run"] for s in states) == [5, 6]
    for run in runs:
        assert (run / "steps.parquet" / "phase-000001.rank-0.parquet").exists()
        assert (run / "rollouts.parquet" / "phase-000001.rank-1.parquet").exists(), "the second rank wrote its own"
