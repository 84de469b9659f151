"""A verifier that hangs, crashes or eats memory costs its deadline, is recorded by status, and never stops the run."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from r1lab.records.tables import SCORES, Table

ROOT = Path(__file__).resolve().parents[2]


def run(root, *overrides):
    return subprocess.run(
        [sys.executable, "-m", "r1lab", "experiments=tiny", f"run.root={root}", "reward@rewards.accuracy=accuracy",
         "rewards.accuracy.checkers.math._target_=broken_checker.BrokenChecker", "rewards.accuracy.timeout_seconds=1",
         "rewards.accuracy.checkers.code.total_seconds=0.5",
         "template=plain", "template.answer_rule=whole", "rewards.format.weight=0", "stage.max_steps=4",
         "stage.ref_refresh_steps=4", "stage.plan.max_new_tokens=4", "evaluation.questions=2", "evaluation.samples=2",
         "evaluation.rewards.format.weight=0", "evaluation.fault_budget.max_share=1.0", *overrides],
        cwd=ROOT, capture_output=True, text=True, timeout=280,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip


def test_faults_are_recorded_and_the_run_goes_on(tmp_path):
    done = run(tmp_path, "stage.fault_budget.max_share=1.0")
    assert done.returncode == 0, done.stderr[-3000:]
    (folder,) = tmp_path.glob("tiny/*/attempt_1")
    scores = [row for row in Table(folder / "scores.parquet", SCORES).rows() if row["kind"] == "train"]
    by_status = Counter(row["status"] for row in scores if row["name"] == "accuracy")
    assert by_status["ok"] and by_status["timeout"] and by_status["crash"], by_status
    for row in scores:
        if row["status"] == "timeout":
            assert 1000 <= row["ms"] < 3000 and row["reason"]
    steps = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert len(steps) == 2 and sum(s["fault/timeout"] + s["fault/crash"] for s in steps) > 0


def test_too_many_faults_stop_the_run_with_the_sample_shown(tmp_path):
    done = run(tmp_path, "stage.fault_budget.max_share=0.05", "stage.fault_budget.min_scores=10")
    assert done.returncode == 1
    assert "accuracy scores are faults of verifiers or data, more than 5%" in done.stderr
    assert "accuracy:" in done.stderr and "gold" in done.stderr
    (folder,) = tmp_path.glob("tiny/*/attempt_1")
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"
    assert list((folder / "rollouts.parquet").glob("*.parquet")), "what was sampled is kept"


def test_small_phases_are_judged_together(tmp_path):
    # a phase of tiny has 32 scores
    done = run(tmp_path, "stage.fault_budget.max_share=0.05", "stage.fault_budget.min_scores=60")
    assert done.returncode == 1
    assert "of 32 accuracy scores are faults of verifiers or data, more than 5%" in done.stderr
    (folder,) = tmp_path.glob("tiny/*/attempt_1")
    assert len((folder / "log.jsonl").read_text().splitlines()) == 2
