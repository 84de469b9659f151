"""What stands beside a message or a text in a row is used or refused, never silently left out."""

import json

import pytest

from r1lab.data.cells import RowFault, answer_of, cell
from r1lab.data.demonstrations import demonstration_of, read_demonstrations, training_sample
from r1lab.data.filters import Decontaminate, Duplicates, Length
from r1lab.data.messages import before_of, joined, listed, messages_of, with_thought
from r1lab.data.preferences import PairFields, PointFields
from r1lab.data.questions import Column, Fields, read_questions
from r1lab.data.rows import LeftOut, read_rows
from r1lab.data.template import ChatTemplate, R1ZeroTemplate
from r1lab.errors import DataError
from r1lab.rollouts.products import _heading
from r1lab.types import PreferencePair, Question

ASKED = {"role": "user", "content": "What is 2+2?"}
SAID = {"role": "assistant", "content": "It is 4."}
SYSTEM = {"role": "system", "content": "You solve sums."}
EARLIER = [{"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": "2"}]
THOUGHT = "<think>\nTwo and two.\n</think>\n\nIt is 4."


def demonstration(**row):
    return demonstration_of(json.dumps(row), "file.jsonl:1")


def refused(words, **row):
    with pytest.raises(DataError, match=words) as error:
        demonstration(**row)
    assert "file.jsonl:1" in error.value.found


def prompts(row, **fields):
    return Fields(text="prompt", answer=None, domain="general", **fields)(row, "train:1", "s")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_a_thought_beside_the_content_is_learned(name):
    found = demonstration(messages=[ASKED, {**SAID, name: " Two and two.\n"}])
    assert found.response == THOUGHT
    assert demonstration(prompt="What is 2+2?", completion=[{**SAID, name: "Two and two."}]).response == THOUGHT
    assert demonstration(prompt="What is 2+2?", response="It is 4.", **{name: "Two and two."}).response == THOUGHT


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_thought_is_no_thought(value):
    found = demonstration(messages=[ASKED, {**SAID, "reasoning_content": value}], tools=[], images=None)
    assert found.response == "It is 4."


def test_a_thought_that_is_unclear_is_refused():
    inside = {"role": "assistant", "content": "<think> 4 </think> It is 4."}
    assert demonstration(messages=[ASKED, inside]).response == "<think> 4 </think> It is 4."
    refused("another in its content|cannot be read", messages=[ASKED, {**inside, "reasoning_content": "Two."}])
    with pytest.raises(RowFault, match="a thought in thinking and another in its content"):
        with_thought("<think> a </think> b", {"thinking": "c"}, "m")
    with pytest.raises(RowFault, match="two thoughts: reasoning and thinking"):
        with_thought("b", {"thinking": "c", "reasoning": "d"}, "m")
    with pytest.raises(RowFault, match=r"m\.thinking is a list"):
        with_thought("b", {"thinking": ["c"]}, "m")
    assert with_thought("b", {"thinking": "c", "reasoning": "c"}, "m") == "<think>\nc\n</think>\n\nb"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "thinking"])
def test_a_thought_in_a_column_is_of_the_response(name):
    row = {name: "Two and two."}
    assert demonstration(messages=[*EARLIER, ASKED, SAID], **row).response == THOUGHT
    assert demonstration(prompt=[ASKED], completion=[SAID], **row).response == THOUGHT
    assert demonstration(messages=[ASKED, {**SAID, name: "Two and two."}], **row).response == THOUGHT, "the same twice"
    refused("another in its content", messages=[ASKED, {**SAID, name: "4."}], **row)
    refused("another in its content", prompt="?", response="<think> never closed", **row)
    refused("another in its content", prompt="?", response="opened by the prompt </think> 4", **row)


@pytest.mark.parametrize("mark", ["on", "Off", "high", True, False, None, "", [], {}, "null", float("nan")])
def test_a_mark_is_no_thought(mark):
    inside = "<think> 4 </think> It is 4."
    assert demonstration(prompt="?", response=inside, reasoning=mark).response == inside
    assert demonstration(messages=[ASKED, {**SAID, "thinking": mark}], reasoning=mark).response == "It is 4."


@pytest.mark.parametrize(
    "thought", ["<think>4</think>", "4 </think>", "so <answer> 4", "4 </answer>", {"effort": 1}, 7]
)
def test_a_thought_is_text_without_tags(thought):
    refused(r"messages\[1\].reasoning (holds the tag <|is )", messages=[ASKED, {**SAID, "reasoning": thought}])
    refused(r"the response.thinking (holds the tag <|is )", prompt="?", response="4", thinking=thought)


@pytest.mark.parametrize("nothing", [None, False, float("nan"), [], {}, "", " ", "[]", "{}", "null", "None"])
def test_columns_of_nothing_are_no_columns(nothing):
    for name in ("system", "history", "tools", "image", "images"):
        if nothing in (None, "", " ") or nothing != nothing or name != "system":
            assert list(prompts({"prompt": "?", name: nothing}).turns) == []
            assert demonstration(messages=[{**ASKED, "images": nothing}, SAID]).response == "It is 4."


def test_a_history_may_be_a_text():
    for history in ("[['What is 1+1?', '2']]", '[["What is 1+1?", "2"]]', str(EARLIER), json.dumps(EARLIER)):
        assert list(prompts({"prompt": "And then?", "history": history}).turns) == EARLIER
    with pytest.raises(RowFault, match="history is the text 'of Rome'; it can be messages"):
        prompts({"prompt": "And then?", "history": "of Rome"})


def test_the_users_words_have_no_thought():
    (found,) = messages_of([{**ASKED, "reasoning": "mine"}], "m")
    assert found == ASKED


def test_system_and_history_come_before():
    turns = [SYSTEM, *EARLIER]
    own = [["What is 1+1?", "2"]]
    for row in (
        {"system": "You solve sums.", "history": own},
        {"system": "You solve sums.", "history": EARLIER},
        {"history": [SYSTEM, *EARLIER]},
        {"history": turns, "system": ""},
    ):
        for form in (
            {"prompt": "What is 2+2?", "completion": "It is 4."},
            {"messages": [ASKED, SAID]},
            {"prompt": [ASKED], "response": [SAID]},
        ):
            found = demonstration(**row, **form)
            assert list(found.question.turns) == turns and found.question.text == "What is 2+2?", (row, form)
        assert list(prompts({"prompt": "What is 2+2?", **row}).turns) == turns
        assert list(prompts({"prompt": [ASKED], **row}).turns) == turns


def test_a_system_prompt_that_stands_twice_is_one_and_two_are_refused():
    row = {"system": SYSTEM["content"], "prompt": [SYSTEM, ASKED]}
    assert list(prompts(row).turns) == [SYSTEM]
    assert list(prompts(row, system=False).turns) == []
    with pytest.raises(RowFault, match="two system prompts, in the column system and in prompt"):
        prompts({"system": "Be brief.", "prompt": [SYSTEM, ASKED]})
    with pytest.raises(RowFault, match="in the column system and in history"):
        before_of({"system": "Be brief.", "history": [SYSTEM, *EARLIER]}, [])
    assert joined([SYSTEM], [ASKED], "m") == [SYSTEM, ASKED] == joined([], [SYSTEM, ASKED], "m")


def test_a_column_that_a_mapping_names_is_no_system_prompt():
    row = {"system": "What is 2+2?", "history": "of Rome"}
    found = Fields(text="system", answer="history", domain="general")(row, "train:1", "s")
    assert (found.text, found.answer, list(found.turns)) == ("What is 2+2?", "of Rome", [])


@pytest.mark.parametrize("name", ["images", "image", "videos", "audio", "tools", "functions"])
def test_what_is_no_text_beside_a_row_is_refused(name):
    for value in (["x.png"], [{"name": "calculator"}], "x.png", '[{"name": "calculator"}]', {"bytes": "..."}):
        refused("cannot be read", messages=[ASKED, SAID], **{name: value})
        with pytest.raises(RowFault, match=f"the column {name} holds"):
            prompts({"prompt": "What is 2+2?", name: value})
    for value in (None, [], "", "[]", "{}", {}):
        assert demonstration(messages=[ASKED, SAID], **{name: value}).response == "It is 4."


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"function_call": {"name": "f"}}, "calls a tool"),
        ({"tool_calls": [{"id": 1}]}, "calls a tool"),
        ({"images": ["x.png"]}, "images beside its text"),
    ],
)
def test_messages_with_calls_or_pictures_are_refused(extra, words):
    with pytest.raises(RowFault, match=rf"m\[1\].*{words}"):
        messages_of([ASKED, {**SAID, **extra}], "m")
    assert messages_of([ASKED, {**SAID, "tool_calls": [], "function_call": None}], "m") == [ASKED, SAID]


@pytest.mark.parametrize(
    "history", [[["What is 1+1?"]], ["What is 1+1?", "2"], [["a", ""]], [["a", 2]], 5, [["a", "b", "c"]]]
)
def test_a_history_that_is_none_is_refused(history):
    with pytest.raises(RowFault, match="history"):
        before_of({"history": history}, [])


def test_messages_as_python_or_json_prints_them_are_messages():
    messages = [SYSTEM, {**ASKED, "content": 'What\'s "2+2"?\n'}]
    for text in (json.dumps(messages), repr(messages), " " + repr(messages) + "\n"):
        found = prompts({"prompt": text})
        assert (list(found.turns), found.text) == ([SYSTEM], 'What\'s "2+2"?')
    assert demonstration(messages=repr([ASKED, SAID])).response == "It is 4."
    for text in (
        "[{'a': 1}]",
        "[{",
        "[1, 2]",
        "{'role': 'user'} is what?",
        "Say [{'role': 'user'}]",
        '[{"role": 1}',
        "{",
    ):
        assert listed(text, "prompt") == text, "no messages: a text"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (str([SYSTEM, ASKED]).replace("}, {", "}\n {"), "no list"),  # as NumPy prints them
        (f"array({[SYSTEM, ASKED]}, dtype=object)", "no list"),
        (str([SYSTEM, ASKED])[:-8], "no list"),  # as a spreadsheet cuts them
        (json.dumps([SYSTEM, ASKED])[:-1], "no list"),
        ("[{'role': 'user', 'content': open('x')}]", "no list"),
        (str([{"content": "x" * 1_000_000, "role": "user"}]), "no list"),
        (str(ASKED), "one object"),
        (json.dumps({"messages": [SYSTEM, ASKED]}), "one object"),
    ],
)
def test_a_text_of_messages_that_cannot_be_read_is_refused(text, what):
    for form in ({"prompt": text, "response": "4"}, {"prompt": "?", "response": text}, {"messages": text}):
        refused(f"is a text of messages that is {what}", **form)
    with pytest.raises(RowFault, match=f"prompt is a text of messages that is {what} in JSON or Python"):
        prompts({"prompt": text})
    with pytest.raises(RowFault, match="rejected is a text of messages"):
        PAIR({"prompt": "?", "chosen": "a", "rejected": text}, "train:1", "s")


def test_values_as_python_prints_them_are_walked_into_and_no_answers():
    row = {"reward_model": "{'style': 'rule', 'ground_truth': '17'}"}
    assert cell(row, "reward_model.ground_truth") == "17"
    for gold in ("{'ground_truth': '17'}", "['17', '18']", '{"a": 1}'):
        with pytest.raises(RowFault, match="the answer is JSON"):
            Fields("q", "a")({"q": "What is 2+2?", "a": gold}, "train:1", "s")
    for gold in (
        "{{1}, {2}}",
        "{{1, 2}, 3}",
        "{[1]: 2}",
        "{{}}",
        "[0, 1)",
        "{'a', {'b'}}",
        r"['\d",
        "{1, 2}",
        "[1, 2]",
        "(1, 2)",
        "{x: 1}",
    ):
        assert Fields("q", "a")({"q": "What is 2+2?", "a": gold}, "train:1", "s").answer == gold


def test_pick_and_drop_work_on_the_last_message():
    column = Column("prompt", pick=r"Question: (.+)", drop=r"\?")
    found = Fields(text=column, answer=None)({"prompt": [{**ASKED, "content": "Question: What is 2+2?"}]}, "t:1", "s")
    assert found.text == "What is 2+2"
    with pytest.raises(RowFault, match="does not match"):
        Fields(text=column, answer=None)({"prompt": [ASKED]}, "t:1", "s")
    assert Fields(text=column, answer=None)({"prompt": "Question: Who?"}, "t:1", "s").text == "Who"


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


class Benchmark:
    def heldout(self, count):
        return [Question("b", "one two three four five six seven eight nine ten", "1")]

    def digests(self):
        return {}


def test_filters_see_earlier_messages():
    told = {"role": "user", "content": "Zero one two three four five six seven eight nine ten eleven"}
    hidden = Question("q", "And then?", "4", details={"turns": [told, SAID]})
    plain = Question("p", "And then?", "4", details={"turns": EARLIER})
    for item in (hidden, PreferencePair(hidden, "a", "b")):
        assert "shares" in Decontaminate(Benchmark(), 10)([item])[0]
    assert Decontaminate(Benchmark(), 10)([plain, Question("o", "And then?", "4")]) == [None, None]
    # 2 words, and 12 + 3 more
    assert Length(3, 17)([hidden, Question("o", "And then?", "4")]) == [None, "2 words, not 3 to 17"]
    assert Length(1, 16)([hidden]) == ["17 words, not 1 to 16"]
    assert Duplicates()([hidden, plain]) == [None, None], "the same words after others are another question"


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


@pytest.mark.parametrize("kind", [".parquet", ".jsonl.gz", ".json"])
def test_demonstrations_of_another_kind_are_met_with_the_command_that_converts_them(kind, tmp_path):
    import gzip
    import shlex
    import subprocess
    import sys

    import pyarrow as pa

    rows, path = [{"prompt": "What is 2+2?", "completion": "It's 4."}] * 2, tmp_path / f"shown{kind}"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if kind == ".parquet":
        parquet(path, pa.Table.from_pylist(rows))
    else:
        path.write_bytes(gzip.compress(lines.encode()) if kind == ".jsonl.gz" else json.dumps(rows).encode())
    with pytest.raises(DataError, match="JSON lines") as error:
        read_demonstrations([path])
    command, named = error.value.remedy.rsplit(", and name that file", 1)
    words = shlex.split(command)
    assert named == "" and words[0] == "python" and words[-2:] == [">", str(tmp_path / "shown.jsonl")]
    done = subprocess.run([sys.executable, *words[1:-2]], capture_output=True, check=True)
    (tmp_path / "shown.jsonl").write_bytes(done.stdout)
    assert [shown.response for shown in read_demonstrations([tmp_path / "shown.jsonl"])] == ["It's 4."] * 2


@pytest.mark.parametrize("before", [[SYSTEM], EARLIER, [SYSTEM, *EARLIER]])
def test_a_plain_template_says_what_to_do_with_demonstrations_of_a_file(before, tokenizer):
    shown = demonstration(messages=[*before, ASKED, SAID])
    with pytest.raises(DataError) as error:
        training_sample(shown, R1ZeroTemplate(), tokenizer)
    way = "take the system prompts out of the rows that have them" if before == [SYSTEM] else "leave out questions with"
    assert error.value.remedy.startswith(f"template=r1_chat; or {way}")
    with pytest.raises(DataError) as error:
        R1ZeroTemplate().render(prompts({"prompt": [SYSTEM, ASKED]}))
    assert error.value.remedy.endswith("++mix.sources.s.fields.system=false")


def test_a_chat_template_without_system_prompts_says_what_to_do(tokenizer):
    from copy import deepcopy

    chat = deepcopy(tokenizer)
    chat.chat_template = (
        "{% for m in messages %}{% if m.role != 'system' %}<{{ m.role }}>{{ m.content }}</s>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    for question, way in (
        (demonstration(messages=[SYSTEM, ASKED, SAID]).question, "take the system prompts out of the rows"),
        (prompts({"prompt": [SYSTEM, ASKED]}), "leave system prompts out: ++mix.sources.s.fields.system=false"),
    ):
        with pytest.raises(DataError, match="does not show the system's message") as error:
            ChatTemplate().render(question, chat)
        assert error.value.remedy.startswith(way)


def test_a_thought_is_learned_in_the_chat_template_s_own_tags(tokenizer):
    from copy import deepcopy

    chat = deepcopy(tokenizer)
    chat.chat_template = (
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}</s>{% endfor %}"
        "{% if add_generation_prompt %}<assistant><think>\n{% endif %}"
    )
    shown = demonstration(messages=[ASKED, {**SAID, "reasoning_content": "Two and two."}])
    sample = training_sample(shown, ChatTemplate(), chat)
    learned, prompt = chat.decode(sample.completion_ids), chat.decode(sample.prompt_ids)
    assert (prompt + learned).count("<think>") == 1 and "Two and two.\n</think>\n\nIt is 4." in learned
