"""What a mix reads is told by content: the same command over changed data is another run."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from r1lab.data.digests import data_digest, digests_of, model_digests
from r1lab.data.filters import Decontaminate, Duplicates
from r1lab.data.mix import FileSource, GeneratedSource, Mix
from r1lab.data.questions import Column, Fields
from r1lab.errors import DataError

GENERATED = GeneratedSource(families=["sums"], levels=[1], languages=["en"])


def source(folder: Path, **changes) -> FileSource:
    for name in ("train.jsonl", "test.jsonl"):
        (folder / name).write_text(json.dumps({"question": f"{folder.name} {name}?", "answer": 1}) + "\n")
    given = {"path": str(folder), "train": "train.jsonl", "heldout": "test.jsonl"} | changes
    return FileSource(**given, fields=Fields(text="question", answer="answer"))


def test_each_file_once_by_its_whole_content(tmp_path):
    mix = Mix({"a": source(tmp_path), "b": GENERATED}, {"a": 1, "b": 1}, seed=1)
    expected = {name: sha256((tmp_path / name).read_bytes()).hexdigest()[:16] for name in ("test.jsonl", "train.jsonl")}
    assert mix.digests() == {f"sources.a/{name}": digest for name, digest in expected.items()}
    one_file = source(tmp_path, heldout="train.jsonl", heldout_share=0.5)
    assert one_file.digests() == {"train.jsonl": expected["train.jsonl"]}


def test_one_changed_byte_of_the_same_length_is_another_digest(tmp_path):
    mix = Mix({"a": source(tmp_path)}, {"a": 1}, seed=1)
    before = mix.digests()
    content = bytearray((tmp_path / "train.jsonl").read_bytes())
    content[-4] ^= 1
    (tmp_path / "train.jsonl").write_bytes(content)
    after = mix.digests()
    assert {place for place in before if before[place] != after[place]} == {"sources.a/train.jsonl"}


def test_generated_questions_have_none():
    assert Mix({"b": GENERATED}, {"b": 1}, seed=1).digests() == {}


def test_benchmarks_that_decide_what_is_dropped_count(tmp_path):
    (tmp_path / "bench").mkdir()
    against = Mix({"c": source(tmp_path / "bench", train=None)}, {"c": 1}, seed=1)
    filters = {"twice": Duplicates(), "clean": Decontaminate(against, 10)}
    mix = Mix({"b": GENERATED}, {"b": 1}, seed=1, filters=filters)
    assert list(mix.digests()) == ["filters.clean/sources.c/test.jsonl"]


def test_a_file_that_is_not_there_and_a_folder_nobody_named(tmp_path):
    with pytest.raises(DataError, match="no file nothing"):
        data_digest(tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match="folder of the data is not given"):
        source(tmp_path, path=None).digests()


def test_what_parts_read_stands_at_their_places():
    @dataclass(frozen=True)
    class Holder:
        part: Any
        name: str = "digests"

    files = SimpleNamespace(digests=lambda: {"a.json": "1", "b.json": "2"})
    one = SimpleNamespace(digests=lambda: {"c": "3"}, part=files)
    given = {"none": Holder(7), "deep": Holder(Holder(files)), "list": [Holder(None), Holder(one)]}
    found = {place: d for place, d in digests_of(given, "rewards").items() if not place.endswith(".py")}
    assert found == {
        "rewards.deep.part.part/a.json": "1", "rewards.deep.part.part/b.json": "2", "rewards.list.1.part/c": "3"
    }  # fmt: skip
    assert digests_of("digests", "x") == {}


def test_a_model_is_told_by_its_files_unless_its_name_tells_it(tmp_path):
    stored = tmp_path / "artifacts" / "reward_model" / "0f3a5c11d2e4"
    for folder in (tmp_path / "model", stored):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"w")
        (folder / "README.md").write_text("a card")
    # sha256 of the size in decimal, then of the one byte: beginning, middle and end are the same place
    assert model_digests(str(tmp_path / "model")) == {"model.safetensors": sha256(b"1w").hexdigest()[:16]}
    assert model_digests(str(stored)) == model_digests("artifact:reward_model/0f3a5c11d2e4") == {}
    assert model_digests("owner/name") == {}


def test_the_file_of_a_class_of_ones_own_counts_as_read(tmp_path, monkeypatch):
    (tmp_path / "my_parts.py").write_text(
        "import dataclasses\n\n@dataclasses.dataclass\nclass Mine:\n    weight: float\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from my_parts import Mine

    (place, digest), *others = digests_of({"mine": Mine(1.0), "ours": Column("text")}, "rewards").items()
    assert place == "rewards.mine/my_parts.py" and not others
    (tmp_path / "my_parts.py").write_text("changed")
    assert digests_of({"mine": Mine(1.0)}, "rewards") != {place: digest}
