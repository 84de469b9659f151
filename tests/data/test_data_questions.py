import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from r1lab.data.questions import Column, Fields, is_heldout, read_questions
from r1lab.errors import DataError
from r1lab.types import Question

DATA = Path(__file__).parents[3] / "shared" / "data"
PLAIN = Fields(text="question", answer="answer")
ROWS = [{"question": "3+4?", "answer": 7}, {"question": "2*5?", "answer": "10"}]


def write(path: Path, rows: list) -> Path:
    """Rows as JSON lines; a string is written as it stands."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def error_of(*args, **kwargs) -> DataError:
    with pytest.raises(DataError) as caught:
        read_questions(*args, **kwargs)
    return caught.value


def test_jsonl_rows_become_questions(tmp_path):
    file = write(tmp_path / "train.jsonl", [ROWS[0], "", ROWS[1]])
    assert read_questions(file, PLAIN, "toy") == [
        Question(id="toy/train:1", text="3+4?", answer="7", source="toy"),
        Question(id="toy/train:2", text="2*5?", answer="10", source="toy"),
    ]


def test_gzip_and_parquet_give_the_same_questions(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    rows = [{"question": "half of 5?", "answer": 2.5}, {"question": "86/2?", "answer": 43.0}]
    plain = read_questions(write(tmp_path / "train.jsonl", rows), PLAIN)
    assert [question.answer for question in plain] == ["2.5", "43"]  # 43.0 is written as people write it
    with gzip.open(tmp_path / "train.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    assert read_questions(tmp_path / "train.jsonl.gz", PLAIN) == plain
    assert read_questions(tmp_path / "train.parquet", PLAIN) == plain


def test_mapping_fills_all_fields(tmp_path):
    row = {
        "Body": "Tom has 3 {figs}.",
        "Q": "How many?",
        "A": "3",
        "why": "given",
        "L": "Level 4",
        "key": 9,
        "kind": "x",
    }
    fields = Fields(
        text="{Body} {Q}",
        answer="A",
        solution="why",
        level=Column("L", pick=r"(\d)"),
        id="key",
        details=("kind",),
        domain="logic",
        language="zh",
    )
    assert read_questions(write(tmp_path / "test.jsonl", [row]), fields, "toy") == [
        Question(
            id="toy/9",
            text="Tom has 3 {figs}. How many?",
            answer="3",
            domain="logic",
            language="zh",
            level=4,
            source="toy",
            solution="given",
            details={"kind": "x"},
        )
    ]


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        (Column("a", pick="#### *(.+)", drop=","), "90*12\n#### 1,080", "1080"),  # GSM8K
        (Column("a", drop=r" +\(.*|,"), "1,080 (sq. inches)", "1080"),  # ASDiv
        (Column("a", pick="(?s)(.*)####", drop="<<.*?>>"), "1+1=<<1+1=2>>2\nso 2\n#### 2", "1+1=2\nso 2"),
    ],
)
def test_column_rules(column, cell, expected):
    assert column({"a": cell}) == expected


def test_where_keeps_whole_matches(tmp_path):
    rows = [{**ROWS[0], "type": kind} for kind in ("Addition", "Addition-Hard", "Division")]
    file = write(tmp_path / "a.jsonl", rows)
    assert [q.id for q in read_questions(file, PLAIN, where={"type": "Addition|Division"})] == ["a:1", "a:3"]
    error = error_of(file, PLAIN, where={"type": "Add"})
    assert "3 rows" in error.found and "'type': 'Add'" in error.found


def test_every_fault_is_reported_with_its_line(tmp_path):
    rows = [
        ROWS[0],
        '{"question": "cut off',
        {"question": "no answer?", "answer": None},
        {"question": "  ", "answer": "1"},
        "[1, 2]",
        {"question": "other columns?"},
    ]
    error = error_of(write(tmp_path / "bad.jsonl", rows), PLAIN)
    assert error.wrong == f"5 of 6 rows of {tmp_path}/bad.jsonl cannot be read."
    lines = [line.strip() for line in error.found.split("\n")]
    assert lines[0].startswith("line 2: not JSON") and '{"question": "cut off' in lines[0]
    assert lines[1] == "line 3: the question has no answer: 'no answer?'"
    assert lines[2] == "line 4: the question's text is empty"
    assert lines[3] == "line 5: not a JSON object: '[1, 2]'"
    assert lines[4] == "line 6: no column answer; it has question"


def test_ten_faults_are_shown_and_the_rest_counted(tmp_path):
    error = error_of(write(tmp_path / "bad.jsonl", [ROWS[0]] + ["{"] * 13), PLAIN)
    assert error.found.count("not JSON") == 10 and "and 3 more" in error.found


def test_bytes_that_are_not_utf8_name_their_line(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(json.dumps(ROWS[0]).encode() + b'\n{"question": "\xff"}\n')
    assert "line 2: not UTF-8" in error_of(tmp_path / "a.jsonl", PLAIN).found


def test_levels_and_picks_that_do_not_fit_are_faults(tmp_path):
    file = write(tmp_path / "a.jsonl", [{**ROWS[0], "level": "hard"}])
    assert "line 1: level 'hard'" in error_of(file, Fields("question", "answer", level="level")).found
    assert "line 1: question '3+4?' does not match" in error_of(file, Fields(Column("question", "(z)"), "answer")).found


def test_a_wrong_mapping_lists_the_columns(tmp_path):
    error = error_of(write(tmp_path / "a.jsonl", ROWS), Fields(text="problem", answer="answer"))
    assert "has no column problem" in error.wrong and error.found == "columns answer, question"


def test_missing_files_and_folders_say_what_to_type(tmp_path):
    write(tmp_path / "test.jsonl", ROWS)
    in_folder, no_folder = error_of(tmp_path / "train.jsonl", PLAIN), error_of("nowhere/train.jsonl", PLAIN)
    assert "test.jsonl" in in_folder.found and "mix.path=" in in_folder.remedy
    assert "no folder nowhere" in no_folder.found
    assert ".parquet" in error_of(write(tmp_path / "a.csv", ["x"]), PLAIN).remedy


def test_empty_and_damaged_files(tmp_path):
    assert error_of(write(tmp_path / "empty.jsonl", []), PLAIN).found == "0 rows"
    whole = gzip.compress(b'{"question": "a", "answer": "1"}\n' * 999)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and nothing more")
    assert "cannot be read to its end" in error_of(tmp_path / "cut.jsonl.gz", PLAIN).wrong
    assert "not a whole Parquet file" in error_of(tmp_path / "cut.parquet", PLAIN).wrong


@pytest.mark.parametrize("pattern", ["(", "no group", "(two)(groups)"])
def test_a_pick_needs_one_group(pattern):
    with pytest.raises(DataError):
        Column("a", pick=pattern)


def test_hub_errors_are_clear():
    assert "names no split" in error_of("hub:openai", PLAIN).wrong
    script = (
        "import sys; sys.modules['datasets'] = None if sys.argv[1] == 'absent' else __import__('datasets')\n"
        "from r1lab.data.questions import Fields, read_questions\n"
        "from r1lab.errors import DataError\n"
        "try: read_questions('hub:openai/gsm8k/main/train.jsonl', Fields('question', 'answer'))\n"
        "except DataError as error: print(error)"
    )
    env = {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "", "HF_HOME": "/nonexistent"}
    run = [sys.executable, "-c", script]
    absent = subprocess.run([*run, "absent"], env=env, capture_output=True, text=True)
    assert "pip install 'r1lab[hub]'" in absent.stdout, absent.stderr
    pytest.importorskip("datasets", reason="the hub extra is not installed")
    offline = subprocess.run([*run, "offline"], env=env, capture_output=True, text=True)
    assert "openai/gsm8k cannot be loaded from the hub" in offline.stdout, offline.stderr


def test_heldout_share_depends_on_the_words_alone():
    texts = [f"What is {i}+1?" for i in range(4000)]
    held = [is_heldout(text, 0.2) for text in texts]
    assert 0.2 - 0.025 < sum(held) / 4000 < 0.2 + 0.025  # four standard errors: 4 sqrt(.2 * .8 / 4000) = .025
    assert held == [is_heldout(f"  what  IS {i}+1? ", 0.2) for i in range(4000)]
    assert all(is_heldout(text, 0.3) for text, inside in zip(texts, held) if inside)  # a larger share contains it


GSM8K = Fields(
    "question", Column("answer", pick="#### *(.+)", drop=","), solution=Column("answer", pick="(?s)(.*)####")
)
ASDIV = Fields("{body} {question}", Column("answer", drop=r" +\(.*|,"))


@pytest.mark.parametrize(
    ("file", "fields", "count", "answers"),
    [
        ("gsm8k/train.jsonl", GSM8K, 7473, r"-?[\d.]+"),
        ("gsm8k/test.jsonl", GSM8K, 1319, r"-?[\d.]+"),
        ("math500/test.jsonl", Fields("problem", "answer", "solution", "level", "unique_id"), 500, r"(?s).+"),
        ("aime24/test.jsonl", Fields("problem", "answer", "solution", id="id"), 30, r"\d{3}"),
        ("svamp/test.jsonl", Fields("{Body} {Question}", "Answer"), 1000, r"\d+"),
        ("mawps/test.jsonl", Fields("input", "target"), 2065, r"\d+(\.\d+)?"),
        ("asdiv/test.jsonl", ASDIV, 2215, r"[^(]+|-\(1/3\)"),
    ],
)
def test_every_row_of_the_real_data_is_read(file, fields, count, answers):
    if not (DATA / file).exists():
        pytest.skip(f"{file} is not beside the repository")
    questions = read_questions(DATA / file, fields, file.split("/")[0])
    assert len(questions) == len({question.id for question in questions}) == count
    assert [q.answer for q in questions if not re.fullmatch(answers, q.answer)] == []


def test_levels_of_math500():
    if not DATA.exists():
        pytest.skip("math500/test.jsonl is not beside the repository")
    fields = Fields("problem", "answer", level="level")
    levels = [question.level for question in read_questions(DATA / "math500/test.jsonl", fields)]
    assert [levels.count(level) for level in (1, 2, 3, 4, 5)] == [43, 90, 105, 128, 134]  # as published: 500 in all


@pytest.mark.parametrize("line", [
    r'{"question": "3+4? \ud800", "answer": "7"}',
    r'{"question": "3+4?", "answer": "\udfff"}',
    r'{"question": "3+4?", "answer": "7", "tests": [{"stdin": "\ude00\ud83d"}]}',
    r'{"question": "3+4?", "answer": "7", "tests": {"\ud800": 1}}',
    r'{"question": "3+4?", "answer": "7", "id": "\udc00"}',
])  # fmt: skip
def test_half_a_surrogate_pair_is_a_fault_of_its_line(tmp_path, line):
    fields = Fields(text="question", answer="answer", id="id" if '"id"' in line else None,
                    details=("tests",) if "tests" in line else ())  # fmt: skip
    with_id = json.dumps({**ROWS[0], "id": 1, "tests": []})
    error = error_of(write(tmp_path / "train.jsonl", [with_id, line]), fields)
    assert "line 2" in error.found and "surrogate" in error.found


@pytest.mark.parametrize(("said", "read"), [
    (r"\ud83d\ude00", "😀"), (r"\u00e9\u0000", "é\0"), (r"\ufffd", "\ufffd"), (r"\\ud800", "\\ud800"), ("数学", "数学"),
])  # fmt: skip
def test_escapes_that_are_characters_are_read(tmp_path, said, read):
    """A broken text in a column that nobody reads is nobody's affair."""
    file = tmp_path / "train.jsonl"
    row = r'{"question": "SAID", "answer": "7", "unused": "\ud800"}'.replace("SAID", said)
    file.write_text(row, encoding="utf-8")
    assert read_questions(file, PLAIN)[0].text == read
