"""An evaluation as a command: any number of ranks comes to the same numbers, and what a rank has done is kept."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from r1lab.records.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "stage=evaluate", "tracker=disabled", "run.min_free_bytes=100000000", "model.local.architecture.hidden_size=32",
    "model.local.architecture.intermediate_size=64", "model.local.architecture.moe_intermediate_size=32",
    "model.local.architecture.num_hidden_layers=2", "model.local.tokenizer_texts=200", "model.local.processes=1",
    "model.local.steps=12", "evaluation.questions=7", "evaluation.samples=4", "evaluation.max_new_tokens=16",
)  # fmt: skip


def evaluate(root, ranks, *words):
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *TINY, f"run.root={root}", f"strategy.cpu_devices={ranks}", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = root.glob("evaluate/*/latest") if list(root.glob("evaluate/*/latest")) else root.glob("evaluate/latest")
    return folder.resolve()


def rows(folder):
    """What was asked and written, in order."""
    return sorted((row["question_id"], row["sample"], row["text"]) for row in Ledger(folder).rollouts.rows())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return evaluate(tmp_path_factory.mktemp("alone"), 1)


def test_two_ranks_come_to_the_numbers_of_one(alone, tmp_path):
    shared = evaluate(tmp_path, 2)
    assert len(rows(shared)) == 28 and rows(shared) == rows(alone)
    assert (shared / "summary.json").read_text() == (alone / "summary.json").read_text()
    parts = [json.loads((shared / f"outcomes-{number}-of-2.json").read_text()) for number in (0, 1)]
    assert [[row["index"] for row in part] for part in parts] == [[0, 2, 4, 6], [1, 3, 5]]


def test_what_a_killed_run_has_judged_is_not_asked_again(alone, tmp_path):
    """As if killed between the two ranks' ends; the part that is there is taken as it is."""
    shared = evaluate(tmp_path, 2)
    numbers = (shared / "summary.json").read_text()
    record = shared / "run.json"
    record.write_text(record.read_text().replace('"state": "finished"', '"state": "running"'))
    (shared / "outcomes-1-of-2.json").unlink()
    kept = (shared / "outcomes-0-of-2.json").stat().st_mtime_ns
    assert evaluate(tmp_path, 2) == shared and (shared / "summary.json").read_text() == numbers
    assert (shared / "outcomes-0-of-2.json").stat().st_mtime_ns == kept and len(rows(shared)) == 28
    # another number of ranks begins anew, and leaves no row twice
    record.write_text(record.read_text().replace('"state": "finished"', '"state": "running"'))
    assert evaluate(tmp_path, 1) == shared and rows(shared) == rows(alone)
    assert not list(shared.glob("outcomes-*-of-2.json"))


@pytest.mark.parametrize("share, code", [(0.05, 1), (1.0, 0)])
def test_an_evaluation_whose_verifier_fails_is_refused_and_its_completions_kept(share, code, tmp_path):
    words = [
        f"run.root={tmp_path}", "strategy.cpu_devices=1", f"evaluation.fault_budget.max_share={share}",
        "evaluation.rewards.accuracy.checkers.math._target_=broken_checker.BrokenChecker",
        "evaluation.rewards.accuracy.timeout_seconds=1", "evaluation.rewards.accuracy.checkers.code.total_seconds=0.5",
        "template=plain", "template.answer_rule=whole",
        "evaluation.max_new_tokens=4",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *TINY, *words], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "tests/cli")},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    if code:
        assert "of 28 accuracy scores are faults of verifiers or data, more than 5%" in done.stderr
    else:
        assert "% of completions not judged" in done.stdout
    (folder,) = tmp_path.glob("evaluate/*/attempt_1")
    assert len(rows(folder)) == 28 and (folder / "summary.json").exists() == (code == 0)
