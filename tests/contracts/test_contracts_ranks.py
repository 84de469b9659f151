"""Two processes, copied (ddp) or sharded (fsdp), make the same updates as one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).with_name("three_updates.py")


def weights_after(kind, devices, folder):
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, str(devices), str(folder)], capture_output=True, text=True, timeout=240,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    return weights_after("single", 1, tmp_path_factory.mktemp("single") / "policy")


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_ranks_equal_one(kind, alone, tmp_path):
    two = weights_after(kind, 2, tmp_path / "policy")
    assert two.keys() == alone.keys()
    worst = max(float((two[k] - alone[k]).norm() / alone[k].norm().clamp(min=1e-12)) for k in alone)
    assert worst < 1e-6, worst


def test_the_updates_move_the_weights(alone, tmp_path):
    # the comparison above would also hold if nothing was learned
    torch.manual_seed(0)
    start = torch.nn.init.ones_(torch.empty(32))
    assert (alone["model.norm.weight"].float() - start).abs().max() > 1e-4
