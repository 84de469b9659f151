"""What stands beside a message or a text in a row is used or refused, never silently left out."""

import json

import pytest

from r1lab.data.cells import RowFault, cell
from r1lab.data.demonstrations import demonstration_of, training_sample
from r1lab.data.filters import Decontaminate, Duplicates, Length
from r1lab.data.messages import before_of, joined, listed, messages_of, with_thought
from r1lab.data.preferences import PairFields
from r1lab.data.questions import Column, Fields
from r1lab.data.template import ChatTemplate, R1ZeroTemplate
from r1lab.errors import DataError
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
    pair = PairFields(Fields("prompt", None, domain="general"), "chosen", "rejected")
    with pytest.raises(RowFault, match="rejected is a text of messages"):
        pair({"prompt": "?", "chosen": "a", "rejected": text}, "train:1", "s")


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
