"""A prompt that opens a tag: what is sampled behind it is read, judged and stored with what the prompt has said."""

import pytest
import torch
from chat_templates import FAMILIES

from r1lab.data.demonstrations import training_sample
from r1lab.data.template import ChatTemplate
from r1lab.engines.base import SamplingParams
from r1lab.rewards.format import FormatReward
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.collect import Collector
from r1lab.rollouts.products import Demonstrated
from r1lab.types import Completion, Demonstration, Finish, Question

QUESTION = Question("q", "What is 3+4?", "7")


class Says:
    """An engine that samples the same text for every request."""

    end_ids = ()

    def __init__(self, tokenizer, text):
        self.ids = torch.tensor([*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id])

    def generate(self, requests, params):
        for place, request in enumerate(requests):
            one = Completion(self.ids, torch.zeros(len(self.ids)), Finish.STOP)
            yield place, tuple(one for _ in request.seeds)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("deepseek-r1", "3+4=7 </think> <answer> 7 </answer>", 1.0),
        ("qwen3 thinks", "3+4=7\n</think>\n\n<answer>7</answer>", 1.0),
        ("qwen3 thinks not", "<answer>7</answer>", 1.0),
        ("qwen3", "<think> 3+4=7 </think> <answer> 7 </answer>", 1.0),
        ("qwen3", "3+4=7 </think> <answer> 7 </answer>", 0.0),
        ("deepseek-r1", "<think> 3+4=7 </think> <answer> 7 </answer>", 0.0),
        ("deepseek-v3.1", "<answer>7</answer>", 0.0),
    ],
)
def test_what_is_sampled_is_judged_behind_its_prompt(name, text, value):
    tokenizer, template = FAMILIES[name].tokenizer(), ChatTemplate()
    collector = Collector(Says(tokenizer, text), tokenizer, template, Rubric({"format": FormatReward(1.0)}))
    params = SamplingParams(99, 1.0, 1.0, 0, collector.stop_ids)
    (group,) = collector([(0, QUESTION)], params, 2, (0,), 0)
    opened = template.opened(QUESTION, tokenizer)
    for rollout in group.rollouts:
        assert rollout.scores["format"].value == value
        assert rollout.response.text == opened + text and rollout.response.answer == "7"
    # what was sampled is learned as it was sampled
    (row, _) = Demonstrated()([group.rollouts], "").rows
    if value:
        sample = training_sample(Demonstration(QUESTION, row["response"]), template, tokenizer)
        assert sample.prompt_ids.tolist() == group.rollouts[0].prompt_ids.tolist()
        assert tokenizer.decode(sample.completion_ids).replace(" ", "") == f"{text}{tokenizer.eos_token}".replace(
            " ", ""
        )
