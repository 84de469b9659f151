"""Refills and difficulty pools in a run: what trains, what is remembered, and kill and resume bit for bit."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_contracts_resume import ROOT, essence, finish, in_the_middle_of_a_later_phase, kill_when
from test_contracts_updates import PLAN, trained

from r1lab.diagnosis.rescore import RESCORED
from r1lab.records.tables import Table
from r1lab.rollouts.selection import Informative, Refilled

PAIRS = dataclasses.replace(PLAN, questions=8, group_size=2)
"""Two coins are equal half of the time."""


def test_refilled_places_train_and_the_others_are_kept_in_the_record(tiny_model, tokenizer):
    report = trained(tiny_model(), tokenizer, plan=PAIRS, selection=Refilled(4)).report
    assert len(report.groups) > 8 and len({group.index for group in report.groups}) == len(report.groups)
    informative = {group.index for group in report.groups if group.informative}
    # a place is refilled only while it is empty, so no place has two groups that train
    assert set(report.advantages) == informative and len({index % 8 for index in informative}) == len(informative)
    without = trained(tiny_model(), tokenizer, plan=PAIRS, selection=Informative()).report
    assert [group.question.id for group in report.groups[:8]] == [group.question.id for group in without.groups]
    assert len(without.advantages) < len(report.advantages)


def test_the_mix_goes_on_behind_the_refills(tiny_model, tokenizer):
    module = trained(tiny_model(), tokenizer, plan=PAIRS, phases=2, selection=Refilled(4))
    one = trained(tiny_model(), tokenizer, plan=PAIRS, phases=1, selection=Refilled(4))
    first, second = ({group.question.id for group in report.groups} for report in (one.report, module.report))
    assert one.cursor["sums"]["cursor"] == len(one.report.groups)
    assert module.cursor["sums"]["cursor"] == len(one.report.groups) + len(module.report.groups)
    assert len(first & second) <= 2  # small sums repeat now and then


OVERRIDES = ("selection=refilled", "+difficulty@mix.difficulty=pools", "stage.plan.group_size=2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed."""
    root = tmp_path_factory.mktemp("refilled")
    finish(root, *OVERRIDES)
    return root


def test_kill_and_resume_equals_the_whole_run(whole, tmp_path):
    shutil.copytree(whole / "artifacts", tmp_path / "artifacts")
    kill_when(tmp_path, in_the_middle_of_a_later_phase, *OVERRIDES)
    finish(tmp_path, *OVERRIDES)
    expected, found = essence(whole), essence(tmp_path)
    for part in expected:
        assert found[part] == expected[part], part
    rows = [row for row in found["rollouts.parquet"] if row["kind"] == "train"]
    assert max(row["group"] for row in rows) >= 4, "no place was refilled: the comparison would prove nothing"
    (source,) = found["state"]["cursor"].values()
    assert sum(map(len, source["pools"].values())) > 0


@pytest.mark.parametrize(
    "kinds, accuracy", [("[train]", "random"), ("[evaluation-before,evaluation-after]", "accuracy")]
)
def test_the_same_rewards_find_nothing_to_change_in_a_real_run(kinds, accuracy, whole):
    command = [
        sys.executable, "-m", "r1lab", "stage=rescore", f"stage.folder={whole / 'tiny'}", f"stage.kinds={kinds}",
        f"reward@rewards.accuracy={accuracy}", "selection=refilled", f"run.root={whole}", "tracker=disabled",
        "run.min_free_bytes=1000000",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    folder = Path(done.stdout.strip().splitlines()[-1])
    rows = Table(folder / "rescored.parquet", RESCORED).rows()
    assert {row["change"] for row in rows} == {"same"} and {row["name"] for row in rows} == {"accuracy", "format"}
    if accuracy == "random":
        for row in rows:
            assert (row["reward"], row["advantage"]) == (row["reward_before"], row["advantage_before"])
        signs = {row["advantage"] and row["advantage"] > 0 for row in rows}
        assert signs == {None, False, True}, "groups that train and groups that do not: else it would prove little"
