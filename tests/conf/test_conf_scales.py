"""Quantities of every stage at local scale: those of a base trained here, those of a real model; no cell is missing."""

import pytest
from hydra.errors import HydraException
from omegaconf.errors import InterpolationResolutionError
from test_conf_compose import CONF, composed

from r1lab.config.scales import by_model

pytestmark = pytest.mark.usefixtures("hydra")

# questions, samples of each, tokens of a completion; or items of a step, tokens of a row
TABLE = {
    # stage: (learning rate at most, quantities) of a base trained here, and of a real model
    "r1zero": ((8e-4, 32, 16, 64), (1e-5, 4, 8, 96)),
    "rl_reasoning": ((8e-4, 32, 16, 64), (1e-5, 4, 8, 96)),
    "rl_all_scenarios": ((2e-4, 32, 16, 64), (1e-5, 4, 8, 96)),
    "sample": ((None, 400, 4, 64), (None, 64, 4, 96)),
    "cold_start_data": ((None, 400, 8, 64), (None, 64, 8, 96)),
    "rejection_sampling": ((None, 2000, 4, 64), (None, 64, 8, 96)),
    "general_data": ((None, 600, 8, 64), (None, 64, 8, 96)),
    "refined_data": ((None, 400, 1, 64), (None, 64, 1, 96)),
    "helpful_pairs": ((None, 1000, 8, 64), (None, 64, 8, 96)),
    "safety_labels": ((None, 500, 4, 64), (None, 64, 4, 96)),
    "sft_cold_start": ((1e-3, 32, None, 256), (2e-5, 16, None, 1024)),
    "sft_800k": ((1e-3, 32, None, 256), (2e-5, 16, None, 1024)),
    "distill": ((1e-3, 32, None, 256), (2e-5, 16, None, 1024)),
    "reward_helpful": ((1e-4, 16, None, 1024), (1e-5, 16, None, 1024)),
    "reward_safety": ((1e-4, 16, None, 1024), (1e-5, 16, None, 1024)),
    "evaluate": ((None, 200, 16, 64), (None, 50, 4, 96)),
}
WITHOUT = {"comparison", "explain", "pipeline", "pretrain", "rescore", "r1"}
"""Stages without quantities of their own: those of their nodes, of a base, or of another run."""


def quantities(*words, searched=None):
    config = composed(*words, *([f"hydra.searchpath=[file://{searched}]"] if searched else []))
    stage, evaluation = config["stage"], config["evaluation"]
    if "EvaluateStage" in stage["_target_"]:
        return None, evaluation["questions"], evaluation["samples"], evaluation["max_new_tokens"]
    rate, plan = (config["optim"]["lr"] if "optim" in stage else None), stage.get("plan")
    rate = rate["then"]["start"] if isinstance(rate, dict) else rate
    if plan is None:
        return rate, stage["batch_size"], None, stage.get("row_tokens") or stage["max_tokens"]
    return rate, plan["questions"], plan.get("group_size") or plan["samples"], plan["max_new_tokens"]


def test_every_stage_stands_in_the_table():
    assert {path.stem for path in (CONF / "stage").glob("*.yaml")} == {*TABLE, *WITHOUT}


@pytest.mark.parametrize("stage", TABLE)
def test_a_base_has_its_quantities_and_a_real_model_others(stage):
    base, real = TABLE[stage]
    assert quantities(f"stage={stage}", "scale=local") == base
    assert quantities(f"stage={stage}", "scale=local", "model=smollm2_135m") == real


@pytest.mark.parametrize(
    "row, words",
    [
        ("{paper:1, local:2}", "missing small"),
        ("{paper:1, local:2, small:3, tiny:4}", "unknown tiny"),
        ("{paper:1, lokal:2, small:3}", "missing local; unknown lokal"),
    ],
)
def test_a_row_without_a_value_is_refused(row, words, tmp_path):
    (tmp_path / "stage").mkdir()
    text = f"# @package _global_\ndefaults: [r1zero, _self_]\nstage: {{max_steps: '${{by_scale:{row}}}'}}"
    (tmp_path / "stage" / "mine.yaml").write_text(text)
    with pytest.raises(InterpolationResolutionError, match=words):
        quantities("stage=mine", searched=tmp_path)


def test_a_row_by_model_needs_a_value_for_others():
    with pytest.raises(ValueError, match="every other model"):
        by_model({"v3base": 1}, _root_=None)


@pytest.mark.parametrize(
    "words, expected",
    [
        # a folder may hold anything: the real model's, unless it is said to hold a base trained here
        (["stage=rl_all_scenarios", "model=folder"], TABLE["rl_all_scenarios"][1]),
        (["stage=sft_800k", "model=folder"], TABLE["sft_800k"][1]),
        (["stage=evaluate", "model=folder"], TABLE["evaluate"][1]),
        (["stage=evaluate", "model=folder", "size=base"], TABLE["evaluate"][0]),
        # this one is trained here at local scale
        (["stage=rl_all_scenarios", "model=qwen2_5_0_5b"], TABLE["rl_all_scenarios"][0]),
        (["stage=r1zero", "model=smollm2_135m", "optim.lr=3e-5"], (3e-5, 4, 8, 96)),
        # the paper's quantities are the same for all
        (["stage=rl_reasoning", "model=smollm2_135m", "scale=paper"], (3e-6, 512, 16, 32768)),
        (["stage=reward_safety", "model=folder", "scale=paper"], (6e-6, 256, None, 8192)),
        (["stage=distill", "model=qwen2_5_math_1_5b", "scale=paper"], (1e-4, 64, None, 32768)),
    ],
)
def test_other_models_and_scales(words, expected):
    assert quantities(*words) == expected


@pytest.mark.parametrize(
    "text, words, expected",
    [
        ("defaults: [r1zero, _self_]", [], TABLE["r1zero"][0]),
        ("defaults: [r1zero, _self_]", ["model=smollm2_135m"], TABLE["r1zero"][1]),
        ("defaults: [r1zero, _self_]", ["scale=paper"], (3e-6, 512, 16, [[0, 32768], [8200, 65536]])),
        ("defaults: [rl_all_scenarios, _self_]", [], TABLE["rl_all_scenarios"][0]),
        ("defaults: [rl_all_scenarios, _self_]", ["model=folder"], TABLE["rl_all_scenarios"][1]),
        ("defaults: [rejection_sampling, _self_]", [], TABLE["rejection_sampling"][0]),
        ("defaults: [general_data, _self_]", [], TABLE["general_data"][0]),
        ("defaults: [sft_cold_start, _self_]", [], TABLE["sft_cold_start"][0]),
        ("defaults: [evaluate, _self_]", [], TABLE["evaluate"][0]),
        # what it says itself is what it has
        ("defaults: [r1zero, _self_]\nplan: {questions: 8, max_new_tokens: 100}", [], (8e-4, 8, 16, 100)),
        ("defaults: [r1zero, _self_]\nplan: {questions: 8}", ["model=folder"], (1e-5, 8, 8, 96)),
        ("defaults: [r1zero, _self_]\nplan: {questions: 8}", ["stage.plan.questions=6"], (8e-4, 6, 16, 64)),
    ],
)
def test_a_stage_of_ones_own_has_the_quantities_of_its_parent(text, words, expected, tmp_path):
    (tmp_path / "stage").mkdir()
    (tmp_path / "stage" / "mine.yaml").write_text(text)
    assert quantities("stage=mine", *words, searched=tmp_path) == expected


def test_a_row_of_ones_own_holds_for_every_scale(tmp_path):
    (tmp_path / "stage").mkdir()
    text = "defaults: [r1zero, _self_]\nplan:\n  questions: ${by_scale:{paper:64, local:2, small:1}}"
    (tmp_path / "stage" / "mine.yaml").write_text(text)
    assert quantities("stage=mine", searched=tmp_path) == (8e-4, 2, 16, 64)
    assert quantities("stage=mine", "model=folder", searched=tmp_path) == (1e-5, 1, 8, 96)
    assert quantities("stage=mine", "scale=paper", searched=tmp_path)[1] == 64


def test_a_model_of_ones_own_says_whose_quantities_it_takes(tmp_path):
    (tmp_path / "model").mkdir()
    text = "# @package _global_\ndefaults: [/policy@model: pretrained, _self_]\n"
    text += "model: {name: mine, published: {source: FOLDER}}\nsize: small\n"
    (tmp_path / "model" / "mine.yaml").write_text(text)
    assert quantities("model=mine", searched=tmp_path) == TABLE["r1zero"][1]
    assert quantities("model=mine", "size=base", searched=tmp_path) == TABLE["r1zero"][0]
    with pytest.raises(InterpolationResolutionError, match="size=large"):
        quantities("model=mine", "size=large", searched=tmp_path)


def test_part_of_a_value_that_depends_on_the_scale_can_be_set_in_a_file_alone(tmp_path):
    """An experiment is composed once the scale is known; on the command line the whole value is given."""
    (tmp_path / "experiments").mkdir()
    text = "# @package _global_\noptim: {lr: {then: {start: 4.0e-4}}}"
    (tmp_path / "experiments" / "mine.yaml").write_text(text)
    assert quantities("experiments=mine", searched=tmp_path) == (4e-4, 32, 16, 64)
    with pytest.raises(HydraException, match=r"optim\.lr"):
        quantities("optim.lr.then.start=4e-4")
