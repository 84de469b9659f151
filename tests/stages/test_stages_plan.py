"""What a run has come to, where files of its root are damaged or gone."""

import json
from types import SimpleNamespace

import pytest

from r1lab.errors import ConfigError
from r1lab.records.run import RunRecord
from r1lab.stages.evaluate import EvaluateStage
from r1lab.stages.plan import finished, state
from r1lab.stages.run import Run


def run_of(root, stage):
    """A run of a stage that is its configuration alone."""
    config = {"run": {"root": str(root), "name": "evaluate", "seed": 0, "resume": "auto", "min_free_bytes": 1}}
    part = SimpleNamespace(
        outputs=(), files=EvaluateStage.files, identity=lambda config: config, complete=lambda: True, faults=list
    )
    return Run(config | {"stage": stage}, part, None, {})


def test_other_runs_that_are_damaged_are_passed_over(tmp_path):
    for name, text in (("a", '{"state": '), ("b", json.dumps({"state": "finished", "config": {"lr": 0.1}})), ("c", "")):
        folder = tmp_path / "r1zero" / name / "attempt_1"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(text)
    assert list(finished(SimpleNamespace(root=tmp_path, name="r1zero"))) == [{"lr": 0.1}]


@pytest.mark.parametrize("gone", ["summary.json", "outcomes-0-of-1.json"])
def test_an_evaluation_whose_numbers_are_gone_is_done_anew(tmp_path, gone):
    run = run_of(tmp_path, {"questions": 7})
    with run.open([]) as record:
        assert isinstance(record, RunRecord)
        for name in ("summary.json", "outcomes-0-of-1.json"):
            (record.folder / name).write_text("{}")
        assert not run.done
    assert run.done
    (record.folder / gone).unlink()
    assert not run.done and state(run) == "to do: what it made is not there any more"
    with run.open([]) as again:
        assert again.folder.name == "attempt_2"


def test_an_artifact_that_is_not_what_was_stored_is_told_before_a_run_begins(tmp_path):
    run = run_of(tmp_path, {"data": {"cold_start": "artifact:demonstrations/0f3a5c11d2e4"}})
    with pytest.raises(ConfigError, match="No run has made this"):
        run.check_inputs()
    path = run.store.put(
        "demonstrations", "0f3a5c11d2e4", lambda folder: (folder / "rows.jsonl").write_text('{"response": "4"}'), {}
    ).path
    run.check_inputs()
    (path / "rows.jsonl").write_text('{"response": "5"}')  # of the same size
    with pytest.raises(ConfigError, match="not whole any more") as told:
        run.check_inputs()
    assert told.value.found == "stage.data.cold_start=artifact:demonstrations/0f3a5c11d2e4"
    assert told.value.remedy == f"Delete {path}, and run again what makes it."
