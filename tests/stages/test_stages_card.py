"""The card of a policy shows what its rewards weighed."""

import json
import re
from types import SimpleNamespace

import pytest

from r1lab.artifacts.store import Store
from r1lab.stages.card import card


def recipe(folder, weights, stage):
    record = SimpleNamespace(run={"experiment": "r1zero"}, id="0f3a-attempt_1")
    config = {"stage": stage, "model": {"name": "tiny"}}
    context = SimpleNamespace(record=record, config=config, store=Store(folder), seed=0)
    text = card(context, "A tiny model.", {}, "none", {"sampling": 2.0}, weights)
    return json.loads(re.search(r"## Recipe\n\n```json\n(.*?)\n```", text, re.DOTALL)[1])


@pytest.mark.parametrize(
    "weights, shown",
    [
        ({"accuracy": 1.0, "own": 0.25}, {"accuracy": 1.0, "own": 0.25}),
        ({"own": 0}, {"own": 0}),
        ({"own": [[0, 0.0], [1300, 1.0]]}, {"own": [[0, 0.0], [1300, 1.0]]}),
        ({}, None),
    ],
)
def test_the_weights_are_those_of_the_parts(weights, shown, tmp_path):
    # the configuration does not name them: the class has a default
    stage = {"max_steps": 4, "rewards": {name: {"_target_": "my_rewards.Own"} for name in weights}}
    found = recipe(tmp_path, weights, stage)
    assert found.get("rewards") == shown and found["max_steps"] == 4
