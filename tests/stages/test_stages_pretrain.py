"""`stage=pretrain` makes a base of the family's own architecture that transformers loads."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "model, architecture",
    [("v3base", "DeepseekV3ForCausalLM"), ("qwen2_5_0_5b", "Qwen2ForCausalLM"), ("llama3_1_8b", "LlamaForCausalLM")],
)
def test_a_base_of_each_family(model, architecture, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", "stage=pretrain", f"model={model}", f"run.root={tmp_path}", "tracker=disabled",
         "model.local.steps=3", "model.local.tokenizer_texts=200",
         "model.local.processes=1", "run.min_free_bytes=100000000"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    again = subprocess.run(done.args, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert again.returncode == 0 and "finished" in again.stdout and str(tmp_path) in again.stdout
    (folder,) = [path.parent for path in tmp_path.glob("artifacts/policy/*/base.json")]
    from transformers import AutoModelForCausalLM

    from r1lab.models.policy import load_tokenizer

    loaded = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = load_tokenizer(folder)
    assert type(loaded).__name__ == architecture
    assert loaded.config.vocab_size == len(tokenizer)
    text = "Compute 7-2+9 <think> 先算7-2=5 </think> <answer> 14 </answer>"
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def pretrain(root, steps):
    return subprocess.Popen(
        [sys.executable, "-m", "r1lab", "stage=pretrain", "model=qwen2_5_0_5b", f"run.root={root}", "tracker=disabled",
         f"model.local.steps={steps}", "model.local.tokenizer_texts=200",
         "model.local.processes=2", "model.local.texts_per_step=4",
         "run.min_free_bytes=100000000"],
        cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_a_killed_base_goes_on_bit_for_bit(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    text, _ = (process := pretrain(whole, 250)).communicate(timeout=240)
    assert process.returncode == 0 and "Going on" not in text, text
    killed = pretrain(parts, 250)
    while not any(parts.glob("artifacts/policy/.*.building/checkpoints/step-000200")):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    text, _ = (process := pretrain(parts, 250)).communicate(timeout=240)
    assert process.returncode == 0 and "Going on from step 200 of 250" in text, text
    (expected,), (found,) = (root.glob("artifacts/policy/*/model.safetensors") for root in (whole, parts))
    assert found.read_bytes() == expected.read_bytes()
    assert {p.name for p in found.parent.iterdir()} == {p.name for p in expected.parent.iterdir()}
    assert not (found.parent / "checkpoints").exists()


def test_a_damaged_base_is_said_and_trained_again(tmp_path):
    text, _ = (process := pretrain(tmp_path, 2)).communicate(timeout=240)
    assert process.returncode == 0, text
    (weights,) = tmp_path.glob("artifacts/policy/*/model.safetensors")
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    for run in tmp_path.glob("pretrain/*/attempt_1/run.json"):
        run.write_text(run.read_text().replace('"state": "finished"', '"state": "running"'))
    text, _ = (process := pretrain(tmp_path, 2)).communicate(timeout=240)
    assert process.returncode == 0 and "is damaged (model.safetensors)" in text and "training" in text, text
    assert weights.read_bytes() == content
