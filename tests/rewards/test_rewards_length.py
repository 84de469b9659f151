"""Length rewards at every corner of their lines, and the repetition reward's value and words."""

import pytest
import torch

from r1lab.errors import ConfigError
from r1lab.rewards.length import FinishedReward, LengthOnly, SoftOverlong
from r1lab.rewards.repetition import RepetitionReward
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout


def rollout(num_tokens=3, finish=Finish.STOP, text=""):
    completion = Completion(torch.zeros(num_tokens, dtype=torch.long), torch.zeros(num_tokens), finish)
    return Rollout(Question("q", "", "7"), torch.tensor([1]), completion, parse_response(text), 0)


def test_finished():
    ended, cut = FinishedReward(1.0)([rollout(), rollout(finish=Finish.LENGTH)])
    assert (ended.value, cut.value) == (1.0, 0.0)
    assert cut.reason == "cut at the length limit" and cut.judged


@pytest.mark.parametrize(
    "num_tokens, value",
    [(1, 0), (16_384, 0), (16_385, -1 / 4096), (17_408, -0.25), (18_432, -0.5), (20_479, -4095 / 4096), (20_480, -1),
     (20_481, -1), (99_999, -1)],
)  # fmt: skip
def test_soft_overlong_is_that_of_dapo(num_tokens, value):
    """DAPO Eq. 13 with L_max 20,480 and L_cache 4,096: (16,384 - length) / 4,096 in between."""
    (score,) = SoftOverlong(1.0, max_tokens=20_480, cache_tokens=4_096)([rollout(num_tokens)])
    assert score.value == pytest.approx(value, abs=1e-12) and score.judged


def test_soft_overlong_of_a_cut_completion_is_whole_whatever_the_limit():
    (score,) = SoftOverlong(1.0, max_tokens=20_480, cache_tokens=4_096)([rollout(64, Finish.LENGTH)])
    assert (score.value, score.reason) == (-1.0, "cut at the length limit")


def test_soft_overlong_says_how_much():
    short, long = SoftOverlong(1.0, max_tokens=100, cache_tokens=20)([rollout(80), rollout(90)])
    assert (short.reason, long.reason) == ("80 tokens, 80 are free", "90 tokens, 10 more than 80")
    assert long.value == pytest.approx(-0.5)


@pytest.mark.parametrize("max_tokens, cache_tokens", [(10, 0), (10, 11), (0, 0), (10, -1)])
def test_soft_overlong_refuses_a_cache_that_does_not_fit(max_tokens, cache_tokens):
    with pytest.raises(ConfigError, match="last cache_tokens of max_tokens"):
        SoftOverlong(1.0, max_tokens, cache_tokens)


def test_gold_completions_score_the_maximum():
    """stages/gold.py scores them as completions of one token that ended by themselves."""
    gold = [rollout(num_tokens=1)]
    for reward in (FinishedReward(1.0), SoftOverlong(1.0, max_tokens=8, cache_tokens=7)):
        assert reward.knows_gold and reward(gold)[0].value == reward.maximum


def test_length_only():
    scores = LengthOnly(1.0, full_tokens=64)([rollout(n) for n in (0, 16, 64, 65)])
    assert [score.value for score in scores] == [0.0, 0.25, 1.0, 1.0]
    assert not LengthOnly.knows_gold
    with pytest.raises(ConfigError, match="at least one token"):
        LengthOnly(1.0, full_tokens=0)


def test_repetition():
    reward = RepetitionReward(1.0, n=2)
    # no no: one pair and three repeats of it
    loop, fresh, short = reward([rollout(text=text) for text in ("no no no no no", "one two three four", "one")])
    assert loop.value == pytest.approx(0.25) and loop.reason == "75% was said before, first: 'no no'"
    assert (fresh.value, fresh.reason) == (1.0, "nothing is repeated") and short.value == 1.0
    with pytest.raises(ConfigError, match="at least one word"):
        RepetitionReward(1.0, n=0)


def test_repetition_reads_the_whole_response():
    text = "<think>one two three</think><answer>one two three</answer>"
    # < think > one two three < / think > < answer > one two three < / answer >: 20 pieces, 18 of three, of which
    # "> one two", "one two three", "two three <" and "three < /" come again
    (score,) = RepetitionReward(1.0, n=3)([rollout(text=text)])
    assert score.value == pytest.approx(14 / 18)
