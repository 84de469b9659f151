"""What a person is told of the questions that filters dropped."""

import json
from types import SimpleNamespace

from r1lab.data.filters import Duplicates, Length
from r1lab.data.mix import FileSource, GeneratedSource, Mix
from r1lab.data.questions import Fields
from r1lab.stages.dropped import tell_dropped


def told(tmp_path, filters, first_rank=True):
    rows = ["What is 1+1?", "what is 1+1?", "Short?", "米米米米"]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps({"q": text, "a": "2"}) + "\n" for text in rows))
    file = FileSource(str(tmp_path), "train.jsonl", None, Fields("q", "a"))
    made = GeneratedSource(["sums"], [1], ["en"])
    mix = Mix({"file": file, "made": made}, {"file": 1, "made": 1}, seed=0, filters=filters)
    lines = []
    tell_dropped(SimpleNamespace(folder=tmp_path, first_rank=first_rank, say=lines.append), mix)
    return lines


def test_each_dropped_question_has_a_line_with_its_reason(tmp_path):
    lines = told(tmp_path, {"length": Length(2, 9), "duplicates": Duplicates()})
    assert lines == [
        "Left out: 2 questions (length 1, duplicates 1); why: dropped.jsonl",
        "  not filtered, because they are made one by one: made",
    ]
    assert [json.loads(line) for line in (tmp_path / "dropped.jsonl").read_text().splitlines()] == [
        {"source": "file", "question_id": "file/train:3", "filter": "length", "reason": "1 words, not 2 to 9"},
        {
            "source": "file",
            "question_id": "file/train:2",
            "filter": "duplicates",
            "reason": "same text as file/train:1",
        },
    ]


def test_without_filters_and_on_other_ranks_there_is_silence(tmp_path):
    assert told(tmp_path, {}) == told(tmp_path, {"length": Length(2, 9)}, first_rank=False) == []
    assert not (tmp_path / "dropped.jsonl").exists()
