"""What stands beside the loop: rows that a resumed run takes back."""

import dataclasses
import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from stored_run import accuracy, groups, scored, store

from r1lab.disk import write_json_atomic
from r1lab.errors import StorageError, VerifierError
from r1lab.records.aside import Aside
from r1lab.records.timing import Stopwatch
from r1lab.rewards.rubric import FaultBudget, Rubric
from r1lab.stages.watch import Checkpointer, Recorder, RunTables
from r1lab.types import Score, Status


def parts(tables):
    return sorted(path.name for path in tables.rollouts.folder.iterdir())


@pytest.fixture
def tables(tmp_path):
    """Two ranks evaluated before training and finished a phase."""
    tables = RunTables(tmp_path)
    tables.rollouts.folder.mkdir()
    for part in ("000000.evaluation-before.rank-0", "000000.evaluation-before.rank-1", "000001.rank-0"):
        (tables.rollouts.folder / f"phase-{part}.parquet").write_bytes(b"")
    return tables


def test_an_evaluation_that_was_cut_short_leaves_no_rows(tables):
    # one rank may go on where two were: it writes all rows into its own part, and the other's would stand twice
    tables.rewind(0)
    assert parts(tables) == []


def test_an_evaluation_that_is_done_keeps_its_rows(tables):
    tables.evaluation(0).parent.mkdir()
    write_json_atomic(tables.evaluation(0), {"phase": 0})
    tables.rewind(0)
    assert parts(tables) == [f"phase-000000.evaluation-before.rank-{rank}.parquet" for rank in (0, 1)]


ROWS = [{"phase": phase, "step": 2 * phase, "reward": phase / 4, "kl": None} for phase in range(1, 9)]


@pytest.fixture
def trained(tmp_path):
    """Eight phases are done, with an evaluation before, after the fourth and after the eighth."""
    tables = RunTables(tmp_path)
    tables.evaluation(0).parent.mkdir()
    for phase in (0, 4, 8):
        write_json_atomic(tables.evaluation(phase), {"phase": phase})
    for row in ROWS:
        tables.steps.write(row["phase"], [row])
        tables.log.write({name: value for name, value in row.items() if value is not None})
    return tables


def test_a_log_that_was_cut_gets_its_lines_back(trained):
    whole = trained.log.rows()
    trained.log.path.write_bytes(trained.log.path.read_bytes()[:200])
    assert len(trained.log.rows()) == 5
    assert trained.rewind(6) == 1
    assert trained.log.rows() == whole[:6] and len(trained.steps.parts()) == 6
    trained.log.path.unlink()
    assert (trained.rewind(6), trained.rewind(6)) == (6, 0)
    assert trained.log.rows() == whole[:6]


@pytest.mark.parametrize("damage", [b"", b'{"phase": 4, "pass', b"\xff\xfe", b"\0" * 100, None], ids=repr)
@pytest.mark.parametrize("phase", [0, 4, 8])
def test_a_damaged_evaluation_is_told_before_anything_is_forgotten(trained, phase, damage):
    path = trained.evaluation(phase)
    path.unlink()
    if damage is not None:
        path.write_bytes(damage)
    elif phase:
        return  # it may never have been made
    with pytest.raises(StorageError, match=f"phase-00000{phase}.json"):
        trained.rewind(8)
    with pytest.raises(StorageError, match=f"phase-00000{phase}.json") if damage is not None else nullcontext():
        trained.evaluations()
    assert len(trained.log.rows()) == len(trained.steps.parts()) == 8
    if phase == 8:
        trained.rewind(7)
        assert not path.exists() and len(trained.log.rows()) == 7


def test_a_checkpoint_waits_for_the_rows_it_vouches_for(tmp_path):
    aside, rows = Aside(), tmp_path / "rows"
    checkpoints = SimpleNamespace(save=lambda *_: rows.read_text())
    aside.add(lambda: (time.sleep(0.2), rows.write_text("written")))
    checkpointer = Checkpointer(checkpoints, None, every_steps=1, max_steps=9, resume_from=None, aside=aside)
    checkpointer.on_train_batch_end(None, SimpleNamespace(step=1, clock=Stopwatch(), state={}))
    assert rows.exists()


def recorder(folder, least=100):
    made = scored(groups(), {"accuracy": accuracy()})
    rubric = Rubric({"accuracy": accuracy(), "own": accuracy()})
    one = Recorder(RunTables(folder), None, rubric, FaultBudget(0.05, least), None, None, max_steps=4)
    return one, [r for group in made for r in group.rollouts]


def with_own(rollouts, status):
    return [dataclasses.replace(r, scores=r.scores | {"own": Score(0.0, status, "why")}) for r in rollouts]


def test_a_short_run_whose_reward_judges_nothing_is_refused_at_its_end(tmp_path):
    one, rollouts = recorder(tmp_path)
    one.check(with_own(rollouts, Status.CRASH), last=False)  # 24 scores of 100
    with pytest.raises(VerifierError, match=r"24 of 24 own scores .* and none was judged"):
        one.check(with_own(rollouts, Status.CRASH), last=True)


def test_a_reward_that_has_judged_in_an_earlier_phase_may_fail_in_the_last_one(tmp_path):
    one, rollouts = recorder(tmp_path, least=24)
    one.check(with_own(rollouts, Status.OK), last=False)  # enough of them: the next phase is judged by itself
    one.check(with_own(rollouts[:4], Status.CRASH), last=True)


@pytest.mark.parametrize("before, refused", [(Status.OK, False), (Status.CRASH, True), (Status.ABSTAINED, True)])
def test_what_was_judged_before_a_run_was_killed_counts(before, refused, tmp_path):
    made = scored(groups(), {"accuracy": accuracy()})
    store(tmp_path, [dataclasses.replace(g, rollouts=tuple(with_own(g.rollouts, before))) for g in made])
    one, rollouts = recorder(tmp_path)
    module = SimpleNamespace(clock=SimpleNamespace(seconds={}), phase=1)
    one.on_train_start(None, module)
    with pytest.raises(VerifierError, match="own scores") if refused else nullcontext():
        one.check(with_own(rollouts, Status.CRASH), last=True)
