"""n steps = k steps + kill -9 + resume + the rest, bit for bit; and a broken checkpoint costs one checkpoint."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow import parquet

ROOT = Path(__file__).resolve().parents[2]
CLOCKS = ("seconds/", "tokens_per_second", "ms", "created")


def command(root, *overrides):
    return [sys.executable, "-m", "r1lab", "experiments=tiny", f"run.root={root}", *overrides]


def start(root, *overrides):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command(root, *overrides), cwd=ROOT, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def finish(root, *overrides):
    process = start(root, *overrides)
    text, _ = process.communicate(timeout=240)
    assert process.returncode == 0, text
    return text


def kill_when(root, ready, *overrides):
    """Starts the run and kills it with -9 as soon as `ready(folder)` holds."""
    process = start(root, *overrides)
    try:
        for _ in range(24_000):
            folder = next(root.glob("tiny/*/attempt_1"), None)
            if folder is not None and ready(folder):
                break
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return folder


def rows_of(folder, table):
    parts = sorted((folder / table).glob("phase-*.parquet"))
    rows = [row for part in parts for row in parquet.ParquetFile(part).read().to_pylist()]
    return [{k: v for k, v in row.items() if not k.startswith(CLOCKS)} for row in rows]


def essence(root):
    """All that a run leaves behind, clocks left out."""
    (folder,) = root.glob("tiny/*/attempt_1")
    newest = max(folder.glob("checkpoints/step-*"))
    state = json.loads((newest / "checkpoint.json").read_text())["state"]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    summary = json.loads((folder / "summary.json").read_text())
    return {
        "address": folder.parent.name,
        "weights": (newest / "model.safetensors").read_bytes(),
        "trainer": trainer_state(newest),
        "state": {k: v for k, v in state.items() if k != "seconds"},
        "log": [{k: v for k, v in row.items() if not k.startswith(CLOCKS)} for row in log],
        "evaluations": [json.loads(p.read_text()) for p in sorted((folder / "evaluations").glob("*.json"))],
        **{t: rows_of(folder, t) for t in ("steps.parquet", "rollouts.parquet", "scores.parquet")},
        "summary": {k: v for k, v in summary.items() if k not in ("seconds", "peak_rss_bytes", "policy")},
    }


def trainer_state(checkpoint):
    """Optimizer and reference, tensor by tensor: the container's bytes may differ where its contents do not."""
    import torch
    from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

    whole = checkpoint.parent / f"{checkpoint.name}.pt"
    dcp_to_torch_save(checkpoint / "trainer", whole)
    flat, stack = {}, [("", torch.load(whole, weights_only=False))]
    whole.unlink()
    while stack:
        name, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{name}/{key}", item) for key, item in value.items()]
        else:
            flat[name] = value.numpy().tobytes() if isinstance(value, torch.Tensor) else repr(value)
    assert any(name.startswith("/reference") for name in flat) and any("exp_avg" in name for name in flat)
    return flat


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    root = tmp_path_factory.mktemp("whole")
    finish(root)
    return root


def after_first_phase(folder):
    log = folder / "log.jsonl"
    return log.exists() and log.read_text().count("\n") >= 1


def while_a_checkpoint_is_written(folder):
    return any(folder.glob("checkpoints/.step-*.draft"))


def in_the_middle_of_a_later_phase(folder):
    # a row of phase 3 is there (step 6), two steps after the checkpoint of step 4
    return any(folder.glob("rollouts.parquet/phase-000003.rank-0.parquet"))


MOMENTS = [after_first_phase, while_a_checkpoint_is_written, in_the_middle_of_a_later_phase]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: m.__name__)
def test_kill_and_resume_equals_the_whole_run(moment, whole, tmp_path):
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    kill_when(tmp_path, moment)
    finish(tmp_path)
    expected, found = essence(whole), essence(tmp_path)
    for part in expected:
        assert found[part] == expected[part], part
    rewards = {row["reward"] for row in found["rollouts.parquet"] if row["kind"] == "train"}
    assert len(rewards) > 1, "nothing was learned from: the comparison would prove nothing"


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_so_and_goes_on(number, code, whole, tmp_path):
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    process = start(tmp_path)
    while not any(tmp_path.glob("tiny/*/attempt_1/rollouts.parquet/phase-000002.rank-0.parquet")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)
    process.send_signal(number)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == code, text
    assert "Stopped. The same command goes on from the last checkpoint." in text
    assert "Traceback" not in text
    finish(tmp_path)
    expected, found = essence(whole), essence(tmp_path)
    for part in expected:
        assert found[part] == expected[part], part


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_of_two_ranks_stops_as_one(number, code, whole, tmp_path):
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    process = start(tmp_path, "strategy=ddp", "strategy.devices=2")
    while not any(tmp_path.glob("tiny/*/attempt_1/rollouts.parquet/phase-000002.rank-1.parquet")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.005)
    other = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(number)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == code, text
    assert text.count("Stopped.") == 1 and "Traceback" not in text
    assert other and not any(Path(f"/proc/{pid}").exists() for pid in other)


def test_a_finished_run_shows_its_report_and_does_nothing(whole):
    before = essence(whole)
    text = finish(whole)
    assert "finished" in text and "pass@1" in text
    assert essence(whole) == before


def test_a_broken_newest_checkpoint_falls_back_with_a_word(whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True, symlinks=True)
    (folder,) = tmp_path.glob("tiny/*/attempt_1")
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"state": "running"}))
    newest = max(folder.glob("checkpoints/step-*"))
    weights = newest / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    text = finish(tmp_path)
    assert f"Checkpoint {newest.name} is broken (model.safetensors is not what was written)" in text
    assert "Going on from step 8 of 12" in text
    assert "No checkpoint is whole" not in text
    expected, found = essence(whole), essence(tmp_path)
    for part in expected:
        assert found[part] == expected[part], part


@pytest.mark.parametrize("damage", ["[]", '{"files": {}}'])
def test_without_a_whole_checkpoint_the_run_starts_again_with_a_word(damage, whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True, symlinks=True)
    (folder,) = tmp_path.glob("tiny/*/attempt_1")
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"state": "running"}))
    (folder / "checkpoints" / "step-000009x").mkdir()
    for manifest in folder.glob("checkpoints/step-*/checkpoint.json"):
        manifest.write_text(damage)
    text = finish(tmp_path)
    assert "checkpoint.json is missing or unreadable" in text
    assert "No checkpoint is whole: starting again from the first step." in text
    (folder / "checkpoints" / "step-000009x").rmdir()
    assert essence(tmp_path)["weights"] == essence(whole)["weights"]
