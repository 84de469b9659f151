"""Tables whose parts are whole whenever the writer dies, and rows that say what types.py says."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
import torch
from pyarrow import dataset, parquet

from r1lab.errors import DataError, StorageError
from r1lab.records.tables import ROLLOUTS, SCORES, STEPS, Table, rollout_rows, score_rows
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout, Score, Status

FIRST = Rollout(
    Question("sum-3-4", "3+4?", "7", level=1, source="sums", details={"choices": ("七", 8), "unit": None}),
    torch.tensor([5, 6, 7]),
    Completion(torch.tensor([17, 4, 2]), torch.tensor([-0.1, -1.2, -0.01]), Finish.STOP, policy_version=32),
    Response("<think> 3+4=7 </think> <answer> 7 </answer>", "3+4=7", "7", well_formed=True),
    sample=0,
    scores={"accuracy": Score(1.0, reason="equal", ms=0.5, extracted="7"), "format": Score(1.0)},
    reward=1.5,
)
SECOND = Rollout(
    Question("lang", "¿3+4?", "7", language="es"),
    torch.tensor([5]),
    Completion(torch.tensor([9]), torch.tensor([-2.5]), Finish.LENGTH),
    Response("?", None, None, well_formed=False),
    sample=3,
    scores={"accuracy": Score(0.0, Status.TIMEOUT, "verifier exceeded 5 s", ms=5003.0)},
)
GROUPS = [Group(FIRST.question, (FIRST,), index=5), Group(SECOND.question, (SECOND,), index=2)]


def test_rollouts_come_back_from_disk_as_they_were(tmp_path):
    table = Table(tmp_path / "rollouts.parquet", ROLLOUTS)
    table.write(4, rollout_rows(GROUPS, phase=4, step=32, advantages={5: [0.75]}))
    first, second = table.rows()
    logprobs = first.pop("logprobs")
    assert torch.equal(torch.tensor(logprobs, dtype=torch.float32), FIRST.completion.logprobs)  # bit for bit
    assert first == {
        "phase": 4,
        "step": 32,
        "kind": "train",
        "question_id": "sum-3-4",
        "group": 5,
        "sample": 0,
        "question": "3+4?",
        "answer": "7",
        "details": '{"choices": ["七", 8], "unit": null}',
        "domain": "math",
        "language": "en",
        "level": 1,
        "source": "sums",
        "prompt_tokens": 3,
        "completion_ids": [17, 4, 2],
        "text": "<think> 3+4=7 </think> <answer> 7 </answer>",
        "reasoning": "3+4=7",
        "extracted": "7",
        "well_formed": True,
        "finish": "stop",
        "policy_version": 32,
        "reward": 1.5,
        "advantage": 0.75,
    }
    absent = ("level", "reasoning", "extracted", "reward", "advantage")
    assert [second[name] for name in absent] == [None] * 5
    assert (second["finish"], second["sample"], second["language"]) == ("length", 3, "es")
    assert (second["group"], second["details"]) == (2, "{}")


def test_scores_have_one_row_for_each_reward_with_its_weight_and_status(tmp_path):
    table = Table(tmp_path / "scores.parquet", SCORES)
    table.write(1, score_rows(GROUPS, phase=1, step=0, weights={"accuracy": 1.0, "format": 0.5}, kind="eval"))
    rows = table.rows()
    brief = [(r["question_id"], r["sample"], r["name"], r["value"], r["weight"], r["status"]) for r in rows]
    assert brief == [
        ("sum-3-4", 0, "accuracy", 1.0, 1.0, "ok"),
        ("sum-3-4", 0, "format", 1.0, 0.5, "ok"),
        ("lang", 3, "accuracy", 0.0, 1.0, "timeout"),
    ]
    assert rows[2]["reason"] == "verifier exceeded 5 s" and rows[2]["ms"] == 5003.0 and rows[0]["extracted"] == "7"
    assert {row["kind"] for row in rows} == {"eval"}


def test_advantages_belong_to_the_judged_rollouts_of_groups_that_trained():
    judged = [replace(FIRST, sample=0), replace(FIRST, sample=2)]
    group = Group(FIRST.question, (judged[0], replace(FIRST, sample=1, reward=None), judged[1]), index=7)
    rows = rollout_rows([group, GROUPS[0]], phase=0, step=0, advantages={7: [-0.5, 0.5]})
    assert [row["advantage"] for row in rows] == [-0.5, None, 0.5, None]
    with pytest.raises(AssertionError):
        rollout_rows([group], phase=0, step=0, advantages={7: [1.0]})


def test_step_metrics_may_differ_between_phases_and_keep_nan(tmp_path):
    table = Table(tmp_path / "steps.parquet", STEPS)
    table.write(2, [{"phase": 2, "step": 20, "reward": 1, "pass_at_1": None}])
    table.write(1, [{"phase": 1, "step": 10, "reward": 0.5, "kl": math.nan}])
    table.write(10, [{"phase": 10, "step": 30, "reward": True, "pass_at_1": 0.25}])
    rows = table.rows()
    assert [row["step"] for row in rows] == [10, 20, 30]
    assert [row["reward"] for row in rows] == [0.5, 1.0, 1.0] and math.isnan(rows[0]["kl"]) and rows[1]["kl"] is None
    assert [row["pass_at_1"] for row in rows] == [None, None, 0.25]


def test_parts_of_ranks_and_evaluations_lie_beside_each_other_and_replace_themselves(tmp_path):
    table = Table(tmp_path / "steps.parquet", STEPS)
    for value, rank, part in ((1, 10, ""), (2, 2, ""), (3, 0, ""), (4, 0, "toy"), (5, 2, "")):
        table.write(7, [{"phase": 7, "step": value}], rank=rank, part=part)
    names = {path.name for path in table.folder.iterdir()}
    parts = ("rank-0", "rank-2", "rank-10", "toy.rank-0")
    assert names == {f"phase-000007.{part}.parquet" for part in parts}
    assert [row["step"] for row in table.rows()] == [3, 5, 1, 4]


def test_other_readers_see_one_table_and_the_meaning_of_its_columns(tmp_path):
    table = Table(tmp_path / "steps.parquet", STEPS)
    for phase in range(3):
        table.write(phase, [{"phase": phase, "step": phase, "kl": 0.5}])
    (table.folder / ".phase-000003.rank-0.parquet.writing").write_bytes(b"torn")  # of a killed writer
    assert pandas.read_parquet(table.folder)["kl"].sum() == 1.5
    assert dataset.dataset(table.folder).to_table().num_rows == parquet.read_table(table.folder).num_rows == 3
    assert table.read().schema.field("step").metadata[b"doc"].startswith(b"optimizer steps")


def test_an_empty_table_has_no_rows_and_its_columns(tmp_path):
    table = Table(tmp_path / "scores.parquet", SCORES)
    assert table.rows() == [] and "status" in table.read().column_names
    table.drop_from(0)
    table.write(0, [])
    assert table.rows() == []


def test_drop_from_removes_that_phase_and_all_later(tmp_path):
    table = Table(tmp_path / "steps.parquet", STEPS)
    for phase in (8, 9, 10, 11):
        table.write(phase, [{"phase": phase, "step": phase}], rank=phase % 2)
    table.write(10, [{"phase": 10, "step": 10}], part="toy")
    (table.folder / ".phase-000009.rank-0.parquet.writing").write_bytes(b"torn")
    table.drop_from(10)
    assert sorted(path.name for path in table.folder.iterdir()) == [
        "phase-000008.rank-0.parquet",
        "phase-000009.rank-1.parquet",
    ]


def test_wrong_columns_are_refused_by_name(tmp_path):
    scores = score_rows(GROUPS[1:], phase=0, step=0, weights={"accuracy": 1.0})
    with pytest.raises(DataError, match=r"scores\.parquet") as caught:
        Table(tmp_path / "scores.parquet", SCORES).write(0, [{**scores[0], "valeu": 1.0}])
    assert "valeu" in caught.value.found
    with pytest.raises(DataError) as caught:
        Table(tmp_path / "steps.parquet", STEPS).write(0, [{"phase": 0, "reward": 1.0}])
    assert "step" in caught.value.found


WRITER = """
import sys
from pathlib import Path
from r1lab.records.tables import STEPS, Table
table = Table(Path(sys.argv[1]), STEPS)
print("writing", flush=True)
for phase in range(10**6):
    table.write(phase, [{"phase": phase, "step": step, "x": step * 1.5} for step in range(200)])
"""


def test_kill_9_while_writing_leaves_whole_parts_that_go_on(tmp_path):
    table = Table(tmp_path / "steps.parquet", STEPS)
    for parts in (3, 10, 20):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(table.folder)], stdout=subprocess.PIPE)
        writer.stdout.readline()
        while len(list(table.folder.glob("phase-*"))) < parts:
            pass
        writer.kill()
        writer.wait()
        rows = table.rows()  # every part can be read
        done = len(rows) // 200
        assert [row["phase"] for row in rows] == [phase for phase in range(done) for _ in range(200)]
        table.drop_from(done - 1)  # resumed from the checkpoint before the last part
        table.write(done - 1, [{"phase": done - 1, "step": 0, "x": 0.0}])
        assert table.read().num_rows == 200 * (done - 1) + 1
        table.drop_from(0)


@pytest.mark.parametrize("kept", [0, 6, 200])
def test_a_part_that_was_cut_is_told_by_its_name(tmp_path, kept):
    table = Table(tmp_path / "steps.parquet", STEPS)
    for phase in (1, 2):
        table.write(phase, [{"phase": phase, "step": 2, "reward": 0.5}])
    cut = table.folder / "phase-000002.rank-0.parquet"
    cut.write_bytes(cut.read_bytes()[:kept])
    assert table.part_rows("phase-000001.rank-0.parquet")[0]["reward"] == 0.5
    for read in (lambda: table.part_rows(cut.name), table.rows):
        with pytest.raises(DataError) as caught:
            read()
        assert str(cut) in caught.value.wrong and "arquet" in caught.value.found
        assert "move it away" in caught.value.remedy
    cut.unlink()
    assert len(table.rows()) == 1


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file" / "steps.parquet", Path("/proc/steps.parquet")):
        with pytest.raises(StorageError, match="cannot be written"):
            Table(folder, STEPS).write(0, [{"phase": 0, "step": 0}])


LIMITED = """
import resource, sys
from pathlib import Path
from r1lab.errors import StorageError
from r1lab.records.tables import STEPS, Table
table = Table(Path(sys.argv[1]), STEPS)
table.write(0, [{"phase": 0, "step": 0}])
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    table.write(1, [{"phase": 1, "step": 1}])
except StorageError as error:
    print(error)
"""


def test_a_write_that_the_disk_refuses_leaves_the_earlier_parts_and_nothing_half(tmp_path):
    folder = tmp_path / "steps.parquet"
    result = subprocess.run([sys.executable, "-c", LIMITED, str(folder)], capture_output=True, text=True)
    assert "cannot be written" in result.stdout, result.stderr
    assert [path.name for path in folder.iterdir()] == ["phase-000000.rank-0.parquet"]
