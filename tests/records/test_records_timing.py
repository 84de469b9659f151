"""Seconds by name, added up over blocks and over resume."""

import json
import time

import pytest

from r1lab.records.timing import Stopwatch


def test_seconds_add_up_by_name_over_blocks_and_resume():
    first = Stopwatch()
    with first("sampling"):
        time.sleep(0.05)
    resumed = Stopwatch(json.loads(json.dumps(first.seconds)))
    for _ in range(2):
        with resumed("sampling"):
            time.sleep(0.05)
    with resumed("update"):
        time.sleep(0.02)
    assert 0.15 <= resumed.seconds["sampling"] < 0.6 and 0.02 <= resumed.seconds["update"] < 0.3
    assert resumed.total == sum(resumed.seconds.values())


def test_load_takes_the_checkpoints_seconds_in_place_of_its_own():
    clock = Stopwatch({"sampling": 7.0, "lost": 1.0})
    clock.load({"sampling": 5.0})
    assert clock.seconds == {"sampling": 5.0}


def test_a_block_that_raises_is_counted_and_frees_the_clock():
    clock = Stopwatch()
    with pytest.raises(KeyError), clock("scoring"):
        time.sleep(0.02)
        raise KeyError
    with clock("scoring"):
        pass
    assert clock.seconds["scoring"] >= 0.02


def test_a_block_inside_a_block_is_refused():
    clock = Stopwatch()
    with (
        clock("sampling"),
        pytest.raises(RuntimeError, match="'scoring' was started inside that of 'sampling'"),
        clock("scoring"),
    ):
        pass
    assert list(clock.seconds) == ["sampling"]
