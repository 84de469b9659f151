"""A node of a pipeline is what its command composes."""

import pytest
from hydra import compose
from omegaconf import OmegaConf

from r1lab.config.nodes import Node, replacing, written_out

pytestmark = pytest.mark.usefixtures("hydra")


def test_a_schedule_takes_the_place_of_another():
    node = Node("rl_all_scenarios", settings={"mix": {"weights": {"helpful": {0: 0, 7: 3}}}, "optim": {"beta1": 0.8}})
    config = node.compose([], {})
    assert config.mix.weights.helpful == {0: 0, 7: 3} and config.optim.beta1 == 0.8
    # what the file of the stage says is other than that, and has other steps
    assert set(compose("config", overrides=["stage=rl_all_scenarios"]).mix.weights.helpful) == {0, 30}


def test_the_command_of_a_node_composes_the_node():
    node = Node(
        "rl_all_scenarios",
        {"objective": "dapo"},
        {"rewards": {"helpful": {"weight": {0: 0.0, 7: 1.0}}}, "stage": {"plan": {"temperature": 0.5}}},
        {"model.weights": "dev3.policy"},
    )
    made = {"model.weights": "artifact:policy/0f3a5c11d2e4"}
    composed = node.compose(["model=v3base", "run.seed=3"], made)
    again = compose("config", overrides=node.command(["model=v3base", "run.seed=3"], made))
    assert OmegaConf.to_container(again) == OmegaConf.to_container(composed)
    assert composed.rewards.helpful.weight == {0: 0.0, 7: 1.0} and composed.model.weights == made["model.weights"]


@pytest.mark.parametrize(
    "word, parts",
    [
        ("stage.plan.max_new_tokens={0:100,50:200}", 2),
        ("nodes.r1.stage.plan.temperature={0: 1.0, 8: 0.7}", 2),
        ("+stage.new={0:1}", 1),
        ("~stage.plan={0:1}", 1),
        ("stage.plan={max_new_tokens: 5}", 1),
        ("mix.sources.stem.levels=[1,2]", 1),
    ],
)
def test_what_replaces_a_schedule_is_known_by_its_steps(word, parts):
    assert len(replacing(written_out(word))) == parts


def test_a_schedule_on_the_command_line_takes_the_place_of_another():
    words = ["stage=r1zero", "scale=paper"]
    key = "stage.plan.max_new_tokens"
    assert dict(OmegaConf.select(compose("config", overrides=words), key)) == {0: 32768, 8200: 65536}
    found = compose("config", overrides=[*words, *replacing(f"{key}={{0:100,50:200}}")])
    assert dict(OmegaConf.select(found, key)) == {0: 100, 50: 200}
