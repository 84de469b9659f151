"""Code questions through the whole reward, as conf/ builds it: gold completions score 1 in every template."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf

from r1lab.config import paths, schema
from r1lab.errors import SandboxError
from r1lab.rewards.rubric import Rubric
from r1lab.stages.gold import check_gold
from r1lab.types import Completion, Finish, Rollout, Status
from r1lab.verifiers.sandbox import LocalSandbox

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.fixture
def built():
    """A function of overrides -> the mix, the template and the accuracy reward that conf/ makes of them."""
    try:
        assert LocalSandbox(["bubblewrap", "landlock"]).way
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")
    rewards = []

    def build(*overrides):
        GlobalHydra.instance().clear()
        paths.register()
        schema.register()
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("config", overrides=[*overrides, "run.name=x"])
        parts = {name: OmegaConf.to_container(config[name], resolve=True) for name in ("mix", "template", "rewards")}
        rewards.append(instantiate(parts["rewards"]["accuracy"], _convert_="all"))
        return instantiate(parts["mix"]), instantiate(parts["template"]), rewards[-1]

    yield build
    for reward in rewards:
        reward.close()


def rollout(question, template, text):
    nothing = Completion(torch.zeros(1, dtype=torch.long), torch.zeros(1), Finish.STOP)
    return Rollout(question, torch.zeros(1, dtype=torch.long), nothing, template.parse(text), sample=0)


@pytest.mark.parametrize("template", ["r1zero", "r1_chat", "code_chat"])
def test_generated_code(built, template):
    mix, template, reward = built("mix=code", f"template={template}")
    questions = mix.heldout(24)
    check_gold(Rubric({"accuracy": reward}), template, questions)
    slips = [rollout(q, template, f"<think> s </think> <answer> {q.details['slips'][0]} </answer>") for q in questions]
    assert {(score.value, score.status) for score in reward(slips)} == {(0.0, Status.OK)}


@pytest.mark.parametrize("template", ["r1zero", "completion"])
def test_humaneval(built, shared_data, template):
    mix, template, reward = built("mix=humaneval", f"mix.path={shared_data}/humaneval", f"template={template}")
    questions = mix.heldout(164)
    assert len(questions) == 164
    for start in range(0, 164, 64):
        check_gold(Rubric({"accuracy": reward}), template, questions[start : start + 64])


def test_what_a_model_writes(built):
    mix, template, reward = built("mix=code", "mix.sources.code.families=[formula]", "mix.sources.code.levels=[1]")
    (question,) = mix.heldout(1)
    code = question.answer
    texts = {
        f"<think> a </think> <answer>\n```python\n{code}\n```\n</answer>": "all 5 tests pass",
        f"<think> {code} </think> <answer> so that is it </answer>": "0 of 5 tests pass; test 1: it raised SyntaxError",
        f"<think> {code} </think>": "no answer",
        "<think> a </think> <answer> while True: pass </answer>": "0 of 5 tests pass; test 1: time limit exceeded",
        "<think> a </think> <answer> import os; os.fork() </answer>": "0 of 5 tests pass; test 1: it raised Permission",
    }
    scores = reward([rollout(question, template, text) for text in texts])
    for score, reason in zip(scores, texts.values()):
        assert score.status is Status.OK and score.reason.startswith(reason), score


def test_a_checker_must_be_done_before_the_deadline():
    """Slow code is wrong; it must not look like a fault of the verifier."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=["+reward@rewards.accuracy=accuracy", "rewards.accuracy.timeout_seconds=4"])
    with pytest.raises(Exception, match="timeout_seconds=5") as caught:
        instantiate(config.rewards.accuracy, _convert_="all")
    assert "The code checker may take as long as the deadline" in str(caught.value)
    assert "checkers.code.total_seconds=4, timeout_seconds=4" in str(caught.value)
