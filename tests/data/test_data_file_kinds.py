"""Files of several kinds: the numbers and texts that were meant, or what to type."""

import gzip
import json
import shlex
import subprocess
import sys

import pytest

from r1lab.data import hub
from r1lab.data.cells import Half, RowFault, Single, answer_of
from r1lab.data.demonstrations import demonstration_of, read_demonstrations
from r1lab.data.questions import Fields, read_questions
from r1lab.errors import DataError


def parquet(path, table):
    import pyarrow.parquet

    pyarrow.parquet.write_table(table, path)
    return path


def test_single_floats_of_parquet_are_the_numbers_that_were_meant(tmp_path):
    import pyarrow as pa

    numbers = [0.1, 2.675, 1e-3, 16777216.0, 3.0]
    table = pa.table({
        "q": [f"Question {n}" for n in range(5)], "a": pa.array(numbers, pa.float32()),
        "deep": pa.array([{"gold": [n]} for n in numbers], pa.struct({"gold": pa.list_(pa.float32())})),
        "half": pa.array([None, 0.1, 2.0, 0.5, 0.25], pa.float16()), "wide": pa.array(numbers, pa.float64()),
    })  # fmt: skip
    path = parquet(tmp_path / "train.parquet", table)
    wanted = ["0.1", "2.675", "0.001", "16777216", "3"]
    for column in ("a", "deep.gold.0", "wide"):
        assert [q.answer for q in read_questions(path, Fields("q", column))] == wanted, column
    row = next(iter(read_questions(path, Fields("q", "a", details=("half",)))[1:]))
    assert answer_of(row.details["half"], "half") == "0.1"


def test_text_of_parquet_that_is_not_utf8_is_a_fault_of_its_row(tmp_path):
    import pyarrow as pa

    texts = pa.array([b"fine", b"caf\xe9", b"good"], pa.binary()).view(pa.binary()).cast(pa.string(), safe=False)
    path = parquet(tmp_path / "train.parquet", pa.table({"q": texts, "a": ["1", "2", "3"]}))
    with pytest.raises(DataError, match="1 of 3 rows") as error:
        read_questions(path, Fields("q", "a"))
    assert error.value.found == "row 2: q is not UTF-8 (byte 4)"


@pytest.mark.parametrize("value, text", [(16777215.0, "16777215"), (16777216.0, "16777216"), (-16777216.0, "-16777216"),
                                         (2048.5, "2048.5"), (1e-7, "0.0000001"), (0.3, "0.3")])  # fmt: skip
def test_single_floats_are_golds_where_their_digits_are_sure(value, text):
    assert answer_of(Single(value), "a") == text


@pytest.mark.parametrize("value", [Single(16777218.0), Single(123456790.0), Single(-3e9), Half(2050.0), Half(-65504.0)])
def test_whole_numbers_beyond_their_precision_are_refused(value):
    with pytest.raises(RowFault, match="precision does not hold its last digit"):
        answer_of(value, "a")
    assert answer_of(Half(2048.0), "a") == "2048" and answer_of(float(value), "a").lstrip("-").isdigit()


def test_a_float_column_with_large_numbers_is_refused_only_where_it_is_read(tmp_path):
    import pyarrow as pa

    table = pa.table({"q": ["a", "b"], "a": ["1", "2"], "f": pa.array([7.0, 123456789.0], pa.float32())})
    path = parquet(tmp_path / "train.parquet", table)
    assert [q.answer for q in read_questions(path, Fields("q", "a", details=("f",)))] == ["1", "2"]
    with pytest.raises(DataError, match=r"row 2: f is about 1\.23457e\+08; single precision does not hold"):
        read_questions(path, Fields("q", "f"))


def test_rows_of_the_hub_are_read_as_those_of_parquet(monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")
    import pyarrow as pa

    numbers = [0.1, 2.675, None, 3.0] * 600
    table = pa.table(
        {"q": [f"{n}?" for n in range(2400)], "a": pa.array(numbers, pa.float32()), "m": [[{"x": 1}]] * 2400}
    )
    monkeypatch.setattr(hub, "_asked", lambda path, ask: datasets.Dataset(table))
    rows = list(hub.hub_rows("hub:owner/name/train"))
    assert [place for place, _ in rows] == [f"row {n}" for n in range(1, 2401)]
    assert [row["a"] for _, row in rows] == numbers
    assert rows[1][1] == {"q": "1?", "a": 2.675, "m": [{"x": 1}]}


@pytest.mark.parametrize("line", ['{"q": "x", "a": "1", "a": "2"}', '{"q": "x", "a": "1", "b": {"c": 1, "c": 1}}'])
def test_a_key_that_stands_twice_is_refused(line, tmp_path):
    (tmp_path / "train.jsonl").write_text('{"q": "y", "a": "1"}\n' + line + "\n")
    with pytest.raises(DataError, match="1 of 2 rows") as error:
        read_questions(tmp_path / "train.jsonl", Fields("q", "a"))
    assert "line 2: the key" in error.value.found and "stands twice" in error.value.found
    with pytest.raises(DataError, match="demonstration cannot be read"):
        demonstration_of('{"prompt": "a", "completion": "b", "completion": "c"}', "file.jsonl:1")


def test_a_file_of_another_name_is_met_with_what_to_type(tmp_path):
    with pytest.raises(DataError) as error:
        read_questions(tmp_path / "train.parquet", Fields("q", "a"))
    assert "mix.sources.NAME.train=FILE" in error.value.remedy


@pytest.mark.parametrize("kind", [".parquet", ".jsonl.gz", ".json", ".jsonl", ".txt"])
def test_demonstrations_of_another_kind_are_met_with_the_command_that_converts_them(kind, tmp_path):
    import pyarrow as pa

    rows, path = [{"prompt": "What is 2+2?", "completion": "It's 4."}] * 2, tmp_path / f"it's shown{kind}"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if kind == ".parquet":
        parquet(path, pa.Table.from_pylist(rows))
    else:
        path.write_bytes(gzip.compress(lines.encode()) if kind == ".jsonl.gz" else json.dumps(rows).encode())
    with pytest.raises(DataError, match="JSON lines") as error:
        read_demonstrations([path])
    command, named = error.value.remedy.rsplit(", and name that file", 1)
    words = shlex.split(command)
    lines_name = "it's shown.lines.jsonl" if kind == ".jsonl" else "it's shown.jsonl"
    assert named == "" and words[0] == "python" and words[-2:] == [">", str(tmp_path / lines_name)]
    done = subprocess.run([sys.executable, *words[1:-2]], capture_output=True, check=True)
    (tmp_path / lines_name).write_bytes(done.stdout)
    assert [shown.response for shown in read_demonstrations([tmp_path / lines_name])] == ["It's 4."] * 2


@pytest.mark.parametrize("name", ["sft.json", "sft.jsonl", "sft.txt", "sft"])
@pytest.mark.parametrize("begin", ["", "\n", "\ufeff"])
def test_lines_of_json_are_demonstrations_whatever_their_name(name, begin, tmp_path):
    row = {"prompt": "What is 2+2?", "completion": "4"}
    (tmp_path / name).write_text(begin + 2 * (json.dumps(row) + "\n"), encoding="utf-8")
    assert [shown.response for shown in read_demonstrations([tmp_path / name])] == ["4", "4"]
