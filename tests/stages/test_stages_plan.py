"""What a run has come to, where files of its root are damaged or gone."""

import json
from types import SimpleNamespace

from r1lab.stages.plan import finished


def test_other_runs_that_are_damaged_are_passed_over(tmp_path):
    for name, text in (("a", '{"state": '), ("b", json.dumps({"state": "finished", "config": {"lr": 0.1}})), ("c", "")):
        folder = tmp_path / "r1zero" / name / "attempt_1"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(text)
    assert list(finished(SimpleNamespace(root=tmp_path, name="r1zero"))) == [{"lr": 0.1}]
