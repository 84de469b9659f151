"""`stage=pretrain` makes a base of the family's own architecture that transformers loads."""

import os
import subprocess
import sys
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
         "model.local.steps=3", "model.local.tokenizer_texts=200", "run.min_free_bytes=100000000"],
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
