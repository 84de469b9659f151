"""A node of a pipeline is what its command composes."""

import pytest
from hydra import compose
from hydra.errors import HydraException
from omegaconf import OmegaConf

from r1lab.config.nodes import Node

pytestmark = pytest.mark.usefixtures("hydra")


def test_a_schedule_takes_the_place_of_another():
    node = Node(
        "rl_all_scenarios", settings={"mix": {"weights": {"helpful": [[0, 0], [7, 3]]}}, "optim": {"beta1": 0.8}}
    )
    config = node.compose([], {})
    assert config.mix.weights.helpful == [[0, 0], [7, 3]] and config.optim.beta1 == 0.8
    # what the file of the stage says is other than that, and has other steps
    assert compose("config", overrides=["stage=rl_all_scenarios"]).mix.weights.helpful == [[0, 0], [30, 54]]


def test_the_command_of_a_node_composes_the_node():
    node = Node(
        "rl_all_scenarios",
        {"objective": "dapo"},
        {
            "rewards": {"helpful": {"weight": [[0, 0.0], [7, 1.0]]}},
            "stage": {"plan": {"temperature": 0.5, "questions": 8}},
            "optim": {"lr": {"_target_": "r1lab.functional.schedules.Warmup", "steps": 3, "then": 1.0e-4}},
        },
        {"model.weights": "dev3.policy"},
    )
    made = {"model.weights": "artifact:policy/0f3a5c11d2e4"}
    composed = node.compose(["model=v3base", "run.seed=3"], made)
    again = compose("config", overrides=node.command(["model=v3base", "run.seed=3"], made))
    assert OmegaConf.to_container(again) == OmegaConf.to_container(composed)
    assert composed.rewards.helpful.weight == [[0, 0.0], [7, 1.0]] and composed.model.weights == made["model.weights"]


@pytest.mark.parametrize("key", ["stage.plan.max_new_tokens", "rewards.helpful.weight"])
def test_a_schedule_on_the_command_line_takes_the_place_of_another(key):
    words = ["stage=rl_all_scenarios", "scale=paper", "stage.plan.max_new_tokens=[[0, 32768], [8200, 65536]]"]
    there = OmegaConf.select(compose("config", overrides=words), key)
    assert len(there) == 2 and [50, 200] not in there
    found = compose("config", overrides=[*words, f"{key}=[[0,100],[50,200]]"])
    assert OmegaConf.select(found, key) == [[0, 100], [50, 200]]
    with pytest.raises(HydraException, match="Could not override"):
        compose("config", overrides=[*words, f"{key}s=[[0,100]]"])


def test_a_schedule_in_a_file_takes_the_place_of_another(tmp_path):
    (tmp_path / "late.yaml").write_text(
        "# @package _global_\n"
        "stage: {plan: {max_new_tokens: [[0, 8], [2, 16]]}}\n"
        "rewards: {helpful: {weight: [[0, 0.0], [50, 1.0]]}}\n"
    )
    words = ["stage=rl_all_scenarios", "scale=paper", f"hydra.searchpath=[file://{tmp_path.parent}]"]
    found = compose("config", overrides=[*words, f"+{tmp_path.name}=late"])
    assert found.rewards.helpful.weight == [[0, 0.0], [50, 1.0]]
    assert found.stage.plan.max_new_tokens == [[0, 8], [2, 16]]
    # maps that are no schedules are filled in, not replaced
    assert {"helpful", "accuracy", "format"} <= set(found.rewards)
