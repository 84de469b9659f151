"""Pairs and labeled responses whose prompt or sides are dialogues keep all their turns."""

import json

import pytest

from r1lab.data.cells import RowFault
from r1lab.data.preferences import PairFields, PointFields
from r1lab.data.questions import Fields
from r1lab.data.rows import LeftOut, read_rows
from r1lab.rollouts.products import _heading
from r1lab.types import Question

ASKED = {"role": "user", "content": "What is 2+2?"}
SAID = {"role": "assistant", "content": "It is 4."}
SYSTEM = {"role": "system", "content": "You solve sums."}
EARLIER = [{"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": "2"}]
PAIR = PairFields(Fields("prompt", None, domain="general"), "chosen", "rejected")
BAD = {"role": "assistant", "content": "5"}


def test_a_pair_keeps_the_messages_before_its_prompt():
    turns = [SYSTEM, *EARLIER]
    whole = {"chosen": [*turns, ASKED, SAID], "rejected": [*turns, ASKED, BAD]}
    for row in (
        {"prompt": "What is 2+2?", **whole},
        {"prompt": [ASKED], **whole},
        {"prompt": [*turns, ASKED], **whole},
        {"prompt": [*turns, ASKED], "chosen": "It is 4.", "rejected": "5"},
        {"prompt": [*turns, ASKED], "chosen": [SAID], "rejected": [BAD]},
        {"prompt": [ASKED], "system": SYSTEM["content"], "history": EARLIER, "chosen": "It is 4.", "rejected": "5"},
        {"prompt": "What is 2+2?", "chosen": repr(whole["chosen"]), "rejected": json.dumps(whole["rejected"])},
    ):
        found = PAIR(row, "train:1", "s")
        assert list(found.question.turns) == turns and found.question.text == "What is 2+2?", row
        assert (found.chosen, found.rejected) == ("It is 4.", "5")
        assert "You solve sums." in found.question.dialogue


OTHER = {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    ("prompt", "system", "said", "turns"),
    [
        ([SYSTEM, ASKED], None, [ASKED], [SYSTEM]),
        ([*EARLIER, ASKED], None, [ASKED], EARLIER),
        ([SYSTEM, *EARLIER, ASKED], None, [ASKED], [SYSTEM, *EARLIER]),
        ([SYSTEM, *EARLIER, ASKED], None, [*EARLIER, ASKED], [SYSTEM, *EARLIER]),
        (ASKED["content"], SYSTEM["content"], [ASKED], [SYSTEM]),
        (ASKED["content"], SYSTEM["content"], [*EARLIER, ASKED], [SYSTEM, *EARLIER]),
        (ASKED["content"], SYSTEM["content"], [SYSTEM, *EARLIER, ASKED], [SYSTEM, *EARLIER]),
        ([*EARLIER, ASKED], SYSTEM["content"], [ASKED], [SYSTEM, *EARLIER]),
        ([SYSTEM, ASKED], SYSTEM["content"], [SYSTEM, ASKED], [SYSTEM]),
        ([OTHER, ASKED], None, [SYSTEM, ASKED], None),
        ([SYSTEM, ASKED], None, [*EARLIER, ASKED], None),
        ([*EARLIER, ASKED], None, [*EARLIER, *EARLIER[:1], SAID, ASKED], None),
    ],
)
def test_a_prompt_and_its_sides_may_each_have_turns_that_the_other_leaves_out(prompt, system, said, turns):
    row = {"prompt": prompt, "system": system, "chosen": [*said, SAID], "rejected": [*said, BAD]}
    if turns is None:
        with pytest.raises(LeftOut, match="not that of the two sides"):
            PAIR(row, "train:1", "s")
        return
    assert (list(PAIR(row, "train:1", "s").question.turns), PAIR(row, "train:1", "s").chosen) == (turns, "It is 4.")
    without = PairFields(Fields("prompt", None, domain="general", system=False), "chosen", "rejected")
    assert list(without(row, "train:1", "s").question.turns) == [turn for turn in turns if turn != SYSTEM]
    points = PointFields(Fields("prompt", None, domain="general"), "chosen", 1.0)
    assert list(points(row, "train:1", "s").question.turns) == turns


def test_two_system_prompts_of_a_pair_are_refused():
    row = {"prompt": "What is 2+2?", "system": "Be brief.", "chosen": [SYSTEM, ASKED, SAID], "rejected": "5"}
    with pytest.raises(RowFault, match="two system prompts, in the column system and in chosen"):
        PAIR(row, "train:1", "s")


def test_a_pair_whose_prompt_is_another_is_left_out():
    other = {"role": "user", "content": "What is 3+3?"}
    for row in (
        {"prompt": "What is 3+3?", "chosen": [ASKED, SAID], "rejected": [ASKED, BAD]},
        {"prompt": [SYSTEM, ASKED], "chosen": [*EARLIER, ASKED, SAID], "rejected": [*EARLIER, ASKED, BAD]},
        {"prompt": "What is 2+2?", "chosen": [*EARLIER, ASKED, SAID], "rejected": [ASKED, BAD]},
        {"prompt": "What is 2+2?", "chosen": [ASKED, SAID], "rejected": [other, BAD]},
    ):
        with pytest.raises(LeftOut):
            PAIR(row, "train:1", "s")
    with pytest.raises(RowFault, match="the column tools holds"):
        PAIR({"prompt": "x", "chosen": "a", "rejected": "b", "tools": [{"name": "f"}]}, "train:1", "s")


def test_a_labeled_response_keeps_the_messages_before_it():
    fields = PointFields(Fields("prompt", None, domain="general"), "response", 1.0)
    found = fields({"prompt": "What is 2+2?", "response": [*EARLIER, ASKED, SAID]}, "train:1", "s")
    assert list(found.question.turns) == EARLIER and found.response == "It is 4."
    with pytest.raises(LeftOut, match="not that of the response"):
        fields({"prompt": "Why?", "response": [*EARLIER, ASKED, SAID]}, "train:1", "s")


def test_preference_data_of_a_run_keeps_earlier_messages(tmp_path):
    question = Question("q", "What is 2+2?", "4", details={"turns": [SYSTEM, *EARLIER]})
    rows = [{**_heading(asked, "v3"), "chosen": "4", "rejected": "5"} for asked in (question, Question("p", "Hi", ""))]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = read_rows(tmp_path / "pairs.jsonl", PAIR)[0]
    assert first.question.dialogue == question.dialogue and first.question.texts == question.texts
    assert (second.question.text, list(second.question.turns)) == ("Hi", [])
