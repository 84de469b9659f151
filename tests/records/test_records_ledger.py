"""Stored rows come back as the groups that were written; parts that are still being written wait."""

import dataclasses
from pathlib import Path

import pytest
import torch
from pyarrow import parquet
from stored_run import accuracy, groups, scored, store

from r1lab.errors import DataError
from r1lab.records.ledger import Ledger, find_run, stored_runs
from r1lab.types import Finish, Score, Status


@pytest.fixture
def made():
    return scored(groups(), {"accuracy": accuracy()})


def plain(rollout):
    """A rollout as data that can be compared."""
    completion = rollout.completion
    ids, logprobs = completion.ids.tolist(), completion.logprobs.tolist()
    flat = {field.name: getattr(rollout, field.name) for field in dataclasses.fields(rollout)}
    scores = dict(rollout.scores)
    return flat | {"prompt_ids": len(rollout.prompt_ids), "completion": (ids, logprobs, completion.finish,
                   completion.policy_version), "scores": scores}  # fmt: skip


def test_groups_come_back_as_they_were(tmp_path, made):
    first = made[0].rollouts[0]
    broken = dataclasses.replace(
        first, sample=1, reward=None, scores={"accuracy": Score(0.0, Status.TIMEOUT, "verifier exceeded 5 s", 5003.0)},
        completion=dataclasses.replace(first.completion, finish=Finish.LENGTH),
    )  # fmt: skip
    made[0] = dataclasses.replace(made[0], rollouts=(first, broken, *made[0].rollouts[2:]))
    ledger = store(tmp_path, made, phase=3, step=6)
    (part,) = ledger.read(ledger.names(["train"]))
    assert (part.name, part.phase, part.step, part.kind) == ("phase-000003.rank-0.parquet", 3, 6, "train")
    assert [group.index for group in part.groups] == [0, 1, 2]
    for written, read in zip(made, part.groups, strict=True):
        assert read.question == written.question and read.question.details == {"unit": ["m"]}
        assert [plain(r) for r in read.rollouts] == [plain(r) for r in written.rollouts]
    # of 1, -, 0, 0 the mean is 1/3: one above, two below
    assert [a if a is None else a > 0 for a in part.advantages[0]] == [True, None, False, False]
    assert part.advantages[2] == [0.0] * 4


def test_a_question_asked_twice_in_a_phase_has_two_groups(tmp_path, made):
    again = dataclasses.replace(made[0], index=7)
    ledger = store(tmp_path, [made[0], again])
    (part,) = ledger.read(ledger.names(["train"]))
    assert [(g.index, g.question.id, len(g.rollouts)) for g in part.groups] == [(0, "q-7", 4), (7, "q-7", 4)]


def test_only_parts_with_scores_are_read_and_kinds_are_kept_apart(tmp_path, made):
    ledger = store(tmp_path, made[:1], phase=1)
    store(tmp_path, made[1:], phase=1, rank=1)
    store(tmp_path, made, phase=0, kind="evaluation-before")
    store(tmp_path, made, phase=2)
    (ledger.scores.folder / "phase-000002.rank-0.parquet").unlink()  # a running process writes completions first
    ledger.rollouts.write(3, [])
    ledger.scores.write(3, [])  # a rank without a question
    assert ledger.kinds() == ["evaluation-before", "train"]
    assert [(p.phase, p.kind, len(p.groups)) for p in ledger.read(ledger.names(["train"]))] == [
        (1, "train", 1),
        (1, "train", 2),
    ]
    assert [p.kind for p in ledger.read(ledger.names(["evaluation-before"]))] == ["evaluation-before"]


def test_rows_of_another_version_are_refused(tmp_path, made):
    ledger = store(tmp_path, made)
    path = ledger.rollouts.folder / "phase-000001.rank-0.parquet"
    parquet.write_table(parquet.ParquetFile(path).read().drop_columns(["details"]), path)
    with pytest.raises(DataError, match="another version") as caught:
        list(ledger.read(ledger.names(["train"])))
    assert "details" in caught.value.found


def test_a_run_is_found_by_any_of_its_folders(tmp_path, made):
    home = tmp_path / "tiny" / "0f3a"
    for number in (2, 9, 10):
        store(home / f"attempt_{number}", made)
    (tmp_path / "tiny" / "latest").symlink_to(Path("0f3a") / "attempt_9")
    newest = home / "attempt_10"
    assert find_run(newest) == find_run(home) == newest.resolve()
    assert find_run(tmp_path / "tiny") == (home / "attempt_9").resolve()
    assert find_run(tmp_path) is None and find_run(tmp_path / "gone") is None
    assert sorted(stored_runs(tmp_path)) == sorted(home / f"attempt_{n}" for n in (2, 9, 10))


def test_ids_and_logprobs_keep_their_types(tmp_path, made):
    ledger = store(tmp_path, made)
    (part,) = ledger.read(ledger.names(["train"]))
    completion = part.groups[0].rollouts[0].completion
    assert (completion.ids.dtype, completion.logprobs.dtype) == (torch.int64, torch.float32)


def test_parts_that_only_one_table_has_are_told(tmp_path, made):
    ledger = store(tmp_path, made, phase=1)
    store(tmp_path, made, phase=2)
    store(tmp_path, made, phase=0, kind="evaluation-before")
    assert ledger.halves(["train", "evaluation-before"]) == []
    (ledger.scores.folder / "phase-000002.rank-0.parquet").unlink()
    (ledger.rollouts.folder / "phase-000001.rank-0.parquet").unlink()
    assert ledger.halves(["train"]) == ["phase-000001.rank-0.parquet", "phase-000002.rank-0.parquet"]
    assert ledger.halves(["evaluation-before"]) == []


def test_the_weights_of_a_part_come_back(tmp_path, made):
    ledger = store(tmp_path, made, weights={"accuracy": 0.25})
    (part,) = ledger.read(ledger.names(["train"]))
    assert part.weights == {"accuracy": 0.25}


def test_the_first_phases_questions_are_those_of_all_ranks(tmp_path, made):
    assert Ledger(tmp_path).first_questions() == []
    store(tmp_path, made[1:], phase=1)
    store(tmp_path, made[:1], phase=1, rank=1)
    ledger = store(tmp_path, made, phase=2)
    assert [question.id for question in ledger.first_questions()] == [g.question.id for g in (*made[1:], made[0])]


def test_which_rewards_have_judged_anything(tmp_path, made):
    def given(statuses):
        """Every completion with these scores."""
        scores = {name: Score(1.0, status) for name, status in statuses.items()}
        rollouts = tuple(dataclasses.replace(r, scores=scores) for r in made[0].rollouts)
        return [dataclasses.replace(made[0], rollouts=rollouts)]

    store(tmp_path, given({"a": Status.OK, "b": Status.CRASH, "c": Status.ABSTAINED}), phase=1)
    store(tmp_path, given({"a": Status.CRASH, "b": Status.CRASH, "c": Status.BAD_GOLD}), phase=2)
    store(tmp_path, given({"a": Status.OK, "b": Status.OK, "c": Status.OK}), phase=2, kind="evaluation-after")
    ledger = Ledger(tmp_path)
    assert ledger.judging("train", ["a", "b", "c"]) == {"a"}
    assert ledger.judging("evaluation-after", {"b": 1.0}) == {"b"} and ledger.judging("train", ["none"]) == set()
    store(tmp_path, given({"a": Status.CRASH, "b": Status.OK, "c": Status.TIMEOUT}), phase=3, rank=1)
    assert ledger.judging("train", ["a", "b", "c"]) == {"a", "b"}
