"""The README's commands are commands: each composes, and each that starts a run ends it, at the size of a toy."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()
FENCED = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, flags=re.S | re.M)
BLOCKS = [text for language, text in FENCED if not language]
(PYTHON,) = (text for language, text in FENCED if language == "python")
COMMANDS = [
    line.split("  #")[0].strip()
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("python -m r1lab")
]


def test_there_are_commands():
    assert len(COMMANDS) >= 10
    assert "make run" in TEXT and "make test" in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_composes(command, tmp_path):
    words = shlex.split(command.replace("FOLDER", str(tmp_path)))[3:]
    if "-m" in words:  # a multirun runs, one job here is enough to see that its parts compose
        words.remove("-m")
        words = [word.partition(",")[0] for word in words]
    if "--help" not in words and "--cfg" not in words:
        words += ["--cfg", "job", "--resolve"]
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert ("Commands to begin with" if "--help" in words else "_target_") in done.stdout


# the pipeline has tests of its own
RUNS = [
    command for command in COMMANDS if not any(word in command for word in ("--", "stage=r1 ", "ADDRESS", "plan=true"))
]
TOY_MODEL = [
    "model.local.tokenizer_texts=200",
    "model.local.processes=1",
    "model.local.steps=12",
    "model.local.texts_per_step=[[0,16]]",
]
TOY_TRAINING = [
    "stage.max_steps=2", "stage.ref_refresh_steps=2", "stage.checkpoint_steps=2", "stage.plan.minibatches=1",
    "stage.plan.questions=4", "stage.plan.group_size=2", "stage.plan.max_new_tokens=8",
]  # fmt: skip
BIG_MODEL = [
    "stage.max_steps=1", "stage.ref_refresh_steps=1", "stage.checkpoint_steps=1", "stage.plan.questions=2",
]  # fmt: skip
TOY_EVALUATION = ["evaluation.questions=4", "evaluation.samples=2", "evaluation.max_new_tokens=8"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One folder for all runs: bases and converted weights are made once."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "my_rewards.py").write_text(PYTHON)
    return folder


@pytest.mark.parametrize("command", RUNS)
def test_the_command_runs_to_its_end(command, root, request):
    words = shlex.split(command)[3:]
    if "FOLDER" in command:
        (name,) = re.findall(r"mix=(\w+)", command)
        data = request.getfixturevalue("shared_data")
        words = [word.replace("FOLDER", str(data / name)) for word in words]
    # a name of its own: some commands differ in nothing that decides the numbers, and would find each other's run
    words += [
        f"run.root={root}",
        f"run.name=readme_{RUNS.index(command)}",
        "tracker=disabled",
        "run.min_free_bytes=100000000",
        *TOY_EVALUATION,
    ]
    big, swept = "model=smollm2_135m" in words, "-m" in words or "sweeps=seeds" in words
    if not {"stage=evaluate", "stage=explain"} & set(words):
        words += TOY_TRAINING + (BIG_MODEL if big else [])
    words += [] if big else TOY_MODEL
    words += ["strategy.cpu_devices=1"] if swept else []
    before = finished(root)
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *words], cwd=ROOT, capture_output=True, text=True, timeout=280,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(finished(root) - before) == (3 if swept else 1)


def finished(root):
    """Run folders whose record says that they came to their end."""
    records = root.glob("*/*/attempt_*/run.json")
    return {record.parent for record in records if json.loads(record.read_text())["state"] == "finished"}


def test_files_the_readme_names_exist():
    for name in re.findall(
        r"`((?:r1lab/|conf/|training/|functional/|data/|engines/|text/|rewards/|rollouts/|experiments/)[\w/.]*)`", TEXT
    ):
        assert (ROOT / name).exists() or (ROOT / "r1lab" / name).exists(), name
