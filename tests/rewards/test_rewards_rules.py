"""Accuracy, format and the controls on real rollouts, verified by real workers."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from r1lab.errors import ConfigError
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.controls import RandomReward, ShuffledGold
from r1lab.rewards.format import FormatReward
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout, Status
from r1lab.verifiers.math_answer import MathChecker, same
from r1lab.verifiers.pool import Call

CORPUS = Path(__file__).parents[1] / "corpora/format_cheats.jsonl"
MEMORY = 512 * 2**20


def rollout(answer, gold="7", id="q", sample=0, domain="math", finish=Finish.STOP, ids=(5, 6, 2)):
    text = f"<think>a</think><answer>{answer}</answer>" if answer is not None else "<think>a</think>"
    completion = Completion(torch.tensor(ids), torch.zeros(len(ids)), finish)
    return Rollout(Question(id, "", gold, domain=domain), torch.tensor([1]), completion, parse_response(text), sample)


@pytest.fixture(scope="module")
def accuracy():
    checkers = {"math": MathChecker(percent="either", degrees="unit", significant_digits=6)}
    reward = AccuracyReward(1.0, checkers, num_workers=1, timeout_seconds=20.0, memory_bytes=MEMORY)
    yield reward
    reward.close()


def test_accuracy_cheap_needs_no_worker(accuracy):
    scores = accuracy(
        [rollout("7"), rollout("14/2"), rollout("8"), rollout(None), rollout("seven"), rollout("7", gold="")]
    )
    assert [s.value for s in scores] == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    assert [s.reason for s in scores[:4]] == ["same text", "same number", "other number", "no answer"]
    assert [s.judged for s in scores] == [True] * 5 + [False] and scores[5].status is Status.BAD_GOLD
    assert scores[1].extracted == "14/2" and 0 < scores[1].ms < 100
    assert "pool" not in vars(accuracy)


def test_accuracy_by_workers(accuracy):
    golds = [r"\sqrt{8}", r"2\sqrt{2}", "(1,2]", "(("]
    scores = accuracy(
        [rollout(a, gold=g) for a, g in zip([r"2\sqrt2", r"3\sqrt{2}", "(1,2]", "7"], golds, strict=True)]
    )
    assert [(s.value, s.status) for s in scores[:3]] == [(1.0, "ok"), (0.0, "ok"), (1.0, "ok")]
    assert scores[3].status is Status.BAD_GOLD and scores[0].ms > 0 and scores[0].reason == "same value"


def test_accuracy_turns_faults_into_statuses(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    from hostile_checker import HostileChecker

    reward = AccuracyReward(1.0, {"math": HostileChecker()}, num_workers=2, timeout_seconds=1.0, memory_bytes=MEMORY)
    start = time.monotonic()
    try:
        scores = reward([rollout(a) for a in ("hang", "die", "{", "hang", "hang", "hang")])
    finally:
        reward.close()
    # the same answer to the same question is judged once: one deadline, not four
    assert time.monotonic() - start < 8.0
    assert [s.status for s in scores] == ["timeout", "crash", "crash", "timeout", "timeout", "timeout"]
    assert scores[1].reason == "worker exited with code 9" and scores[2].reason.startswith("JSONDecodeError")
    assert scores[0].value == 0.0 and scores[0].ms >= 1000


def test_workers_do_not_import_torch(accuracy):
    assert accuracy.pool.score([Call(eval, ("'torch' in __import__('sys').modules",))])[0].value is False


def test_accuracy_without_checker_names_the_domains(accuracy):
    with pytest.raises(ConfigError, match="No checker for the domain code") as caught:
        accuracy([rollout("7", domain="code")])
    assert "checkers of: math" in str(caught.value)


def test_format_by_the_corpus():
    reward = FormatReward(1.0)
    for case in map(json.loads, CORPUS.open()):
        response = parse_response(case["text"], case["prefill"])
        (score,) = reward([replace(rollout("7"), response=response)])
        assert (score.value, score.reason) == ((0.0, case["fault"]) if case["fault"] else (1.0, "well formed"))
        assert score.judged


def test_format_of_a_cut_completion_is_zero():
    (score,) = FormatReward(1.0)([rollout("7", finish=Finish.LENGTH)])
    assert (score.value, score.reason, score.judged) == (0.0, "cut at the length limit", True)


def test_random_reward_is_fair_fixed_and_ignores_the_answer():
    reward = RandomReward(1.0, seed=3)
    batch = [rollout("7", id=f"q{i % 50}", sample=i // 50, ids=(i, 2)) for i in range(2000)]
    values = [score.value for score in reward(batch)]
    assert set(values) == {0.0, 1.0}
    assert 900 <= sum(values) <= 1100  # mean 1000, deviation sqrt(2000/4) = 22.4
    assert values == [score.value for score in reward(batch)]
    assert values[::-1] == [score.value for score in reward(batch[::-1])]  # no matter what stands beside it
    assert values != [score.value for score in RandomReward(1.0, seed=4)(batch)]
    assert reward([rollout("7")])[0].value == reward([rollout("8")])[0].value
    coins = [reward([rollout("7", sample=i)])[0].value for i in range(64)]
    assert {0.0, 1.0} == set(coins)


def test_shuffled_gold_is_never_right(accuracy):
    golds = ["7", "7.0", "9", "1/2", "0.5", "11", "Red"]
    batch = [rollout(gold, gold=gold, id=f"q{i}", sample=s) for i, gold in enumerate(golds) for s in range(3)]
    reward = ShuffledGold(1.0, accuracy, seed=0)
    assert all(score.judged and score.value == 0.0 for score in reward(batch))
    wrong = {name: question.answer for name, question in reward._swapped(batch).items()}
    assert all(not same(wrong[f"q{i}"], gold) and wrong[f"q{i}"] in golds for i, gold in enumerate(golds))
    assert wrong == {name: question.answer for name, question in reward._swapped(batch[::-1]).items()}
    # who answers with the other question's gold is paid
    paid = [rollout(wrong[f"q{i}"], gold=gold, id=f"q{i}") for i, gold in enumerate(golds)]
    others = [rollout(gold, gold=gold, id=f"q{i}") for i, gold in enumerate(golds)]
    assert [score.value for score in reward(paid + others)] == [1.0] * 7 + [0.0] * 7


def test_shuffled_gold_depends_on_the_seed_and_on_the_pool(accuracy):
    golds = [str(i) for i in range(20)]
    batch = [rollout(gold, gold=gold, id=f"q{gold}") for gold in golds]
    choices = [ShuffledGold(1.0, accuracy, seed)._swapped(batch) for seed in (0, 1)]
    assert choices[0] != choices[1]
    pooled = ShuffledGold(1.0, accuracy, 0).informed([one.question for one in batch])
    # with the golds of a run the wrong gold does not depend on which questions share the batch
    assert pooled._swapped(batch[:1])["q0"].answer == pooled._swapped(batch)["q0"].answer != "0"


def test_shuffled_gold_without_another_gold_is_not_judged(accuracy):
    (score,) = ShuffledGold(1.0, accuracy, seed=0)([rollout("7")])
    assert score.status is Status.BAD_GOLD
