"""Two processes, copied (ddp) or sharded (fsdp), make the same updates as one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).with_name("three_updates.py")


def weights_after(kind, devices, folder, *how):
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(devices), str(folder), *how],
        capture_output=True, text=True, timeout=240, env=environment | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return weights_after("single", 1, tmp_path_factory.mktemp("single") / "policy")


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_ranks_equal_one(kind, alone, tmp_path):
    assert_equal(weights_after(kind, 2, tmp_path / "policy"), alone)


@pytest.fixture(scope="module")
def alone_with_a_critic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ppo") / "policy"
    return weights_after("single", 1, folder, "ppo"), load_file(folder / "critic" / "model.safetensors")


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_ranks_and_their_critics_equal_one(kind, alone_with_a_critic, tmp_path):
    policy, critic = alone_with_a_critic
    assert_equal(weights_after(kind, 2, tmp_path / "policy", "ppo"), policy)
    assert_equal(load_file(tmp_path / "policy" / "critic" / "model.safetensors"), critic)
    moved = max(float((critic[k] - policy[k]).abs().max()) for k in critic)
    assert moved > 1e-4, "the critic has not learned anything of its own"


def assert_equal(two, alone):
    assert two.keys() == alone.keys()
    worst = max(float((two[k] - alone[k]).norm() / alone[k].norm().clamp(min=1e-12)) for k in alone)
    assert worst < 1e-6, worst


def test_a_rank_without_a_group_to_train_on_does_not_hold_up_the_others(tmp_path):
    # groups of two coins: one question a rank and phase, so that often only one rank's group is informative
    words = [
        "experiments=tiny", "strategy=ddp", "strategy.devices=2", "selection=informative", "stage.plan.group_size=2",
        "stage.plan.minibatches=1", "stage.plan.questions=2", "stage.max_steps=8", "stage.checkpoint_steps=8",
        "stage.ref_refresh_steps=4", "evaluation.every_steps=0", f"run.root={tmp_path}",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *words], cwd=PROGRAM.parents[2], capture_output=True, text=True, timeout=240,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    (log,) = tmp_path.glob("tiny/*/attempt_1/log.jsonl")
    shares = [json.loads(line)["kept_share"] for line in log.read_text().splitlines()]
    assert len(shares) == 8 and 0.5 in shares, shares


@pytest.fixture(scope="module")
def alone_refilled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refilled") / "policy"
    return weights_after("single", 1, folder, "refilled"), json.loads((folder / "rank-0.json").read_text())


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_ranks_refill_and_remember_as_one(kind, alone_refilled, tmp_path):
    alone, seen = alone_refilled
    assert_equal(weights_after(kind, 2, tmp_path / "policy", "refilled"), alone)
    ranks = [json.loads((tmp_path / "policy" / f"rank-{rank}.json").read_text()) for rank in range(2)]
    assert [rank["cursor"] for rank in ranks] == [seen["cursor"]] * 2
    assert sorted(ranks[0]["groups"] + ranks[1]["groups"]) == seen["groups"]
    assert len(seen["groups"]) > 8, "no place of the last phase was refilled: the comparison would prove nothing"


def test_the_updates_move_the_weights(alone, tmp_path):
    # the comparison above would also hold if nothing was learned
    torch.manual_seed(0)
    start = torch.nn.init.ones_(torch.empty(32))
    assert (alone["model.norm.weight"].float() - start).abs().max() > 1e-4
