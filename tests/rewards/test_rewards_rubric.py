"""Sums, statuses, schedules and the budget of faults, with numbers worked by hand."""

from contextlib import nullcontext
from dataclasses import dataclass, field

import pytest
import torch

from r1lab.errors import VerifierError
from r1lab.rewards.rubric import FaultBudget, Reward, Rubric, Weight, weighted_sum
from r1lab.types import Completion, Finish, Question, Response, Rollout, Score, Status


@dataclass(frozen=True)
class Fixed(Reward):
    weight: Weight
    scores: list[Score] = field(default_factory=list)

    def __call__(self, rollouts):
        return list(self.scores)


def rollouts(count=1):
    completion = Completion(torch.tensor([1, 2]), torch.zeros(2), Finish.STOP)
    response = Response("7", None, "7", False)
    return [Rollout(Question(f"q{i}", "", "7"), torch.tensor([0]), completion, response, 0) for i in range(count)]


def test_reward_is_the_weighted_sum():
    rubric = Rubric({"a": Fixed(2.0, [Score(1.0), Score(0.5)]), "b": Fixed(-0.5, [Score(1.0), Score(0.0)])})
    first, second = rubric.score(rollouts(2), step=0)
    assert first.reward == 1.5  # 2*1 - 0.5*1
    assert second.reward == 1.0  # 2*0.5 - 0.5*0
    assert first.scores["b"].value == 1.0 and list(first.scores) == ["a", "b"]


def test_fault_leaves_the_rollout_without_reward_unless_its_weight_is_zero():
    broken = Score(0.0, Status.TIMEOUT, "slow")
    rubric = Rubric({"a": Fixed(1.0, [Score(1.0)]), "b": Fixed([[0, 0.0], [400, 1.0]], [broken])})
    assert rubric.score(rollouts(), step=399)[0].reward == 1.0
    (late,) = rubric.score(rollouts(), step=400)
    assert late.reward is None and not late.judged and late.scores["b"].reason == "slow"


def test_value_that_is_not_a_number_is_a_fault():
    for value in (float("nan"), float("inf")):
        (rollout,) = Rubric({"a": Fixed(1.0, [Score(value)])}).score(rollouts(), step=0)
        assert rollout.reward is None and rollout.scores["a"].status is Status.CRASH


def test_reward_that_loses_rollouts_is_an_error():
    with pytest.raises(VerifierError, match="returned 0 entries for 1 completions"):
        Rubric({"a": Fixed(1.0, [])}).score(rollouts(), step=0)


def test_weighted_sum_of_nothing_is_zero():
    assert weighted_sum({}, {}) == 0.0


def scored(statuses):
    score = lambda s: Score(0.0, s, "the reason")  # noqa: E731
    from dataclasses import replace

    return [replace(r, scores={"accuracy": score(s)}) for r, s in zip(rollouts(len(statuses)), statuses, strict=True)]


def test_fault_budget():
    budget = FaultBudget(max_share=0.25, min_scores=4)
    assert budget(scored([Status.OK] * 3 + [Status.CRASH]))  # 1 of 4 is not more than a quarter
    assert not budget(scored([Status.CRASH] * 3))  # too few to judge
    assert not budget([])
    with pytest.raises(VerifierError) as caught:
        budget(scored([Status.OK] * 2 + [Status.TIMEOUT] * 2))
    assert "2 of 4" in str(caught.value) and "timeout (the reason) on question q2" in str(caught.value)
    assert "gold '7', answer '7'" in str(caught.value)


def test_a_reward_that_never_fails_hides_no_other():
    from dataclasses import replace

    # 2 of 6 accuracy scores are broken, a third; of all scores they are a sixth
    both = [replace(r, scores={"format": Score(1.0), **r.scores}) for r in scored([Status.OK] * 4 + [Status.CRASH] * 2)]
    with pytest.raises(VerifierError, match="2 of 6 accuracy scores"):
        FaultBudget(max_share=0.25, min_scores=4)(both)


def test_a_share_beyond_one_is_refused():
    with pytest.raises(ValueError, match="max_share must be between 0 and 1, found -1"):
        FaultBudget(max_share=-1, min_scores=4)


def test_the_last_scores_need_not_be_many():
    budget = FaultBudget(max_share=0.25, min_scores=4)
    assert not budget(scored([Status.OK, Status.CRASH]), last=True)  # half are faults, of too few to judge a share by
    assert budget(scored([Status.OK] * 3 + [Status.CRASH]), last=True)
    with pytest.raises(VerifierError, match=r"2 of 2 accuracy scores .* and none was judged"):
        budget(scored([Status.CRASH, Status.BAD_GOLD]), last=True)
    with pytest.raises(VerifierError, match=r"1 of 2 accuracy scores .* and none was judged"):
        budget(scored([Status.CRASH, Status.DISAGREED]), last=True)
    assert not budget(scored([Status.DISAGREED, Status.ABSTAINED]), last=True)  # nothing is broken
    assert not budget([], last=True)


@pytest.mark.parametrize("share, least", [(1.0, 1), (1.0, 100), (0.25, 100), (0.25, 1)])
def test_a_reward_that_has_judged_nothing_in_the_end_is_refused_however_much_is_forgiven(share, least):
    budget = FaultBudget(max_share=share, min_scores=least)
    with pytest.raises(VerifierError, match=r"3 of 4 accuracy scores .* and none was judged"):
        budget(scored([Status.CRASH] * 3 + [Status.ABSTAINED]), last=True)


@pytest.mark.parametrize(
    "statuses, judging, refused",
    [
        ([Status.CRASH] * 4, (), True),
        ([Status.CRASH] * 4, ("format",), True),
        ([Status.CRASH] * 4, ("format", "accuracy"), False),  # it has judged before
        ([Status.CRASH] * 3 + [Status.OK], (), False),
        ([Status.DISAGREED] * 4, (), False),
        ([Status.ABSTAINED] * 4, (), False),
    ],
)
def test_what_has_judged_before_is_no_silent_reward(statuses, judging, refused):
    budget = FaultBudget(max_share=0.25, min_scores=100)
    assert not budget(scored(statuses), judging=judging), "more may come"
    with pytest.raises(VerifierError) if refused else nullcontext():
        budget(scored(statuses), last=True, judging=judging)
