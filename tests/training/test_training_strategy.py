"""How many processes a strategy means on a machine without a GPU."""

import os

import pytest
import torch

from r1lab.training.strategy import Strategy

CORES = len(os.sched_getaffinity(0))


def strategy(kind="auto", devices=0, cpu_devices=2, num_nodes=1):
    return Strategy(kind, devices, num_nodes, "cpu", cpu_devices, 0)


@pytest.fixture(autouse=True)
def no_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_NTASKS", raising=False)


@pytest.mark.skipif(CORES < 2, reason="one core")
def test_each_core_has_a_process_up_to_the_number_given():
    assert (strategy().local_size, strategy().resolved) == (2, "ddp")
    assert strategy(cpu_devices=10_000).local_size == CORES
    assert (strategy(num_nodes=3).world_size, strategy(cpu_devices=1, num_nodes=3).resolved) == (6, "ddp")


def test_one_process_is_no_ddp():
    assert (strategy(cpu_devices=1).local_size, strategy(cpu_devices=1).resolved) == (1, "single")
    assert (strategy("single").local_size, strategy("single").resolved) == (1, "single")


def test_processes_share_the_cores(monkeypatch):
    monkeypatch.setattr("r1lab.training.strategy.num_cores", lambda: 6)
    before = torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS")
    try:
        for devices, threads in ((2, 3), (4, 1), (12, 1)):
            strategy(devices=devices).set_threads()
            assert (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"]) == (threads, str(threads))
    finally:
        torch.set_num_threads(before[0])
        os.environ.pop("OMP_NUM_THREADS") if before[1] is None else os.environ.update(OMP_NUM_THREADS=before[1])


def test_devices_that_are_given_are_taken():
    assert (strategy(devices=3).local_size, strategy("fsdp", devices=3).resolved) == (3, "fsdp")


def test_one_core_and_slurm_have_one_process(monkeypatch):
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert strategy().local_size == 1
    finally:
        os.sched_setaffinity(0, cores)
    monkeypatch.setenv("SLURM_NTASKS", "4")
    assert strategy().local_size == 1
