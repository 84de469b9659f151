"""The same command over changed data is another run; over the same data it finds the one that there is."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def write(folder, answer):
    rows = [{"question": f"What is {n}+{n}?", "answer": f"#### {2 * n + answer}"} for n in range(8)]
    for name in ("train.jsonl", "test.jsonl"):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def evaluate(data, root):
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", "stage=evaluate", "mix=gsm8k", f"mix.path={data}",
         f"run.root={root}", "run.min_free_bytes=100000000", "tracker=disabled",
         "model.local.tokenizer_texts=200", "model.local.processes=1",
         "model.local.steps=2", "model.local.texts_per_step=4",
         "evaluation.questions=2", "evaluation.samples=2", "evaluation.max_new_tokens=4"],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_changed_data_is_another_run(tmp_path):
    data, root = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    write(data, 0)
    first = evaluate(data, root)
    assert "This run is finished" not in first
    assert "This run is finished" in evaluate(data, root)
    write(data, 1)
    second = evaluate(data, root)
    assert "This run is finished" not in second
    folders = [text.splitlines()[-1] for text in (first, second)]
    assert folders[0] != folders[1]
    parents = [json.loads((Path(folder) / "run.json").read_text())["parents"] for folder in folders]
    assert list(parents[0]) == ["sources.gsm8k/test.jsonl", "sources.gsm8k/train.jsonl"]
    assert all(parents[0][file] != parents[1][file] for file in parents[0])
    write(data, 0)
    assert "This run is finished" in evaluate(data, root), "the old data find the old run"
