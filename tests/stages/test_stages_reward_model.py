"""A reward model as a command: learned from a file of pairs, on any number of ranks, killed and resumed."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from r1lab.rewards.preference import SequenceClassifier
from r1lab.stages.reward_model import RewardModelStage
from r1lab.training.reward_model import Judged

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "stage=reward_helpful", "mix=pairs", "tracker=disabled", "run.min_free_bytes=100000000", "strategy.cpu_devices=1",
    "model.local.architecture.hidden_size=32", "model.local.architecture.intermediate_size=64",
    "model.local.architecture.moe_intermediate_size=32", "model.local.architecture.num_hidden_layers=2",
    "model.local.tokenizer_texts=200",
    "model.local.processes=1", "model.local.steps=12", "stage.batch_size=8", "stage.checkpoint_steps=4",
    "optim.lr=0.003", "stage.epochs=3", "stage.heldout=9",
)  # fmt: skip


def command(root, data, *words):
    return [sys.executable, "-m", "r1lab", *TINY, f"mix.path={data}", f"run.root={root}", *words]


def finish(root, data, *words, status=0):
    done = subprocess.run(command(root, data, *words), cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def summary(root):
    (path,) = root.glob("reward_helpful/*/attempt_1/summary.json")
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Pairs of which the one that gives a number is preferred; one is longer than any limit."""
    folder, rng = tmp_path_factory.mktemp("pairs"), random.Random(0)
    rows = []
    for i in range(90):
        a, b = rng.randrange(90), rng.randrange(90)
        rows.append({"prompt": f"What is {a}+{b}? ({i})", "chosen": str(a + b), "rejected": "I do not know that."})
    rows.append({"prompt": "Why?", "chosen": "because " * 600, "rejected": "No."})
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory):
    root = tmp_path_factory.mktemp("alone")
    return root, finish(root, data)


def test_it_prefers_what_was_preferred(alone):
    root, text = alone
    found = summary(root)
    assert "Left out: 1 of " in text and "pairs; of" in text
    assert (found["left_out"], found["items"], found["heldout"]) == (1, 80, 9)  # ten of 91 are held out
    assert found["heldout_accuracy"]["mean"] == 1.0 and found["loss"] < 0.3
    judge = SequenceClassifier(found["path"], "float32", max_rows=8)
    scores = judge(["What is 3+4?"] * 2, ["7", "I do not know that."])
    assert scores[0] > scores[1] + 0.5


def test_its_lineage_begins_with_the_base_whose_body_it_has(alone):
    root, _ = alone
    (base,) = root.glob("artifacts/policy/*/manifest.json")
    manifest = json.loads((Path(summary(root)["path"]) / "manifest.json").read_text())
    assert manifest["parents"] == {"base": f"artifact:policy/{base.parent.name}"}


def test_two_ranks_learn_and_judge_what_one_does(alone, data, tmp_path):
    root, _ = alone
    finish(tmp_path, data, "strategy=ddp", "strategy.devices=2", "strategy.cpu_devices=2")
    one, two = summary(root), summary(tmp_path)
    assert two["heldout"] == one["heldout"] and two["heldout"] % 2, "the ranks have different numbers of them"
    assert two["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-3)
    weights = [load_file(Path(found["path"]) / "model.safetensors") for found in (one, two)]
    worst = max(float((weights[1][k] - v).norm() / v.norm().clamp(min=1e-6)) for k, v in weights[0].items())
    assert worst < 1e-3, worst


def test_killed_and_resumed_it_is_the_same(alone, data, tmp_path):
    root, _ = alone
    process = subprocess.Popen(
        command(tmp_path, data), cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    while not list(tmp_path.glob("reward_helpful/*/attempt_1/checkpoints/step-000008")):
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "Going on from step" in finish(tmp_path, data)
    one, two = summary(root), summary(tmp_path)
    for name in ("loss", "accuracy", "heldout_accuracy", "grad_norm"):
        assert one[name] == two[name], name
    files = [(Path(found["path"]) / "model.safetensors").read_bytes() for found in (one, two)]
    assert files[0] == files[1]
    logs = [next(r.glob("reward_helpful/*/attempt_1/log.jsonl")).read_text() for r in (root, tmp_path)]
    assert logs[0] == logs[1]


@pytest.mark.parametrize(
    "lengths, text_tokens, fits",
    [((7, 3), None, True), ((8, 3), None, False), ((7, 3), 6, False), ((6, 4), 6, True), ((6, 5), 6, False)],
)
def test_a_pair_is_short_enough_as_a_whole_and_text_by_text(lengths, text_tokens, fits):
    pair = Judged(tuple(torch.zeros(length, dtype=torch.int64) for length in lengths))
    assert RewardModelStage.fits(SimpleNamespace(max_tokens=10, text_tokens=text_tokens), pair) is fits


@pytest.mark.parametrize(
    "words, told",
    [
        (("mix=local",), "A source has no end"),
        (("stage.max_tokens=4",), "Every training item is too long"),
        (("stage.microbatch_tokens=8",), "microbatch_tokens must be an integer >= 1024"),
    ],
)
def test_what_cannot_be_learned_is_refused(words, told, data, tmp_path):
    words = [word for word in words]
    plain = command(tmp_path, data)
    if "mix=local" in words:
        plain = [word for word in plain if not word.startswith(("mix=", "mix.path="))]
    done = subprocess.run([*plain, *words], cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 1 and told in done.stdout + done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
