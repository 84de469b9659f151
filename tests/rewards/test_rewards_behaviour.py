"""What a reward of one's own does beside judging: it leaves, never returns, changes what it is given."""

import math
import os
import signal
import sys
import time
from dataclasses import dataclass, replace

import pytest
import torch

from r1lab.errors import LeftError, VerifierError
from r1lab.rewards.calls import called, copies
from r1lab.rewards.format import FormatReward
from r1lab.rewards.own import OwnReward
from r1lab.rewards.rubric import Reward, Rubric, Weight, informed
from r1lab.types import Completion, Finish, Question, Response, Rollout


@dataclass(frozen=True)
class Given(Reward):
    """Calls what the test says."""

    weight: Weight
    given: object

    def __call__(self, rollouts):
        return self.given(rollouts)


def rollouts(count=2):
    made = []
    for i in range(count):
        completion = Completion(torch.tensor([1, 2]), torch.zeros(2), Finish.STOP)
        made.append(
            Rollout(Question(f"q{i}", "", "7"), torch.tensor([0]), completion, Response("7", None, "7", False), i)
        )
    return made


def scored(given):
    return Rubric({"own": Given(1.0, given)}).score(rollouts(), step=0)


def hostile(rollouts):
    """Changes all that it can reach."""
    for rollout in rollouts:
        rollout.completion.ids.zero_()
        rollout.completion.logprobs.numpy()[:] = -9.0
        rollout.prompt_ids.fill_(3)
        rollout.question.details["unit"].append("km")
        rollout.scores["own"] = None
        object.__setattr__(rollout.response, "text", "other")
        object.__setattr__(rollout.completion, "finish", Finish.LENGTH)
    rollouts.reverse()
    return [0.0, 1.0]


def test_what_a_reward_does_to_completions_reaches_no_other():
    given = [replace(r, question=replace(r.question, details={"unit": ["m"]})) for r in rollouts()]
    for found in Rubric({"own": Given(1.0, hostile)}).score(given, step=0):
        assert found.completion.ids.tolist() == [1, 2] and found.completion.logprobs.tolist() == [0.0, 0.0]
        assert found.prompt_ids.tolist() == [0] and found.question.details == {"unit": ["m"]}
        assert found.response.text == "7" and found.completion.finish is Finish.STOP
    assert [r.sample for r in given] == [0, 1] and given[0].scores == {}


def test_the_questions_of_a_group_stay_one_in_the_copies():
    given = rollouts(3)
    given[1] = replace(given[1], question=given[0].question)
    first, second, third = copies(given)
    assert first.question is second.question is not given[0].question and third.question == given[2].question
    assert first.completion.ids.data_ptr() != given[0].completion.ids.data_ptr()


@pytest.fixture
def answers():
    """Puts back what answers signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, answer in before.items():
        signal.signal(number, answer)


def test_ctrl_c_and_sigterm_stay_what_they_are(answers):
    def replaces(rollouts):
        for number in answers:
            signal.signal(number, signal.SIG_IGN)
        return [1.0] * len(rollouts)

    assert [r.reward for r in scored(replaces)] == [1.0, 1.0]
    assert {number: signal.getsignal(number) for number in answers} == answers


@dataclass(frozen=True)
class Leaving(Reward):
    """Leaves, or fails, where the test says."""

    weight: Weight
    where: str
    how: object

    def _here(self, where):
        if where == self.where:
            self.how(0) if callable(self.how) else exec("raise self.how")

    def __call__(self, rollouts):
        return [1.0] * len(rollouts)

    @property
    def aspect(self):
        self._here("aspect")
        return ""

    def faults(self):
        self._here("faults")
        return []

    def informed(self, questions):
        self._here("informed")
        return self

    def close(self):
        self._here("close")


WAYS = {
    "aspect": lambda reward: Rubric({"own": reward}).faults("rewards"),
    "faults": lambda reward: Rubric({"own": reward}).faults("rewards"),
    "informed": lambda reward: informed({"own": reward}, []),
    "close": lambda reward: Rubric({"own": reward}).close(),
}


@pytest.mark.parametrize("where", WAYS)
@pytest.mark.parametrize(
    "how, called", [(sys.exit, "sys.exit(0)"), (lambda status: os._exit(status), "os._exit(0)")], ids=["sys", "os"]
)
def test_a_reward_that_leaves_anywhere_is_named_with_the_line(where, how, called):
    with pytest.raises(LeftError) as caught:
        WAYS[where](Leaving(1.0, where, how))
    assert caught.value.wrong == f"Reward own calls {called}, which would end the run."
    assert caught.value.found.startswith(f"{__file__}, line ")


@pytest.mark.parametrize("where", WAYS)
def test_a_reward_that_fails_anywhere_is_named(where):
    with pytest.raises(VerifierError, match=f"Reward own fails in {where}.") as caught:
        WAYS[where](Leaving(1.0, where, ZeroDivisionError("by zero")))
    assert caught.value.found == "Leaving: ZeroDivisionError: by zero"
    with pytest.raises(KeyboardInterrupt):
        WAYS[where](Leaving(1.0, where, KeyboardInterrupt()))


def test_all_rewards_are_closed_where_one_fails():
    closed = []

    @dataclass(frozen=True)
    class Closing(Given):
        def close(self):
            closed.append(self.given)

    rewards = {"first": Closing(1.0, 1), "own": Leaving(1.0, "close", sys.exit), "last": Closing(1.0, 3)}
    with pytest.raises(LeftError, match="Reward own"):
        Rubric(rewards).close()
    assert closed == [1, 3]


SLOW = """import time

def slow(rollout):
    time.sleep(0.5 if rollout.question.id == "q0" else 0.0)
    return 1.0
"""


@pytest.fixture
def slow_module(tmp_path, monkeypatch):
    (tmp_path / "slow_rewards.py").write_text(SLOW, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("slow_rewards", None)


@pytest.mark.parametrize("seconds, sound", [(600.0, True), (1, True), (math.inf, True), (0, False), (-1, False),
                                            ("10", False), (None, False), (math.nan, False)])  # fmt: skip
def test_a_deadline_is_a_number_of_seconds(seconds, sound, slow_module):
    faults = Rubric({"own": replace(OwnReward(1.0, "slow_rewards.slow"), deadline_s=seconds)}).faults("rewards")
    assert faults == [] if sound else "rewards.own.deadline_s: a number of seconds above 0, found" in faults[0]


@pytest.mark.parametrize("questions, ended", [(1, True), (2, True), (8, False)])
def test_each_question_of_a_call_has_the_deadline(questions, ended, slow_module, monkeypatch):
    """The call takes 0.5 s; a question may take 0.1."""
    said = []
    monkeypatch.setattr("r1lab.leaving._end", said.append)
    slow = replace(OwnReward(1.0, "slow_rewards.slow"), deadline_s=0.1)
    assert [s.value for s in called("mine", slow, rollouts(questions))] == [1.0] * questions
    assert len(said) == ended
    if ended:
        total = {1: "0.1", 2: "0.2"}[questions]
        assert said[0].wrong == f"Reward mine has not returned after {total} seconds: the run ends."
        assert said[0].found.startswith("deadline_s=0.1 for the completions of a question; ")
        assert said[0].found.endswith("slow_rewards.py, line 4") and "rewards.mine.deadline_s=0.2 " in said[0].remedy


@dataclass(frozen=True)
class Timed(Given):
    """Its deadline can be given in a configuration."""

    deadline_s: float = 0.1


class Untimed(Given):
    """Its deadline stands in the class."""

    deadline_s = 0.1


@pytest.mark.parametrize(
    "kind, remedy",
    [(Timed, "type rewards.mine.deadline_s=0.2 "), (Untimed, "write deadline_s = 0.2 into the class Untimed.")],
)
def test_a_class_is_told_where_its_deadline_stands(kind, remedy, monkeypatch):
    said = []
    monkeypatch.setattr("r1lab.leaving._end", said.append)
    called("mine", kind(1.0, lambda rollouts: time.sleep(0.4) or [1.0]), rollouts(1))
    assert remedy in said[0].remedy and said[0].found.startswith("deadline_s=0.1 ")


def test_rewards_of_r1lab_have_no_deadline_and_no_copies(monkeypatch):
    monkeypatch.setattr("r1lab.rewards.calls.deadline", None)
    given, seen = rollouts(), []
    monkeypatch.setattr("r1lab.rewards.format.FormatReward.__call__", lambda self, r: seen.append(r) or [1.0, 1.0])
    called("format", FormatReward(1.0), given)
    assert seen == [given] and seen[0] is given
