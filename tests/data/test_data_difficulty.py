"""Difficulty pools: which question is next, where a pass rate puts it, and that the state holds it all."""

import json
import math
from collections import Counter

import pytest
import torch

from r1lab.data.difficulty import Difficulty
from r1lab.data.mix import FileSource, GeneratedSource, Mix
from r1lab.data.questions import Fields
from r1lab.errors import ConfigError
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout, Score, Status

EVEN = {"new": 1, "hard": 1, "medium": 1, "easy": 1}


def pools(weights=EVEN, low=0.25, high=0.75):
    return Difficulty(weights, low, high, "accuracy")


def mix_of(tmp_path, count, difficulty, heldout=1):
    rows = "".join(json.dumps({"q": f"Question {i}?", "a": "1"}) + "\n" for i in range(count))
    (tmp_path / "train.jsonl").write_text(rows)
    (tmp_path / "test.jsonl").write_text(json.dumps({"q": "Held out?", "a": "1"}) + "\n")
    source = FileSource(str(tmp_path), "train.jsonl", "test.jsonl", Fields("q", "a"))
    return Mix({"file": source}, {"file": 1}, seed=3, difficulty=difficulty)


def ids(questions):
    return [question.id for question in questions]


@pytest.mark.parametrize(
    "rate, pool",
    [(0.0, "hard"), (0.24, "hard"), (0.25, "medium"), (0.75, "medium"), (0.76, "easy"), (1.0, "easy"), (None, "new")],
)
def test_a_pass_rate_has_its_pool(rate, pool):
    assert pools().pool_of(rate) == pool


def test_new_questions_come_in_the_order_of_the_first_epoch(tmp_path):
    plain, pooled = mix_of(tmp_path, 8, None), mix_of(tmp_path, 8, pools())
    assert ids(pooled.draw(pooled.start(), 8, 0)[0]) == ids(plain.draw(plain.start(), 8, 0)[0])


def test_pools_are_asked_by_their_weights_and_the_longest_waiting_first(tmp_path):
    mix = mix_of(tmp_path, 6, pools({"new": 1, "hard": 0, "medium": 3, "easy": 0}))
    first, state = mix.draw(mix.start(), 4, 0)  # nothing but new ones is there
    a, b, c, d = ids(first)
    state = mix.observe(state, [(a, 0.5), (b, 1.0), (c, 0.0), (d, 0.3)])
    (source,) = state.values()
    assert {name: len(places) for name, places in source["pools"].items()} == dict(new=0, hard=1, medium=2, easy=1)
    second, state = mix.draw(state, 4, 0)
    # medium holds a, then d, and is asked three times as often as new, which holds two unseen ones; when medium is
    # empty new is all that has a weight
    assert ids(second)[0] == a and ids(second)[1:3].count(d) == 1
    assert len(set(ids(second)) - {a, d}) == 2 and not {b, c} & set(ids(second))
    # now only pools of weight 0 hold anything: hard and easy in turn, rather than nothing
    third, state = mix.draw(state, 2, 0)
    assert set(ids(third)) == {b, c}


def test_when_all_are_being_asked_the_first_is_asked_again(tmp_path):
    mix = mix_of(tmp_path, 3, pools())
    questions, state = mix.draw(mix.start(), 7, 0)
    a, b, c = ids(questions)[:3]
    assert ids(questions) == [a, b, c, a, b, c, a]
    after = mix.observe(state, [(a, 1.0), (b, None), (c, 0.0), (a, 0.0)])  # the second word on a finds it put away
    (source,) = after.values()
    assert {name: len(places) for name, places in source["pools"].items()} == dict(new=1, hard=1, medium=0, easy=1)
    assert source["asked"] == {}


def test_weights_are_shares_while_all_pools_are_filled():
    difficulty = pools({"new": 4, "hard": 1, "medium": 2, "easy": 1})
    state = {"cursor": 0, **difficulty.start()}
    state["pools"] = {"new": [], **{name: list(range(100, 200)) for name in ("hard", "medium", "easy")}}
    before = {name: len(places) for name, places in state["pools"].items()}
    for _ in range(80):
        difficulty.take(state, None)
    taken = {name: before[name] - len(places) for name, places in state["pools"].items()}
    assert (state["cursor"], taken) == (40, {"new": 0, "hard": 10, "medium": 20, "easy": 10})


def test_the_state_holds_it_all_and_is_never_changed(tmp_path):
    mix, again = (mix_of(tmp_path, 20, pools({"new": 2, "hard": 1, "medium": 2, "easy": 0.25})) for _ in range(2))

    def go_on(mix, state, rounds):
        asked = []
        for _ in rounds:
            state = json.loads(json.dumps(state))
            frozen = json.dumps(state)
            questions, drawn = mix.draw(state, 5, 0)
            seen = [(q.id, (len(q.id) + int(q.id[-1]) * 7) % 5 / 4) for q in questions]
            after = mix.observe(drawn, seen)
            assert json.dumps(state) == frozen and json.dumps(drawn) != json.dumps(after)
            asked, state = asked + ids(questions), after
        return asked, state

    whole, end = go_on(mix, mix.start(), range(12))
    head, state = go_on(mix, mix.start(), range(5))
    tail, other_end = go_on(again, state, range(7))
    assert head + tail == whole and other_end == end
    counts = Counter(whole)
    assert max(counts.values()) > 2 and len(counts) == 20  # what is learned rests, the others come again


def test_sources_without_an_end_have_pools_too():
    made = GeneratedSource(["sums"], [1], ["en"])
    mix = Mix({"made": made}, {"made": 1}, seed=0, difficulty=pools({"new": 1, "hard": 1, "medium": 0, "easy": 0}))
    first, state = mix.draw(mix.start(), 4, 0)
    second, _ = mix.draw(mix.observe(state, [(q.id, 0.0) for q in first]), 8, 0)
    assert set(ids(first)) <= set(ids(second)) and len(set(ids(second))) == 8  # four again and four new


def test_without_pools_nothing_is_observed(tmp_path):
    mix = mix_of(tmp_path, 3, None)
    assert mix.observe(mix.start(), [("file/train:1", 1.0)]) == mix.start()


def group(*scores):
    rollouts = tuple(
        Rollout(
            Question("q", "3+4?", "7"), torch.zeros(1), Completion(torch.zeros(1), torch.zeros(1), Finish.STOP),
            Response("", None, None, False), i, {"accuracy": score},
        )
        for i, score in enumerate(scores)
    )  # fmt: skip
    return Group(rollouts[0].question, rollouts)


def test_the_pass_rate_counts_the_judged():
    right, wrong, partial, broken = Score(1.0), Score(0.0), Score(0.9), Score(1.0, Status.TIMEOUT)
    assert pools().observation(group(right, wrong, partial, broken)) == ("q", pytest.approx(1 / 3))
    assert pools().observation(group(broken, broken)) == ("q", None)


@pytest.mark.parametrize(
    "weights, low, high",
    [
        ({"new": 1}, 0.2, 0.8),
        (EVEN | {"easy": -1}, 0.2, 0.8),
        (dict.fromkeys(EVEN, 0), 0.2, 0.8),
        (EVEN, 0.8, 0.2),
        (EVEN | {"easy": "x"}, 0.2, 0.8),
        (EVEN | {"easy": math.nan}, 0.2, 0.8),
        (EVEN, "low", 0.8),
    ],
)
def test_wrong_pools_are_refused(weights, low, high):
    with pytest.raises(ConfigError):
        pools(weights, low, high)
