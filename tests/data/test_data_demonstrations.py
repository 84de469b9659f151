"""Demonstrations: what is read is what was written, what is learned is the response and nothing else."""

import json

import pytest
import torch

from r1lab.data.demonstrations import (
    FILE,
    batches,
    demonstration_of,
    read_demonstrations,
    training_sample,
    write_demonstrations,
)
from r1lab.data.template import ChatTemplate, PlainTemplate, R1ZeroTemplate
from r1lab.errors import DataError
from r1lab.types import Demonstration, Question

RESPONSES = (" <think> 7+5=12 </think> <answer> 12 </answer>", " a line\u2028and another", "\n 答案是十二。 ")
"""The second holds a character at which Python's splitlines would break the file."""


def demonstrations(count=3):
    return [
        Demonstration(Question(f"q{i}", f"What is {i}+5?", str(i + 5), details={"operations": [["+", 5]]}),
                      RESPONSES[i % 3], num_tokens=i, writer="artifact:policy/0123456789ab")
        for i in range(count)
    ]  # fmt: skip


def test_what_is_read_is_what_was_written(tmp_path):
    rows = demonstrations(7)
    (tmp_path / "a").mkdir()
    assert write_demonstrations(tmp_path / "a" / FILE, rows[:4]) == 4
    assert write_demonstrations(tmp_path / "b.jsonl", rows[4:]) == 3
    found = read_demonstrations([tmp_path / "a", tmp_path / "b.jsonl"])
    assert len(found) == 7 and [found[i] for i in (6, 0, 4)] == [rows[6], rows[0], rows[4]]
    assert list(found) == rows


def test_the_supervised_span_is_the_response(tokenizer):
    for row in demonstrations():
        sample = training_sample(row, R1ZeroTemplate(), tokenizer)
        prompt, learned = (tokenizer.decode(ids) for ids in (sample.prompt_ids, sample.completion_ids[:-1]))
        assert prompt == R1ZeroTemplate().render(row.question)
        assert learned == " " + row.response.strip()
        assert sample.completion_ids[-1] == tokenizer.eos_token_id
        assert len(sample.old_logprobs) == len(sample.completion_ids) and not sample.old_logprobs.any()


@pytest.mark.parametrize(
    "template, learned",
    [
        (PlainTemplate(text="Q: {question}\nA:"), " <think> 7+5=12 </think> <answer> 12 </answer>"),
        (PlainTemplate(text="Q: {question}\nA: "), "<think> 7+5=12 </think> <answer> 12 </answer>"),
        # what the prefill says is not said twice
        (PlainTemplate(text="Q: {question}\nA:", prefill=" <think>"), " 7+5=12 </think> <answer> 12 </answer>"),
        (PlainTemplate(text="Q: {question}\nA:", prefill=" <think>\n"), "7+5=12 </think> <answer> 12 </answer>"),
        (ChatTemplate(), "<think> 7+5=12 </think> <answer> 12 </answer>"),
    ],
)
def test_a_response_follows_any_template(template, learned):
    assert template.completion(RESPONSES[0]) == learned


def test_a_response_that_the_tokenizer_changes_is_refused(tokenizer):
    class Lossy:
        eos_token_id, encode = tokenizer.eos_token_id, staticmethod(tokenizer.encode)

        def decode(self, ids, **_):
            return tokenizer.decode(ids).replace("12", "21")

    with pytest.raises(DataError, match=r"question q0: .*12.* becomes .*21"):
        training_sample(demonstrations(1)[0], R1ZeroTemplate(), Lossy())


def test_every_epoch_shows_everything_once_in_an_order_of_its_own():
    steps = batches(count=10, epochs=3, size=4, seed=5)
    assert [len(step) for step in steps] == [4] * 7 + [2]
    flat = [place for step in steps for place in step]
    epochs = [flat[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert batches(10, 3, 4, seed=5) == steps != batches(10, 3, 4, seed=6)


@pytest.mark.parametrize(
    "line, told",
    [
        ("{", "JSONDecodeError"),
        (json.dumps({"response": "x"}), "question"),
        (json.dumps({"question": {"id": "q", "text": "?", "answer": "", "colour": "red"}, "response": "x"}), "colour"),
        (json.dumps({"question": {"id": "q", "text": "?", "answer": ""}, "response": "\ud800"}), "surrogate"),
    ],
)
def test_a_broken_line_is_named(line, told):
    with pytest.raises(DataError, match=rf"(?s)file\.jsonl:7: .*{told}"):
        demonstration_of(line, "file.jsonl:7")


def test_nothing_to_learn_from_is_told(tmp_path):
    with pytest.raises(DataError, match="no demonstrations"):
        read_demonstrations([tmp_path])
    (tmp_path / FILE).write_text("\n")
    with pytest.raises(DataError, match="empty"):
        read_demonstrations([tmp_path])


def test_prompts_are_whole(tokenizer):
    sample = training_sample(demonstrations(1)[0], R1ZeroTemplate(), tokenizer)
    assert torch.equal(sample.prompt_ids, R1ZeroTemplate().prompt_ids(demonstrations(1)[0].question, tokenizer))
