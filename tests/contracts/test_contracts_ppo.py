"""PPO with a critic: killed and resumed it is the same bit for bit, its critic and the critic's optimizer too."""

import json
import shutil

import pytest
from test_contracts_resume import after_first_phase, essence, finish, in_the_middle_of_a_later_phase, kill_when

PPO = ("objective=ppo", "objective.critic.optim.lr=0.01")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    finish(root, *PPO)
    return root


@pytest.mark.parametrize("moment", [after_first_phase, in_the_middle_of_a_later_phase], ids=lambda m: m.__name__)
def test_kill_and_resume_equals_the_whole_run(moment, whole, tmp_path):
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    kill_when(tmp_path, moment, *PPO)
    finish(tmp_path, *PPO)
    expected, found = essence(whole), essence(tmp_path)
    for part in expected:
        assert found[part] == expected[part], part
    critic = [name for name in found["trainer"] if "critic" in name]
    assert any("exp_avg" in name for name in critic) and any(name.endswith("/head") for name in critic)


def test_the_critic_decides(whole, tmp_path):
    """Another lambda is another run: advantages are not those of the rewards alone."""
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    finish(tmp_path, *PPO, "objective.critic.lam=1.0")
    assert essence(tmp_path)["weights"] != essence(whole)["weights"]


def test_a_critic_needs_no_group(whole, tmp_path):
    """One completion a question trains: its value, not the others of its group, is what it is compared with."""
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    finish(tmp_path, *PPO, "stage.plan.group_size=1", "stage.plan.questions=16")
    base, trained = (essence(root)["weights"] for root in (whole, tmp_path))
    assert trained != base
    lines = [json.loads(line) for line in next(tmp_path.rglob("log.jsonl")).read_text().splitlines()]
    assert all(line["grad_norm"] > 0 for line in lines), lines
