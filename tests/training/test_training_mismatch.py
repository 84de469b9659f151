"""A sampler that computes something else is told of, and ends the run where it is far off."""

import math
from types import SimpleNamespace

import pytest
import torch
from hydra import compose
from hydra.utils import instantiate

from r1lab.errors import ConfigError, TrainingError
from r1lab.stages.mismatch_watch import MismatchWatch
from r1lab.training.mismatch import TYPES, MismatchLevels


@pytest.fixture
def levels(hydra):
    return instantiate(compose("config", overrides=["stage=r1zero"]).stage.mismatch)


@pytest.mark.parametrize(
    "mean, dtype, ends",
    [
        (5e-7, "float32", "well"), (5e-4, "float32", "well"), (0.002, "float32", "told"), (0.6, "float32", "stopped"),
        (0.06, "float32", "stopped"), (0.02, "bfloat16", "well"), (0.1, "bfloat16", "told"),
        (0.201, "bfloat16", "stopped"), (3.1, "bfloat16", "stopped"), (0.02, "float16", "well"),
        (1e-7, "float64", "well"), (math.nan, "float32", "stopped"), (math.inf, "bfloat16", "stopped"), (0.0, "float32",
         "well"),
    ],
)  # fmt: skip
def test_levels_of_the_types(levels, mean, dtype, ends):
    if ends == "stopped":
        with pytest.raises(TrainingError) as caught:
            levels(mean, dtype, 4)
        assert (
            "phase 4" in caught.value.found and dtype in caught.value.found and "stage.mismatch" in caught.value.remedy
        )
    else:
        assert bool(levels(mean, dtype, 4)) == (ends == "told")


@pytest.mark.parametrize("wrong", [{}, {"float32": 0.1}, dict.fromkeys(TYPES, 0.0), dict.fromkeys(TYPES, "much")])
def test_levels_that_are_none(wrong):
    right = dict.fromkeys(TYPES, 0.1)
    MismatchLevels(right, dict.fromkeys(TYPES, math.inf))
    for pair in ((wrong, right), (right, wrong)):
        with pytest.raises(ConfigError, match=r"stage\.mismatch"):
            MismatchLevels(*pair)


@pytest.mark.parametrize("mean, told, ended", [(1e-6, 0, False), (0.01, 1, False), (0.7, 0, True)])
def test_the_watch_tells_and_ends_with_its_rows_written(levels, mean, told, ended):
    said, written = [], []
    watch = MismatchWatch(levels, SimpleNamespace(finish=lambda: written.append(True)), said.append)
    report = SimpleNamespace(metrics={"mismatch_mean": mean}, phase=2)
    module = SimpleNamespace(report=report, policy=SimpleNamespace(product_dtype=torch.float32))
    try:
        watch.on_train_batch_end(None, module)
    except TrainingError:
        assert ended and written
    else:
        assert not ended
    assert len(said) == told


def test_the_levels_are_no_part_of_a_runs_address(hydra, tmp_path):
    from r1lab.stages.run import Run

    runs = [
        Run.of(compose("config", overrides=[f"run.root={tmp_path}", "run.name=test", "stage=r1zero", *words])).address
        for words in ((), ("stage.mismatch.stop.float32=0.5",), ("stage.max_steps=320",))
    ]
    assert runs[0] == runs[1] != runs[2]
