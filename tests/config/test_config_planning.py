"""A plan asks no network and calls nothing but parts: what it cannot know, and what it will not call, is told."""

import socket

import pytest
from hydra import compose

from r1lab.config.planning import left_unseen, planning
from r1lab.errors import ConfigError, ModelError
from r1lab.launch import show_plan
from r1lab.models.policy import PretrainedPolicy
from r1lab.rewards.judge import TorchJudge
from r1lab.rewards.preference import SequenceClassifier


@pytest.fixture
def no_network(monkeypatch):
    def refused(*_):
        raise AssertionError("a plan asked the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", refused)


def plan(tmp_path, *words, capsys):
    words = [*words, "plan=true", f"run.root={tmp_path}", "run.name=planned", "tracker=disabled"]
    show_plan(compose("config", overrides=words), words)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "words, unseen",
    [
        (["stage=r1zero", "scale=paper", "mix=local"], ["deepseek-ai/DeepSeek-V3-Base on the hub"]),
        (["stage=evaluate", "scale=paper", "mix=local", "model=qwen2_5_0_5b"], ["Qwen/Qwen2.5-0.5B on the hub"]),
        (["stage=r1zero", "model=folder", "model.published.source=owner/name"], ["owner/name on the hub"]),
        (["stage=r1zero", "+reward@rewards.helpful=helpful", "rewards.helpful.model.source=owner/reward"],
         ["owner/reward on the hub"]),
        (["stage=r1zero"], []),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("hydra", "no_network")
def test_a_plan_needs_no_network_and_says_what_it_did_not_see(words, unseen, tmp_path, capsys):
    told = plan(tmp_path, *words, capsys=capsys)
    assert told.startswith("stage=planned ") and ": to do: never done before" in told
    assert ("Not looked at" in told) == bool(unseen) and all(what in told for what in unseen)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "part",
    [
        "{_target_: os.system, command: 'touch MARK'}",
        "{_target_: subprocess.Popen, args: [touch, MARK]}",
        "{_target_: r1lab.disk.write_json_atomic, path: MARK, obj: 1}",
        "{_target_: r1lab.rewards.format.FormatReward, weight: {_target_: os.system, command: 'touch MARK'}}",
    ],
)
@pytest.mark.usefixtures("hydra")
def test_a_plan_calls_nothing(part, tmp_path, capsys):
    mark = tmp_path / "mark"
    with pytest.raises(ConfigError, match="Planning builds parts") as caught:
        plan(tmp_path, f"+rewards.mine={part.replace('MARK', str(mark))}", capsys=capsys)
    assert "stage.rewards.mine" in caught.value.found and not mark.exists()


@pytest.mark.usefixtures("hydra")
def test_a_plan_of_a_pipeline_calls_nothing_in_its_nodes(tmp_path, capsys):
    mark = tmp_path / "mark"
    part = f"{{_target_: os.system, command: 'touch {mark}'}}"
    node = f"{{stage: evaluate, settings: {{evaluation: {{rewards: {{mine: {part}}}}}}}}}"
    with pytest.raises(ConfigError, match="Planning builds parts"):
        plan(tmp_path, "stage=pipeline", f"+stage.nodes.one={node}", "stage.overrides=[]", capsys=capsys)
    assert not mark.exists()


@pytest.mark.parametrize(
    "part",
    [
        PretrainedPolicy("owner/name", None, "float32", "sdpa"),
        SequenceClassifier("owner/name", "float32", 1),
        TorchJudge("owner/name", "float32", "sdpa", 1),
    ],
    ids=lambda part: type(part).__name__,
)
def test_only_a_plan_leaves_the_hub_alone(part):
    with planning(True) as unseen:
        part.check()
        with planning(False), pytest.raises(ModelError, match="hub"):
            part.check()
    assert len(unseen) == 1 and unseen[0].startswith("owner/name on the hub")
    with pytest.raises(ModelError, match="hub"):
        part.check()
    assert not left_unseen("anything")


def test_a_plan_still_sees_what_is_here(tmp_path):
    with planning(True) as unseen, pytest.raises(ModelError, match="no such model folder"):
        PretrainedPolicy(str(tmp_path / "none"), None, "float32", "sdpa").check()
    assert unseen == []
