"""Rescoring a run made by hand: what stays, what flips, and how it is counted."""

import dataclasses
from collections import Counter

import pytest
from stored_run import ADVANTAGE, accuracy, groups, scored, store

from r1lab.diagnosis.rescore import RESCORED, Rescoring, weight_differences
from r1lab.diagnosis.rescore_report import Tally
from r1lab.errors import VerifierError
from r1lab.records.tables import Table
from r1lab.rewards.controls import ShuffledGold
from r1lab.rewards.format import FormatReward
from r1lab.rewards.rubric import Reward, Rubric
from r1lab.rollouts.selection import Informative, KeepAll
from r1lab.types import Question, Score, Status


@dataclasses.dataclass(frozen=True)
class Fixed(Reward):
    """The scores that the test says."""

    weight: float
    scores: list

    def __call__(self, rollouts):
        return self.scores


def rescored(ledger, rewards, kinds=("train",), selection=None, stored_weights=True):
    rescoring = Rescoring(Rubric(rewards), selection or KeepAll(), ADVANTAGE, stored_weights)
    rows = [row for part in ledger.read(ledger.names(kinds)) for row in rescoring(part)]
    tally = Tally()
    tally.add(rows)
    return rows, tally


def counts(numbers, name):
    """Scores, rewards that change sign, advantages that change sign, by what became of the score."""
    return {word: list(found.values()) for word, found in numbers["scores"][name].items()}


def test_the_same_reward_changes_nothing(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    rows, tally = rescored(ledger, {"accuracy": accuracy()})
    assert len(rows) == 12 and {row["change"] for row in rows} == {"same"}
    for row in rows:
        assert (row["reward"], row["advantage"]) == (row["reward_before"], row["advantage_before"])
    numbers = tally.numbers()
    assert numbers["scores_differ"] == {"accuracy": 0}
    assert numbers["rewards_differ"] == numbers["rewards_change_sign"] == numbers["advantages_change_sign"] == 0
    # 2 + 2 of 12 are right; three groups: + + - -, + - + -, and four of 0
    assert numbers["rewards"] == {"+ -> +": 4, "0 -> 0": 8}
    assert numbers["advantages"] == {"+ -> +": 4, "- -> -": 4, "0 -> 0": 4}
    assert "0 advantages change sign" in tally.text()


def test_shuffled_gold_flips_what_must_flip(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    donors = [Question("", "", "7"), Question("", "", "9")]
    shuffled = ShuffledGold(1.0, accuracy(), seed=0).informed(donors)
    rows, tally = rescored(ledger, {"accuracy": shuffled})
    # gold 7 is judged against 9, gold 9 against 7, gold 12 against one of them, which none of its answers is
    # q-7 answered 7 7 9 1: 1 1 0 0 becomes 0 0 1 0; q-9 answered 9 7 9 -: 1 0 1 0 becomes 0 1 0 0
    assert [row["value_before"] for row in rows] == [1, 1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0]
    assert [row["value"] for row in rows] == [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    numbers = tally.numbers()
    assert counts(numbers, "accuracy") == {"ok, lower": [4, 4, 4], "ok, higher": [2, 2, 2], "ok, same": [6, 0, 0]}
    assert (numbers["rewards_differ"], numbers["rewards_change_sign"]) == (6, 6)
    assert numbers["rewards"] == {"+ -> 0": 4, "0 -> +": 2, "0 -> 0": 6}
    # q-7: + + - - becomes - - + -; q-9: + - + - becomes - + - -
    assert numbers["advantages"] == {"+ -> -": 4, "- -> +": 2, "- -> -": 2, "0 -> 0": 4}
    assert numbers["advantages_change_sign"] == 6
    text = tally.text()
    assert "accuracy: 12 scores, 6 differ" in text and "  ok, lower " in text
    assert "6 advantages change sign (+ -> - 4, - -> + 2)" in text
    assert "accuracy, question q-7, sample 0: gold '7', answer '7'" in text


def test_a_fault_that_is_judged_now_is_counted_by_its_statuses(tmp_path):
    made = scored(groups(), {"accuracy": accuracy()})
    first = made[0].rollouts[0]
    broken = dataclasses.replace(first, scores={"accuracy": Score(0.0, Status.TIMEOUT, "slow", 5003.0)}, reward=None)
    made[0] = dataclasses.replace(made[0], rollouts=(broken, *made[0].rollouts[1:]))
    rows, tally = rescored(store(tmp_path, made), {"accuracy": accuracy()})
    assert (rows[0]["status_before"], rows[0]["reason_before"], rows[0]["change"]) == (
        "timeout",
        "slow",
        "timeout -> ok",
    )
    numbers = tally.numbers()
    assert numbers["scores_differ"] == {"accuracy": 1}
    assert counts(numbers, "accuracy") == {"timeout -> ok": [1, 1, 1], "ok, same": [11, 0, 0]}
    # it did not train and would have: -, 1, 0, 0 becomes 1, 1, 0, 0; the signs of the others stay
    assert numbers["advantages"]["none -> +"] == numbers["rewards"]["none -> +"] == 1
    assert numbers["advantages_change_sign"] == 1
    assert "12 scores, 1 differ" in tally.text()


def test_a_new_reward_changes_rewards_and_differs_from_nothing(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}), phase=1, step=0)
    store(tmp_path, scored(groups(), {"accuracy": accuracy()}), phase=2, step=10)
    # the format counts from step 10 on; one completion in twelve has no answer block
    rows, tally = rescored(ledger, {"accuracy": accuracy(), "format": FormatReward([[0, 0.0], [10, 1.0]])})
    new = [row for row in rows if row["name"] == "format"]
    assert {row["change"] for row in new} == {"new"} and {row["status_before"] for row in new} == {None}
    assert Counter((row["phase"], row["reward"] - row["reward_before"]) for row in new) == {
        (1, 0.0): 12, (2, 1.0): 11, (2, 0.0): 1,
    }  # fmt: skip
    numbers = tally.numbers()
    assert numbers["completions"] == 24 and numbers["rewards_differ"] == 11
    # in phase 2: right ones were 1 and are 2; of the wrong ones 7 of 8 were 0 and are 1, in both rewards' tables
    assert numbers["scores_differ"] == {"accuracy": 0, "format": 0} and numbers["rewards_change_sign"] == 7
    assert counts(numbers, "format")["ok, new"][:2] == counts(numbers, "accuracy")["ok, same"][:2] == [24, 7]
    # all of q-12 gain alike, and q-7; in q-9 2 1 2 0 has the mean 1.25 where 1 0 1 0 had 0.5: no sign changes
    assert numbers["advantages_change_sign"] == 0


def test_a_group_that_would_not_train_has_no_advantage(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    _, tally = rescored(ledger, {"accuracy": accuracy()}, selection=Informative())
    assert tally.numbers()["advantages"] == {"+ -> +": 4, "- -> -": 4, "0 -> none": 4}


def test_evaluations_have_no_advantages(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}), kind="evaluation-after")
    rows, tally = rescored(ledger, {"accuracy": accuracy()}, kinds=["evaluation-after"])
    assert len(rows) == 12 and {row["advantage"] for row in rows} == {None}
    assert tally.numbers()["advantages"] == {} and "advantages" not in tally.text()


def test_shuffled_gold_takes_the_golds_of_the_batch_that_was_judged_together(tmp_path):
    shuffled = {"accuracy": ShuffledGold(1.0, accuracy(), seed=0)}
    made = scored(groups(), shuffled)
    one, two = scored(groups()[:1], shuffled), scored(groups()[1:], shuffled)
    # alone, q-7 finds no other gold; the two ranks' parts are judged again apart, as they were
    ledger = store(tmp_path / "ranks", one)
    store(tmp_path / "ranks", two, rank=1)
    rows, _ = rescored(ledger, shuffled)
    assert {row["change"] for row in rows} == {"same"}
    assert [row["status"] for row in rows[:4]] == ["bad_gold"] * 4 and rows[4]["status"] == "ok"
    rows, _ = rescored(store(tmp_path / "whole", made), shuffled)
    assert {row["change"] for row in rows} == {"same"} and {row["status"] for row in rows} == {"ok"}


def test_rows_fit_their_table(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    rows, _ = rescored(ledger, {"accuracy": accuracy(), "format": FormatReward(1.0)})
    table = Table(tmp_path / "rescored.parquet", RESCORED)
    table.write_part("phase-000001.rank-0.parquet", rows)
    read = table.rows()
    assert len(read) == 24 and read[0]["answer"] == "7" and read[0]["advantage"] > 0


def test_scores_weigh_what_they_weighed_in_the_run(tmp_path):
    both = {"accuracy": accuracy(2.0), "format": FormatReward(0.0)}
    stored = scored(groups(), both)
    ledger = store(tmp_path, stored, weights={"accuracy": 2.0, "format": 0.0})
    now = {"accuracy": accuracy(1.0), "format": FormatReward(1.0), "second": FormatReward(0.5)}
    rows, tally = rescored(ledger, {name: now[name] for name in both})
    assert tally.rewards_differ == 0 and {row["reward"] for row in rows} == {0.0, 2.0}
    assert {(r["name"], r["weight_before"], r["weight"]) for r in rows} == {("accuracy", 2, 2), ("format", 0, 0)}
    # what the run did not have weighs what it weighs now: 2 * 1 + 0 * 1 + 0.5 * 1 for q-7's first
    rows, _ = rescored(ledger, now)
    assert rows[0]["reward"] == 2.5 and (rows[2]["weight_before"], rows[2]["weight"]) == (None, 0.5)
    # 1 * 1 + 1 * 1 + 0.5 * 1
    rows, _ = rescored(ledger, now, stored_weights=False)
    assert rows[0]["reward"] == 2.5 and [row["weight"] for row in rows[:3]] == [1.0, 1.0, 0.5]
    assert rows[9]["reward"] == 1.5  # q-7's last but one is wrong: 0 + 1 + 0.5, in the run 0 and 0.5 with the second
    (part,) = ledger.read(ledger.names(["train"]))
    assert weight_differences(part, Rubric(now)) == {
        ("train", "accuracy"): "accuracy: weight 2 in train, 1 here",
        ("train", "format"): "format: weight 0 in train, 1 here",
    }


def test_the_report_says_how_many_scores_are_new(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    _, tally = rescored(ledger, {"accuracy": accuracy(), "format": FormatReward(1.0)})
    assert "format: 12 scores, 12 new" in tally.text() and "accuracy: 12 scores, 0 differ\n" in tally.text()
    store(tmp_path, scored(groups(), {"accuracy": accuracy(), "format": FormatReward(1.0)}), phase=2)
    _, tally = rescored(ledger, {"accuracy": accuracy(), "format": FormatReward(1.0)})
    assert "format: 24 scores, 0 differ, 12 new" in tally.text()


def test_completions_are_counted_once_whatever_rewards_their_parts_have(tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    one, _ = rescored(ledger, {"accuracy": accuracy()})
    two, _ = rescored(ledger, {"format": FormatReward(1.0), "accuracy": accuracy()})
    tally = Tally()
    tally.add(one)
    tally.add(two)
    assert tally.rewards.total() == 24 and tally.advantages.total() == 24


@pytest.mark.parametrize(
    "statuses, refused",
    [
        ([Status.CRASH] * 12, "12 of 12 own"),
        ([Status.CRASH] * 5 + [Status.ABSTAINED] * 7, "5 of 12 own"),
        ([Status.BAD_GOLD, *[Status.DISAGREED] * 11], "1 of 12 own"),
        ([Status.CRASH] * 11 + [Status.OK], None),
        ([Status.ABSTAINED] * 12, None),
        ([Status.OK] * 12, None),
    ],
)
def test_a_reward_that_fails_and_judges_nothing_is_refused(statuses, refused, tmp_path):
    ledger = store(tmp_path, scored(groups(), {"accuracy": accuracy()}))
    own = Fixed(1.0, [Score(0.0, status, f"reason {place}") for place, status in enumerate(statuses)])
    _, tally = rescored(ledger, {"accuracy": accuracy(), "own": own})
    if refused is None:
        tally.require_judged()
        return
    first = next(place for place, status in enumerate(statuses) if status.is_fault)
    with pytest.raises(VerifierError, match=f"{refused} scores are faults .* and none was judged") as caught:
        tally.require_judged()
    assert f"own: {statuses[first]} (reason {first}) on question q-7, gold '7'" in caught.value.found
