"""What stands beside the loop: rows that a resumed run takes back."""

import time
from types import SimpleNamespace

import pytest

from r1lab.disk import write_json_atomic
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


def test_a_checkpoint_waits_for_the_rows_it_vouches_for(tmp_path):
    aside, rows = Aside(), tmp_path / "rows"
    checkpoints = SimpleNamespace(save=lambda *_: rows.read_text())
    aside.add(lambda: (time.sleep(0.2), rows.write_text("written")))
    checkpointer = Checkpointer(checkpoints, None, every_steps=1, max_steps=9, resume_from=None, aside=aside)
    checkpointer.on_train_batch_end(None, SimpleNamespace(step=1, clock=Stopwatch(), state={}))
    assert rows.exists()
