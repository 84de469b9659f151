"""A configuration is judged without the libraries that take seconds to import."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHECK = """
import sys
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict
from r1lab.config import paths, schema
from r1lab.config.check import check
from r1lab.errors import ConfigError
paths.register(), schema.register()
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    config = compose("config", overrides=sys.argv[2:], return_hydra_config=True)
HydraConfig.instance().set_config(config)
with open_dict(config):
    config.pop("hydra")
try:
    check(config, given=sys.argv[2:])
    print("sound")
except ConfigError as error:
    print(error)
print(*{"torch", "lightning", "transformers", "mpmath", "pyarrow", "rich", "wandb"} & set(sys.modules))
"""
SHUFFLED = ["reward@rewards.accuracy=shuffled_gold", "strategy=single"]

TRUNCATED = "+objective.correction={_target_:r1lab.functional.corrections.Truncated,highest:2}"


def checked(*overrides):
    """What the check says, and the heavy libraries that it has imported."""
    command = [sys.executable, "-c", CHECK, str(ROOT / "conf"), *overrides]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    *said, heavy = done.stdout.split("\n")[:-1]
    return "\n".join(said), heavy.split()


@pytest.mark.parametrize(
    "overrides",
    [
        ["stage=r1zero"],
        ["objective=trl"],
        [TRUNCATED, "stage.plan.minibatches=1"],
        ["stage=evaluate"],
        ["stage=pretrain"],
        ["scale=local", "experiments=tiny"],
        SHUFFLED,
        [*SHUFFLED, "selection=refilled"],
        ["selection=refilled"],
        ["stage=evaluate", "model=v3base", "tracker=disabled", "run.seed=1", "strategy=single", "template=r1_chat",
         "mix.weights.generated=2", "scale=local", "+reward@evaluation.rewards.repetition=repetition"],
    ],
)  # fmt: skip
def test_a_sound_configuration_imports_nothing_heavy(overrides):
    assert checked(*overrides) == ("sound", [])


@pytest.mark.parametrize(
    "overrides, said",
    [
        (["optim.lr=-1", "engine.max_rows=0"], ["stage.optim: lr must be >= 0", "engine.max_rows=512"]),
        (["stage.plan.minibatches=3"], ["questions=32 do not split into minibatches=3"]),
        *(
            ([word, "stage.plan.old_logprobs=sampler"],
             ["1 fault", "corrects 1 of the 2 updates", "Try stage.plan.old_logprobs=recompute"])
            for word in (TRUNCATED, "objective=trl")
        ),
        (["strategy=single", "strategy.devices=2"], ["stage.strategy: strategy=single is one process."]),
        (["model=folder"], ["model.published.source has no value"]),
        (["model=smollm2_135m", "model.published.dtype=fp8"], ["model.published.dtype=fp8", "float32, bfloat16"]),
        (["stage=rescore"], ["Try stage.folder=FOLDER"]),
        (
            ["+reward@rewards.helpful=helpful", "rewards.helpful.model.source=/nowhere",
             "+reward@evaluation.rewards.judge=judge", "evaluation.rewards.judge.compare.judge.load.source=/gone"],
            ["2 faults", "rewards.helpful.model: There is no such model folder. /nowhere Give an existing folder",
             "evaluation.rewards.judge.compare.judge.load: There is no such model folder. /gone"],
        ),
        (
            ["stage=evaluate", "+reward@evaluation.rewards.judge=judge_harmless",
             "evaluation.rewards.judge.judged.judge.load.source=/gone"],
            ["1 fault", "evaluation.rewards.judge.judged.judge.load: There is no such model folder. /gone"],
        ),
        (["stage.max_steps=4", "stage.checkpoint_steps=4", "stage.ref_refresh_steps=4",
          "mix.weights.generated=[[0,1],[2,0]]"], ["no source has one at step 2. Try mix.weights.generated=1"]),
        (["mix.weights.generated=-1"], ["stage.mix: The weight of the source generated", "mix.weights.generated=1"]),
        (
            ["optim.weight_decay=[[0,0.1],[50,0]]"],
            ["stage.optim: weight_decay must be a number, the same at every step"],
        ),
        (["stage.plan.max_new_tokens={0:64,4:96}"], ["pairs: [[0, 64], [4, 96]], not"]),
        (["mix.seed=${nowhere.seed}"], ["mix.seed: ", "nowhere"]),
        (
            ["stage=sft_cold_start", "objective=dapo", "optim.lr=1e-5", "reward@rewards.accuracy=random"],
            ["2 faults", "objective=dapo changes nothing: the stage reads no objective. It reads model, optim, str",
             "reward@rewards.accuracy=random changes nothing: the stage reads no rewards"],
        ),
    ],
)  # fmt: skip
def test_a_faulty_one_neither(overrides, said):
    text, heavy = checked(*overrides)
    assert all(words in text for words in said), text
    assert heavy == []


@pytest.mark.parametrize(
    "words, said",
    [
        (["stage=distill", "+stage.data.reasoning={0}"],
         "stage.row_tokens=1024 is longer than the model's longest text, 96 tokens (max_position_embeddings). Try"),
        (["stage=r1zero", "stage.plan.max_new_tokens=97"], "stage.plan.max_new_tokens=97 is longer"),
        (["stage=r1zero", "stage.plan.max_new_tokens=[[0,64],[4,97]]"], "stage.plan.max_new_tokens=97 is longer"),
        (["stage=evaluate", "evaluation.max_new_tokens=97"], "or ++model.published.positions=97 if it is to read"),
        (["stage=rejection_sampling", "stage.plan.max_new_tokens=97"], "stage.plan.max_new_tokens=97 is longer"),
    ],
)  # fmt: skip
def test_texts_that_are_too_long_for_a_model_are_told_before_it_is_loaded(words, said, tokenizer, tiny_model, tmp_path):
    model = tiny_model("qwen2")
    model.config.max_position_embeddings = 96
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    there = ["model=folder", f"model.published.source={tmp_path}", *(word.format(tmp_path) for word in words)]
    text, heavy = checked(*there)
    assert said in text and heavy == [], text
    assert "longer" not in checked(*there, "++model.published.positions=4096")[0]
