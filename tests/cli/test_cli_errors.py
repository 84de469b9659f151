"""Bad input: a clear error at once, exit code not 0, nothing lost."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def r1lab(*overrides, **environment):
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *overrides], cwd=ROOT, capture_output=True, text=True, timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
    )  # fmt: skip
    done.seconds = time.perf_counter() - started
    return done


@pytest.mark.parametrize(
    "override, listed",
    [("model=v4", "v3base"), ("stage=r2", "r1zero"), ("mix=gsm9k", "gsm8k"), ("experiments=nope", "tiny"),
     ("scale=huge", "local")],
)  # fmt: skip
def test_an_unknown_choice_lists_the_valid_ones(override, listed):
    done = r1lab(override)
    assert done.returncode != 0
    assert "Available options" in done.stderr and listed in done.stderr


def test_a_value_outside_its_choices():
    done = r1lab("run.resume=maybe")
    assert done.returncode != 0 and "auto" in done.stderr and "never" in done.stderr


@pytest.mark.parametrize(
    "override, meant",
    [("stage.max_stepz=3", "stage.max_steps"), ("max_steps=3", "stage.max_steps"), ("modle=v3base", "model"),
     ("experiment=tiny", "experiments"), ("run.sed=3", "run.seed"), ("stage.optim.lr=1", "optim.lr"),
     ("+seed=3", "run.seed"), ("+stage.max_stepz=3", "max_steps")],
)  # fmt: skip
def test_a_key_that_there_is_not_names_the_nearest(override, meant, tmp_path):
    done = r1lab(override, f"run.root={tmp_path}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr and f"Did you mean {meant}?" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "overrides, typed",
    [(("stage=rescore", "run=outputs/short"), "stage.folder=outputs/short"), (("+reward=random",), "=random in place")],
)
def test_a_choice_without_its_place_says_what_to_type(overrides, typed):
    done = r1lab(*overrides)
    assert done.returncode == 1 and typed in done.stderr and "Traceback" not in done.stderr
    assert "ConfigKeyError" not in done.stderr and "Invalid type" not in done.stderr


def test_a_multirun_says_so_too(tmp_path):
    done = r1lab("-m", "run.seed=0,1", "stage.max_stepz=3", f"run.root={tmp_path}")
    assert done.returncode == 1 and "Did you mean stage.max_steps?" in done.stderr and "Traceback" not in done.stderr
    done = r1lab("-m", "run.seed=0,1", "optim.lr=-1", f"run.root={tmp_path}")
    assert done.returncode == 1 and "lr must be >= 0, found -1" in done.stderr and "Traceback" not in done.stderr


def test_all_faults_of_a_configuration_at_once(tmp_path):
    done = r1lab(
        f"run.root={tmp_path}", "stage.plan.minibatches=3", "+objective.kl.wieght=2", "+optim.warmup=3",
    )  # fmt: skip
    assert done.returncode == 1
    assert "stage.objective.kl.wieght: KL takes no such key" in done.stderr
    assert "stage.optim.warmup: AdamW takes no such key. It takes lr, beta1" in done.stderr
    assert "2 faults" in done.stderr
    assert not list(tmp_path.iterdir())


def test_parts_that_refuse_their_values(tmp_path):
    done = r1lab(f"run.root={tmp_path}", "objective.surrogate.clip_low=-1", "optim.lr=-1")
    assert done.returncode == 1 and "2 faults" in done.stderr
    assert "stage.objective.surrogate: clip_low must be >= 0, found -1" in done.stderr
    assert "stage.optim: lr must be >= 0, found -1" in done.stderr
    assert not list(tmp_path.iterdir())


def test_words_and_numbers_of_the_run_itself(tmp_path):
    done = r1lab(f"run.root={tmp_path}", "tracker.kind=paper", "strategy.accelerator=tpu", "stage.plan.top_p=2")
    assert done.returncode == 1 and "3 faults" in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert "One of auto, online, offline, disabled." in done.stderr and "One of auto, cpu, gpu." in done.stderr
    assert "top_p must be <= 1, found 2" in done.stderr
    done = r1lab(f"run.root={tmp_path}", "strategy.devices=-1")
    assert done.returncode == 1 and "strategy.devices must be an integer >= 0, found -1" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["../elsewhere", ".", "a/b"])
def test_a_name_that_is_no_folder(name, tmp_path):
    done = r1lab(f"run.root={tmp_path / 'runs'}", f"run.name={name}")
    assert done.returncode == 1 and "is not the name of a folder. Try run.name=" in done.stderr
    assert not list(tmp_path.iterdir())


def test_no_rewards(tmp_path):
    done = r1lab(f"run.root={tmp_path}", "rewards=null")
    assert done.returncode == 1 and "Nothing is rewarded." in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_an_override_that_would_replace_a_part(tmp_path):
    done = r1lab(f"run.root={tmp_path}", "+stage.optim.warmup=1")
    assert done.returncode == 1 and "Try optim.warmup=..." in done.stderr


def test_batch_arithmetic_names_values_that_fit(tmp_path):
    done = r1lab(
        f"run.root={tmp_path}", "stage.plan.questions=64", "stage.plan.minibatches=15", "stage.plan.group_size=1"
    )
    assert done.returncode == 1
    assert "questions=64 do not split into minibatches=15" in done.stderr and "16" in done.stderr
    assert "group_size=1" in done.stderr


def write_gsm8k(folder, lines):
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "test.jsonl").write_text("\n".join(lines[:1]) + "\n")


GOOD = json.dumps({"question": "What is 3+4?", "answer": "3+4=7\n#### 7"})


@pytest.mark.parametrize(
    "line, words",
    [
        ('{"question": "What is', "line 2"),
        (json.dumps({"question": "What is 1+1?", "answer": ""}), "answer"),
        (json.dumps({"question": "", "answer": "#### 2"}), "train.jsonl"),
    ],
)
def test_a_broken_line_names_file_and_line(line, words, tmp_path):
    write_gsm8k(tmp_path, [GOOD, line])
    done = r1lab("experiments=tiny", "mix=gsm8k", f"mix.path={tmp_path}", f"run.root={tmp_path / 'out'}")
    assert done.returncode == 1
    assert "train.jsonl" in done.stderr and "2" in done.stderr and words in done.stderr


def test_an_empty_mix(tmp_path):
    write_gsm8k(tmp_path, [GOOD])
    (tmp_path / "train.jsonl").write_text("")
    done = r1lab("experiments=tiny", "mix=gsm8k", f"mix.path={tmp_path}", f"run.root={tmp_path / 'out'}")
    assert done.returncode == 1 and "train.jsonl" in done.stderr


LATE = (
    "+mix.sources.late={_target_: r1lab.data.mix.FileSource, path: ${mix.path}, train: test.jsonl, heldout: null, "
    "fields: {_target_: r1lab.data.questions.Fields, text: question, answer: answer, domain: alien}}"
)


def test_a_source_that_comes_in_late_is_tried_before_anything_is_trained(tmp_path):
    write_gsm8k(tmp_path, [GOOD])
    out = tmp_path / "out"
    late = ("reward@rewards.accuracy=accuracy", "stage.max_steps=4", LATE, "+mix.weights.late=[[0, 0], [2, 1]]")
    done = r1lab("experiments=tiny", "mix=gsm8k", f"mix.path={tmp_path}", f"run.root={out}", *late)
    assert done.returncode == 1 and "No checker for the domain alien" in done.stderr, done.stderr
    assert not (out / "artifacts").exists()


def test_a_missing_path_says_what_to_type(tmp_path):
    done = r1lab("experiments=tiny", "mix=gsm8k", f"run.root={tmp_path}")
    assert done.returncode == 1 and "mix.path=FOLDER" in done.stderr


def test_a_folder_that_cannot_be_written():
    done = r1lab("experiments=tiny", "run.root=/proc/r1lab")
    assert done.returncode == 1 and "/proc/r1lab" in done.stderr


def test_no_room_on_the_disk(tmp_path):
    done = r1lab("experiments=tiny", f"run.root={tmp_path}", "run.min_free_bytes=1000000000000000")
    assert done.returncode == 1 and "free" in done.stderr.lower()
    assert not list(tmp_path.glob("**/checkpoints"))


def test_a_model_folder_with_missing_shards(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}})
    )
    done = r1lab(
        "model=smollm2_135m", f"model.published.source={tmp_path}", "mix=local", f"run.root={tmp_path / 'out'}"
    )
    assert done.returncode == 1 and "model-00002-of-00002.safetensors" in done.stderr


def test_help_and_a_faulty_override_answer_quickly():
    # heavy imports wait: torch alone takes seconds. The bound is loose, the machine may be busy.
    program = "import sys, r1lab.cli; sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'lightning')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
    done = r1lab("--help")
    assert done.returncode == 0 and "stage" in done.stdout
