"""Files as other frameworks train on them: rows in their own form are questions here by one word."""

import json

import pytest
from hydra import compose
from hydra.utils import instantiate

from r1lab.data.demonstrations import read_demonstrations, training_sample
from r1lab.data.template import ChatTemplate, R1ZeroTemplate
from r1lab.errors import DataError
from r1lab.rewards.rubric import Rubric
from r1lab.stages.gold import check_gold

SYSTEM = {"role": "system", "content": "You solve sums."}


def user(n):
    return {"role": "user", "content": f"What is {n}+{n}?"}


FORMS = {
    "trl": lambda n: {"prompt": [SYSTEM, user(n)], "solution": str(2 * n)},
    "verl": lambda n: {
        "data_source": "sums", "prompt": [SYSTEM, user(n)], "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": str(2 * n)}, "extra_info": {"split": "train", "index": n},
    },
    "openrlhf": lambda n: {"input": f"What is {n}+{n}?", "label": str(2 * n)},
    "open_r1": lambda n: {"problem": f"What is {n}+{n}?", "solution": f"{n} twice.", "answer": str(2 * n)},
}  # fmt: skip


def write(path, rows):
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet

        pa.parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    for name, form in FORMS.items():
        kind = "parquet" if name == "verl" else "jsonl"
        (tmp_path / name).mkdir()
        write(tmp_path / name / f"train.{kind}", [form(n) for n in range(40)])
        write(tmp_path / name / f"test.{kind}", [form(n) for n in range(100, 110)])
    return tmp_path


@pytest.mark.parametrize("name", FORMS)
def test_rows_of_other_frameworks_are_asked(name, folder, hydra, tokenizer):
    words = [f"mix={name}", f"mix.path={folder / name}"]
    words += [f"mix.sources.{name}.fields.system=false"] if name in ("trl", "verl") else []
    config = compose("config", ["stage=r1zero", "model=v3base", *words])
    mix = instantiate(config.mix, _convert_="all")
    rubric = Rubric({"accuracy": instantiate(config.rewards.accuracy, _convert_="all")})
    drawn, _ = mix.draw(mix.start(), 40, 0)
    assert {(q.text, q.answer) for q in drawn} == {(f"What is {n}+{n}?", str(2 * n)) for n in range(40)}
    assert len(mix.heldout(10)) == 10 and not any(q.turns for q in drawn)
    assert check_gold(rubric, R1ZeroTemplate(), drawn) == []
    assert R1ZeroTemplate().render(drawn[0], tokenizer).count(drawn[0].text) == 1
    rubric.close()


@pytest.mark.parametrize("name", ["trl", "verl"])
def test_a_system_prompt_needs_a_template_that_has_a_place_for_it(name, folder, hydra):
    config = compose("config", ["stage=r1zero", "model=v3base", f"mix={name}", f"mix.path={folder / name}"])
    mix = instantiate(config.mix, _convert_="all")
    drawn, _ = mix.draw(mix.start(), 4, 0)
    with pytest.raises(DataError, match="no place for messages before the question") as caught:
        check_gold(Rubric({}), R1ZeroTemplate(), drawn)
    assert f"mix.sources.{name}.fields.system=false" in str(caught.value)


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture
def chat(tokenizer):
    from copy import deepcopy

    found = deepcopy(tokenizer)
    found.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    found.chat_template = CHATML
    return found


def test_earlier_messages_are_rendered_before_the_question(folder, hydra, chat):
    config = compose("config", ["mix=verl", f"mix.path={folder / 'verl'}"])
    mix = instantiate(config.mix, _convert_="all")
    (question, *_), _ = mix.draw(mix.start(), 4, 0)
    template = ChatTemplate(system="The template's own.", answer_rule="boxed")
    assert template.render(question, chat) == (
        f"<|im_start|>system\nYou solve sums.<|im_end|>\n<|im_start|>user\n{question.text}<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


DEMONSTRATIONS = {
    "messages": {"messages": [SYSTEM, user(1), {"role": "assistant", "content": "2"}]},
    "sharegpt": {
        "messages": [
            {"from": "system", "value": "You solve sums."}, {"from": "human", "value": "What is 1+1?"},
            {"from": "gpt", "value": "2"},
        ]
    },
    "conversations": {"conversations": [SYSTEM, user(1), {"role": "assistant", "content": "2"}]},
    "prompt and completion": {"prompt": [SYSTEM, user(1)], "completion": [{"role": "assistant", "content": "2"}]},
}  # fmt: skip


@pytest.mark.parametrize("row", DEMONSTRATIONS.values(), ids=DEMONSTRATIONS)
def test_messages_are_demonstrations(row, tmp_path, chat):
    write(tmp_path / "sft.jsonl", [row, row])
    first, second = read_demonstrations([tmp_path / "sft.jsonl"])
    assert (first.text, first.response, first.question.turns[0]["content"]) == ("What is 1+1?", "2", "You solve sums.")
    assert first.id != second.id
    sample = training_sample(first, ChatTemplate(), chat)
    assert chat.decode([*sample.prompt_ids, *sample.completion_ids]) == (
        "<|im_start|>system\nYou solve sums.<|im_end|>\n<|im_start|>user\nWhat is 1+1?<|im_end|>\n"
        "<|im_start|>assistant\n2<|im_end|>"
    )


@pytest.mark.parametrize("row", [{"prompt": "What?", "completion": "2"}, {"question": "What?", "response": "2"}])
def test_texts_are_demonstrations(row, tmp_path):
    write(tmp_path / "sft.jsonl", [row])
    (found,) = read_demonstrations([tmp_path / "sft.jsonl"])
    assert (found.text, found.response, found.question.turns) == ("What?", "2", ())


@pytest.mark.parametrize(
    "row, words",
    [
        ({"messages": [user(1)]}, "it ends with messages of user"),
        ({"messages": [user(1), {"role": "assistant", "content": None}]}, "messages[1] has no text"),
        ({"messages": "What?"}, "messages is the text 'What?', no messages"),
        ({"messages": []}, "messages is a list of 0"),
        ({"prompt": "What?", "completion": None}, "completion is empty"),
        ({"prompt": 7, "completion": "2"}, "prompt is the number 7, not text"),
        ({"prompt": "What?", "completion": {"text": "2"}}, "completion is an object"),
        ({"question": {"id": "a", "text": "?", "answer": {"a": 1}}, "response": "x"}, "question.answer is an object"),
        ({"question": {"id": 3, "text": "?", "answer": "7"}, "response": "x"}, "question.id is the number 3"),
        (
            {"question": {"id": "3", "text": "?", "answer": "7", "details": None}, "response": "x"},
            "question.answer is no",
        ),
        ({"instruction": "Add them", "input": "3 and 4", "output": "7"}, "there are no messages"),
        ({"text": "all in one"}, "there are no messages, and no prompt with its completion; it has text"),
        ({"question": {"id": "a", "text": "", "answer": "2"}, "response": "2"}, "question.text is empty"),
        ({"question": {"id": "a", "text": "?", "answer": "2"}, "response": 2}, "response is the number 2, not text"),
    ],
)
def test_a_demonstration_that_cannot_be_read_is_told_with_its_line(row, words, tmp_path):
    good = {"prompt": "What?", "completion": "2"}
    write(tmp_path / "sft.jsonl", [good, row, good])
    with pytest.raises(DataError) as caught:
        read_demonstrations([tmp_path / "sft.jsonl"])
    assert "1 demonstrations of" in str(caught.value) and f"sft.jsonl:2: {words}" in str(caught.value)
