"""The reward around the measure: which text, which target, what value where there is nothing, and what it costs."""

import time

import pytest
import torch

from r1lab.rewards.language import LanguageReward
from r1lab.rewards.repetition import RepetitionReward
from r1lab.text.identify import ByFunctionWords, ByScript
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout, Status

REWARD = LanguageReward(weight=1.0, identify=ByFunctionWords(), no_words=0.0)


def rollout(text, language="en", prefill=""):
    completion = Completion(torch.tensor([5, 2]), torch.zeros(2), Finish.STOP)
    question = Question("q", "", "7", language=language)
    return Rollout(question, torch.tensor([1]), completion, parse_response(text, prefill), 0)


def test_value_is_the_share_and_the_reason_counts_the_words():
    text = "<think>We add nine apples to six. 一共有十五个。</think><answer>15</answer>"
    english, chinese = REWARD([rollout(text), rollout(text, "zh")])
    # six words and six characters, which are four words
    assert english.value == pytest.approx(0.6) and english.reason == "words: 6 en, 4 zh"
    assert chinese.value == pytest.approx(0.4) and chinese.reason == "words: 6 latin, 4 zh"
    assert english.judged and chinese.judged
    assert REWARD([rollout("<think>" + "so it is " * 500 + "</think>")])[0].reason == "words: 1,500 en"


def test_only_the_reasoning_counts():
    text = "<think>We add nine</think><answer>一共有十五个</answer>"
    assert REWARD([rollout(text)])[0].value == 1.0
    assert REWARD([rollout("We add nine</think>好的好的好", prefill="<think>")])[0].value == 1.0


def test_without_a_think_block_the_response_is_the_reasoning():
    # three words against six characters, four words
    assert REWARD([rollout("We add nine. 一共有十五个")])[0].value == pytest.approx(3 / 7)


@pytest.mark.parametrize("text", ["<think></think>", "<think> 3+4=7 </think> all in English", "<think>$x$</think>", ""])
def test_a_reasoning_without_words_gets_the_value_that_is_set(text):
    (score,) = REWARD([rollout(text)])
    assert (score.value, score.reason, score.judged) == (0.0, "no words", True)
    assert LanguageReward(1.0, ByScript(), no_words=0.5)([rollout(text)])[0].value == 0.5


def test_a_region_in_the_code_is_not_another_language():
    assert REWARD([rollout("<think>好的</think>", "zh-Hant-TW")])[0].value == 1.0


def test_an_unknown_language_is_the_questions_fault():
    (score,) = REWARD([rollout("<think>So it is</think>", "tlh")])
    assert score.status is Status.BAD_GOLD and "'tlh' is not known" in score.reason


def test_gold_completions_need_not_score():
    """A Chinese question without a worked solution has an English sentence in its place."""
    assert not LanguageReward.knows_gold and not RepetitionReward.knows_gold


def test_one_score_for_each_rollout_in_order():
    texts = ["<think>We add</think>", "<think>好的</think>", "<think></think>"] * 3
    assert [score.value for score in REWARD(list(map(rollout, texts)))] == [1.0, 0.0, 0.0] * 3


def test_a_thousand_completions_take_seconds():
    """1,000 completions of 2,000 characters, half of them Chinese: about three seconds of one core for both rewards."""
    english = "We know that $x + 3 = 10$, so the number of apples is 7 and each of them costs 2 dollars.\n"
    chinese = "我们知道 $x + 3 = 10$，所以苹果的数量是 7，每个苹果 2 元。因此一共需要 14 元。\n"
    rollouts = [
        rollout(f"<think>{i} {(line * 50)[:1960]}</think><answer>7</answer>", language)
        for i in range(500)
        for line, language in ((english, "en"), (chinese, "zh"))
    ]
    for reward in (REWARD, RepetitionReward(weight=1.0, n=20)):
        start = time.process_time()
        scores = reward(rollouts)
        seconds = time.process_time() - start
        assert len(scores) == 1000 and seconds < 15, f"{type(reward).__name__}: {seconds:.1f} s"
