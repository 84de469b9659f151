"""What stands beside the loop: rows that a resumed run takes back."""

import time
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from r1lab.disk import write_json_atomic
from r1lab.errors import StorageError
from r1lab.records.aside import Aside
from r1lab.records.timing import Stopwatch
from r1lab.stages.watch import Checkpointer, RunTables


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
