"""Preference pairs and labeled responses: read by a mapping, left out with a reason, drawn by a mix."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.filters import Dropped
from r1lab.data.mix import FileSource, Mix
from r1lab.data.preferences import PairFields, PointFields
from r1lab.data.questions import Column, Fields
from r1lab.data.rows import read_rows
from r1lab.errors import DataError
from r1lab.types import LabeledResponse, PreferencePair, Question

CONF = Path(__file__).parents[2] / "conf"
PROMPT = Fields("prompt", None, domain="general", constants={"aspect": "helpful"})
PAIRS = PairFields(PROMPT, chosen="better", rejected="worse", margin="gap")


def write(folder, rows, name="train.jsonl"):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def built(name, path):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=[f"+mix={name}", f"mix.path={path}", "mix.seed=0"])
    return instantiate(config.mix)


def test_a_row_becomes_a_pair(tmp_path):
    rows = [{"prompt": "How long do eggs boil?", "better": "Ten minutes.", "worse": "Dunno.", "gap": 1.5},
            {"prompt": "And soft ones?", "better": "Five.", "worse": "Dunno.", "gap": None}]  # fmt: skip
    pairs, left_out = read_rows(write(tmp_path, rows), PAIRS, "toy")
    question = Question("toy/train:1", "How long do eggs boil?", "", "general", source="toy",
                        details={"aspect": "helpful"})  # fmt: skip
    assert pairs[0] == PreferencePair(question, chosen="Ten minutes.", rejected="Dunno.", margin=1.5)
    assert (pairs[0].id, pairs[0].text) == (question.id, question.text)
    assert pairs[1].margin is None and left_out == []


def test_what_is_no_pair_is_left_out_with_its_reason(tmp_path):
    rows = [
        {"prompt": "a", "better": "x", "worse": "y", "gap": 1},
        {"prompt": "b", "better": " ", "worse": "y", "gap": 1},
        {"prompt": "c", "better": "x", "worse": "", "gap": 1},
        {"prompt": "d", "better": "x", "worse": "x", "gap": 1},
    ]
    write(tmp_path, rows), write(tmp_path, rows[:1], "test.jsonl")
    mix = Mix({"s": FileSource(str(tmp_path), "train.jsonl", "test.jsonl", PAIRS)}, {"s": 1}, seed=0)
    assert mix.check() == {"s": 1}
    assert mix.dropped == [
        Dropped("s", "s/train:2", "reader", "the chosen response is empty"),
        Dropped("s", "s/train:3", "reader", "the rejected response is empty"),
        Dropped("s", "s/train:4", "reader", "both responses are the same"),
    ]


def test_the_two_sides_of_a_dialogue_must_ask_the_same(tmp_path):
    before, last = Column("good", pick=r"(?s)(.*) ->"), r"(?s).* ->(.*)"
    fields = PairFields(Fields(before, None), Column("good", pick=last), Column("bad", pick=last),
                        rejected_prompt=Column("bad", pick=r"(?s)(.*) ->"))  # fmt: skip
    rows = [{"good": "hi -> hello -> yes", "bad": "hi -> hello -> no"}, {"good": "hi -> yes", "bad": "ho -> no"}]
    pairs, left_out = read_rows(write(tmp_path, rows), fields, "d")
    assert [(p.text, p.chosen, p.rejected) for p in pairs] == [("hi -> hello", "yes", "no")]
    assert [why.args for why in left_out] == [("d/train:2", "the two sides have different prompts")]


def test_points_take_their_label_from_a_column_or_a_constant(tmp_path):
    rows = [{"prompt": "p", "reply": "r", "verdict": "safe"}, {"prompt": "q", "reply": "s", "verdict": "unsafe"}]
    file = write(tmp_path, rows)
    by_word = PointFields(PROMPT, "reply", "verdict", {"safe": 1, "unsafe": 0})
    points, _ = read_rows(file, by_word, "t")
    assert [(type(p), p.text, p.response, p.label) for p in points] == [
        (LabeledResponse, "p", "r", 1.0), (LabeledResponse, "q", "s", 0.0)]  # fmt: skip
    assert [p.label for p in read_rows(file, PointFields(PROMPT, "reply", 1), "t")[0]] == [1.0, 1.0]
    numbers = write(tmp_path, [{"prompt": "p", "reply": "r", "share": "0.25"}], "numbers.jsonl")
    assert read_rows(numbers, PointFields(PROMPT, "reply", "share"), "t")[0][0].label == 0.25


@pytest.mark.parametrize(
    ("fields", "row", "told"),
    [
        (PointFields(PROMPT, "reply", "v", {"safe": 1}), {"prompt": "p", "reply": "r", "v": "odd"}, "none of safe"),
        (PointFields(PROMPT, "reply", "v"), {"prompt": "p", "reply": "r", "v": "1.5"}, "not between 0 and 1"),
        (PointFields(PROMPT, "reply", "v"), {"prompt": "p", "reply": "r", "v": "high"}, "'high' is no number"),
        (PAIRS, {"prompt": "", "better": "x", "worse": "y", "gap": 1}, "text is empty"),
        (PAIRS, {"prompt": "p", "better": "x", "worse": "y"}, "no column gap"),
    ],
)
def test_broken_rows_are_faults_with_their_line(tmp_path, fields, row, told):
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, [row]), fields, "t")
    assert told in str(caught.value)


def test_mixes_of_conf_read_files_of_ones_own(tmp_path):
    rows = [{"prompt": f"Question {i}?", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(60)]
    write(tmp_path, rows, "pairs.jsonl")
    mix = built("pairs", tmp_path)
    heldout = mix.heldout(100)
    assert mix.check()["pairs"] + len(heldout) == 60 and 0 < len(heldout) < 20
    (pair, *_), _ = mix.draw(mix.start(), 1, 0)
    number = pair.text.removeprefix("Question ").removesuffix("?")
    assert (pair.chosen, pair.rejected) == (f"yes {number}", f"no {number}")
    assert pair.question.details == {"aspect": "helpful"}

    write(tmp_path, [{"prompt": f"Do {i}!", "response": f"{i}", "label": i % 2} for i in range(60)], "points.jsonl")
    mix = built("points", tmp_path)
    drawn, _ = mix.draw(mix.start(), 20, 0)
    assert {(p.label, p.response) for p in drawn} == {(float(int(p.response) % 2), p.response) for p in drawn}
    assert {p.question.details["aspect"] for p in drawn} == {"harmless"} and len({p.label for p in drawn}) == 2


def test_the_real_pairs(shared_data):
    mix = built("hh_harmless_pairs", shared_data / "hh_harmless")
    training, heldout = mix.check()["pairs"], mix.heldout(10_000)
    assert training + len(heldout) == 2303 and 180 < len(heldout) < 280  # 230 expected
    assert Counter(row.reason for row in mix.dropped) == {
        "the chosen response is empty": 4, "the two sides have different prompts": 5}  # fmt: skip
    drawn, state = mix.draw(mix.start(), 64, 0)
    assert mix.draw(state, 8, 0)[0] != drawn[:8] and all(isinstance(pair, PreferencePair) for pair in drawn)
    for pair in (*drawn, *heldout):
        assert pair.question.details == {"aspect": "harmless"} and pair.question.domain == "general"
        assert not pair.text.startswith("Human:") and "\n\nAssistant:" not in pair.chosen + pair.rejected
    assert not {pair.text for pair in heldout} & {pair.text for pair in drawn}


def test_the_real_points_are_both_sides_of_each_prompt(shared_data):
    mix = built("hh_harmless_points", shared_data / "hh_harmless")
    # 2,312 rows, of which 4 have an empty chosen response; the rejected ones have none
    assert sum(mix.check().values()) + len(mix.heldout(10_000)) == 2308 + 2312
    drawn, _ = mix.draw(mix.start(), 100, 0)
    assert Counter(point.label for point in drawn) == {1.0: 50, 0.0: 50}
    assert not {point.text for point in mix.heldout(10_000)} & {point.text for point in drawn}


@pytest.mark.parametrize(("name", "folder", "count"), [("do_not_answer", "do_not_answer", 939),
                                                       ("hh_harmless", "hh_harmless", 2312)])  # fmt: skip
def test_the_real_prompts_have_no_answer(shared_data, name, folder, count):
    mix = built(name, shared_data / folder)
    heldout = mix.heldout(10_000)
    assert sum(mix.check().values()) + len(heldout) == count
    assert {(q.answer, q.domain, q.details["aspect"]) for q in heldout} == {("", "general", "harmless")}
