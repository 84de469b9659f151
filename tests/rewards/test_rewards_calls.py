"""What a reward of one's own may return and raise: each becomes scores, a fault, or a sentence that names it."""

import asyncio
import math
import os
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from r1lab.errors import ConfigError, Terminated, VerifierError
from r1lab.rewards.own import OwnReward
from r1lab.rewards.rubric import FaultBudget, Reward, Rubric, Weight
from r1lab.types import Completion, Finish, Question, Response, Rollout, Score, Status


@dataclass(frozen=True)
class Given(Reward):
    """Returns what the test says, or raises it."""

    weight: Weight
    given: object

    def __call__(self, rollouts):
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given(rollouts) if callable(self.given) else self.given


def rollouts(count=2):
    completion = Completion(torch.tensor([1, 2]), torch.zeros(2), Finish.STOP)
    response = Response("7", None, "7", False)
    return [Rollout(Question(f"q{i}", "", "7"), torch.tensor([0]), completion, response, i) for i in range(count)]


def scored(given, **others):
    return Rubric({"own": Given(1.0, given), **others}).score(rollouts(), step=0)


@pytest.mark.parametrize(
    "given, values",
    [
        ([0.25, 1], [0.25, 1.0]),
        ((True, False), [1.0, 0.0]),
        ([np.float32(0.5), np.int64(2)], [0.5, 2.0]),
        ([torch.tensor(0.5), torch.tensor(-1)], [0.5, -1.0]),
        (torch.tensor([0.5, -2.0]), [0.5, -2.0]),
        (np.array([1, 0]), [1.0, 0.0]),
        ([Score(0.75, reason="nearly"), 0.5], [0.75, 0.5]),
        ([Score(torch.tensor(0.5)), Score(np.float64(0.25))], [0.5, 0.25]),
        ([Score(True), Score(1, "ok", ms=None)], [1.0, 1.0]),
        (torch.tensor([0.5, -2.0], requires_grad=True), [0.5, -2.0]),
        ([np.bool_(True), torch.tensor(False)], [1.0, 0.0]),
    ],
    ids=[
        "numbers",
        "bools",
        "numpy",
        "tensors",
        "a tensor",
        "an array",
        "a Score beside a number",
        "Scores of tensors",
        "a status in words",
        "with a gradient",
        "bools of numpy and torch",
    ],
)
def test_numbers_are_scores(given, values):
    found = scored(given)
    assert [r.reward for r in found] == values
    assert all(r.scores["own"].status is Status.OK and r.scores["own"].ms > 0 for r in found)
    assert all(type(r.scores["own"].value) is float for r in found)


def test_none_is_no_opinion_and_leaves_the_sum_to_the_others():
    first, second = scored([None, 0.5], accuracy=Given(2.0, [1.0, 1.0]))
    assert (first.reward, second.reward) == (2.0, 2.5)  # 2*1, and 2*1 + 0.5
    assert first.scores["own"].status is Status.ABSTAINED and not first.scores["own"].judged


def test_a_completion_of_which_no_reward_has_an_opinion_does_not_train():
    first, second = scored([None, 0.0])
    assert (first.reward, second.reward) == (None, 0.0)
    # a weight of 0 is no opinion either
    first, _ = scored([None, 0.5], seen=Given(0.0, [1.0, 1.0]))
    assert first.reward is None


def test_no_opinion_is_no_fault():
    budget = FaultBudget(max_share=0.0, min_scores=2)
    assert budget(scored([None, None], accuracy=Given(1.0, [1.0, 0.0])))


class Silent(BaseException):
    def __str__(self):
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error, reason",
    [
        (ValueError("no number in the answer"), "ValueError: no number in the answer"),
        (SystemExit(0), "SystemExit: 0"),
        (lambda _: sys.exit(0), "SystemExit: 0"),
        (lambda _: os._exit(0), "OsExit: os._exit(0) was called"),
        (lambda _: [][1], "IndexError: list index out of range"),
        (GeneratorExit(), "GeneratorExit: "),
        (asyncio.CancelledError("later"), "CancelledError: later"),
        (Silent(), "Silent: (its text fails with RuntimeError)"),
    ],
    ids=["raise", "SystemExit", "sys.exit", "os._exit", "IndexError", "GeneratorExit", "CancelledError", "no text"],
)
def test_what_a_reward_raises_is_a_fault_that_the_budget_counts(error, reason):
    found = scored(error, accuracy=Given(1.0, [1.0, 1.0]))
    assert [r.reward for r in found] == [None, None]
    assert {(r.scores["own"].status, r.scores["own"].reason) for r in found} == {(Status.CRASH, reason)}
    with pytest.raises(VerifierError, match="2 of 2 own scores"):
        FaultBudget(max_share=0.5, min_scores=2)(found)


def test_a_child_that_a_reward_forks_leaves_as_usual():
    def forks(rollouts):
        child = os.fork()
        if child == 0:
            os._exit(7)
        return [float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))] * len(rollouts)

    assert [r.reward for r in scored(forks)] == [7.0, 7.0]


def test_a_child_that_leaves_by_sys_exit_or_returns_goes_on_with_nothing_of_the_run():
    def forks(rollouts):
        children = [os.fork()]
        if children[0] == 0:
            sys.exit(5)
        children.append(os.fork())
        if children[1] == 0:
            return [99.0] * len(rollouts)
        return [float(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) for child in children]

    assert [r.reward for r in scored(forks)] == [5.0, 0.0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated(), ConfigError("no key", "", "")])
def test_interrupts_and_errors_of_r1lab_pass(error):
    with pytest.raises(type(error)):
        scored(error)


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, 10**400, Score(math.nan), Score(torch.tensor(math.inf)), np.float32("nan")]
)
def test_a_value_that_is_not_finite_is_a_fault_of_that_completion_alone(value):
    first, second = scored([value, 1.0])
    assert first.scores["own"].status is Status.CRASH and (first.reward, second.reward) == (None, 1.0)


async def later(rollouts):
    return [1.0] * len(rollouts)


@pytest.mark.parametrize(
    "given, found",
    [
        ([1.0], "returned 1 entries for 2 completions"),
        ([1.0] * 3, "returned 3 entries for 2 completions"),
        (torch.ones(2, 1), r"one of its entries is list '\[1.0\]'"),
        (0.5, "returned float '0.5'"),
        (torch.tensor(1.0), "returned float '1.0'"),
        (lambda _: None, "returned NoneType"),
        (["1.0", "good"], "one of its entries is str '1.0'"),
        ({"q0": 1.0}, "returned dict"),
        ("ab", "returned str 'ab'"),
        (later, "a coroutine, as an async function does"),
        ([1j, 2j], "one of its entries is complex"),
        ([Score(None), 1.0], "one of its entries is a Score of NoneType 'None'"),
        ([Score("1"), 1.0], "one of its entries is a Score of str '1'"),
        ([Score(torch.ones(2)), 1.0], "one of its entries is a Score of Tensor"),
        ([Score(1.0, "fine"), 1.0], "a Score with the status str 'fine'"),
        (torch.ones(2, device="meta"), "cannot be read"),
    ],
    ids=[
        "few",
        "many",
        "column",
        "one number",
        "one tensor",
        "None",
        "texts",
        "dict",
        "str",
        "async",
        "complex",
        "Score of None",
        "Score of a text",
        "Score of two",
        "no status",
        "no data",
    ],
)
def test_anything_else_is_refused_by_the_name_of_the_reward(given, found):
    with pytest.raises(VerifierError, match=found) as caught:
        scored(given)
    assert "Reward own" in str(caught.value) and "Given" in str(caught.value)


MODULE = """
def brevity(rollout):
    if rollout.sample == 0:
        return None
    return 1 / len(rollout.response.text)

def broken(rollout):
    return 1 / rollout.sample

async def later(rollout):
    return 1.0

def of_two(rollout, other):
    return 1.0
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function (name) -> the reward of a module in the working directory."""
    name = f"rewards_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda function: OwnReward(1.0, f"{name}.{function}")


def test_a_function_is_a_reward(own):
    assert own("brevity").faults() == []
    assert own("brevity")(rollouts()) == [None, 1.0]
    first, second = Rubric({"own": own("broken")}).score(rollouts(), step=0)
    assert first.scores["own"].reason == "ZeroDivisionError: division by zero"
    assert (first.reward, second.reward) == (None, 1.0)  # the other completion of the group keeps its score


@pytest.mark.parametrize(
    "function, fault", [("later", "is asynchronous"), ("of_two", "one argument"), ("nothing", "cannot be found")]
)
def test_a_function_that_cannot_serve_is_told_before_a_run(own, function, fault):
    (found,) = Rubric({"own": own(function)}).faults("rewards")
    assert found.startswith("rewards.own.function: ") and fault in found


def test_another_text_of_the_function_is_another_run(own, tmp_path):
    before = own("brevity").digests()
    (file,) = tmp_path.glob("*.py")
    file.write_text(MODULE.replace("1 /", "2 /"), encoding="utf-8")
    after = own("brevity").digests()
    assert before.keys() == after.keys() == {file.name} and before != after


def test_a_bare_function_among_the_rewards_is_told_how_to_be_one():
    (fault,) = Rubric({"own": scored}).faults("rewards")
    assert "+reward@rewards.own=own rewards.own.function=" in fault and fault.endswith(".scored")
