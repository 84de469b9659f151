"""Evaluation: faults are not wrong, unparsed answers cannot win the vote, numbers by hand."""

from dataclasses import replace

import pytest
import torch

from r1lab.data.mix import GeneratedSource, Mix
from r1lab.evaluation.run import Evaluation, Outcome, gains, summarize
from r1lab.evaluation.run import outcome as outcome_of
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout, Score, Status
from r1lab.verifiers.math_answer import same


def outcome(index, correct, answers, level=1, faults=0, domain="math"):
    n, right = len(correct), list(correct)
    return Outcome(index, domain, level, right, list(answers), [True] * n, [10] * (n + faults), [False] * n, faults)


def test_pass_at_1_and_the_vote_by_hand():
    numbers = summarize(
        [
            # 2 of 4 right; "1/2" and "0.5" vote together: the right answer has two votes against one and one
            outcome(0, [True, True, False, False], ["1/2", "0.5", "3", "4"]),
            # 1 of 4 right; the wrong 7 wins
            outcome(1, [True, False, False, False], ["9", "7", "7", "7"], level=2),
            # none right, three unparsed: they cannot win, and the wrong one does
            outcome(2, [False, False, False, False], [None, None, None, "5"], level=2, domain="logic"),
        ],
        4, same, seed=0,
    )  # fmt: skip
    assert numbers["pass_at_1"]["mean"] == pytest.approx((0.5 + 0.25 + 0) / 3)
    assert numbers["cons_at_4"]["mean"] == pytest.approx(1 / 3)
    assert numbers["pass_at_4"]["mean"] == pytest.approx(2 / 3)
    assert numbers["accuracy_by_level"]["1"]["mean"] == 0.5
    assert numbers["accuracy_by_level"]["2"]["mean"] == pytest.approx(0.125)
    assert numbers["accuracy_by_domain"]["math"]["mean"] == pytest.approx(0.375)
    assert numbers["accuracy_by_domain"]["logic"]["mean"] == 0
    assert numbers["answered_share"] == pytest.approx(9 / 12)
    low, high = numbers["pass_at_1"]["low"], numbers["pass_at_1"]["high"]
    assert 0 <= low < numbers["pass_at_1"]["mean"] < high <= 0.5


def test_gains_are_those_of_each_question_by_hand():
    before = [outcome(0, [True, False], "ab"), outcome(1, [False, False], "ab"), outcome(2, [True, True], "ab")]
    after = [
        outcome(0, [True, True], "ab"),
        outcome(1, [True, False], "ab"),
        outcome(2, [True, True, False, False], "abcd"),
    ]
    judged = [replace(o, scores={"language": [s]}) for o, s in zip(before, (0.5, 0.5, 0.9))]
    later = [replace(o, scores={"language": s, "new": [1.0]}) for o, s in zip(after, ([1.0], [0.75], []))]
    found = gains(later, judged, seed=0)
    # +1/2, +1/2, -1/2; the language of the third was not judged, and nothing was "new" before
    assert found["pass_at_1"]["mean"] == pytest.approx((0.5 + 0.5 - 0.5) / 3)
    assert (found["pass_at_1"]["low"], found["pass_at_1"]["high"]) == (-0.5, 0.5)
    assert found["language"]["mean"] == pytest.approx((0.5 + 0.25) / 2) and list(found) == ["pass_at_1", "language"]
    with pytest.raises(ValueError, match="same questions"):
        gains(later, judged[:2], seed=0)


def test_a_gain_that_every_question_shares_has_no_doubt():
    """The difficulty of questions is none of its interval: 0 to 1 without, 1/4 each with."""
    before = [outcome(n, [n < 5] * 4, "abcd") for n in range(10)]
    after = [outcome(n, [n < 5, n < 5, n < 5, True], "abcd") for n in range(5, 10)]
    found = gains(after, before[5:], seed=0)["pass_at_1"]
    assert found == {"mean": 0.25, "low": 0.25, "high": 0.25}


def test_a_fault_is_neither_right_nor_wrong():
    # three judged, two right, one fault: 2/3, not 2/4; and no vote of four where only three were judged
    numbers = summarize([outcome(0, [True, True, False], ["1", "1", "2"], faults=1)], 4, same, seed=0)
    assert numbers["pass_at_1"]["mean"] == pytest.approx(2 / 3)
    assert numbers["cons_at_4"] is None and numbers["pass_at_4"] is None
    assert numbers["fault_share"] == 0.25


def test_an_only_right_answer_that_ties_wins_half():
    numbers = summarize([outcome(0, [True, False], ["1", "2"])], 2, same, seed=0)
    assert numbers["cons_at_2"]["mean"] == 0.5


def test_a_verifier_fault_is_no_wrong_answer():
    scores = [Score(1.0), Score(0.0), Score(0.0, Status.TIMEOUT, "slow", 5000.0)]
    question, completion = Question("q", "?", "7"), Completion(torch.tensor([1]), torch.zeros(1), Finish.STOP)
    response = Response("7", None, "7", False)
    rollouts = tuple(
        Rollout(question, torch.tensor([0]), completion, response, sample, {"accuracy": score}, score.value)
        for sample, score in enumerate(scores)
    )
    found = outcome_of(Group(question, rollouts, 0), {})
    assert found.correct == [True, False] and found.answers == ["7", "7"]
    assert found.num_faults == 1 and len(found.lengths) == 3


def test_other_judges_speak_of_the_questions_they_are_for():
    def group(index, aspect, helpful, language):
        question = Question("q", "?", "7", details={"aspect": aspect} if aspect else {})
        completion, response = (
            Completion(torch.tensor([1]), torch.zeros(1), Finish.STOP),
            Response("7", None, "7", False),
        )
        rollouts = (
            Rollout(question, torch.tensor([0]), completion, response, sample,
                    {"accuracy": Score(0.0), "helpful": liked, "language": Score(spoken)})
            for sample, (liked, spoken) in enumerate(zip(helpful, language))
        )  # fmt: skip
        return outcome_of(Group(question, tuple(rollouts), index), {"helpful": "helpful", "language": ""})

    outcomes = [
        group(0, "helpful", [Score(0.9), Score(0.5)], [1.0, 0.5]),
        # one of two could not be judged; and a harmless prompt, and one of mathematics, ask for no help
        group(1, "helpful", [Score(0.1), Score(0.0, Status.CRASH)], [0.0, 0.0]),
        group(2, "harmless", [Score(0.0), Score(0.0)], [1.0, 1.0]),
        group(3, None, [Score(0.0), Score(0.0)], [1.0, 1.0]),
    ]
    found = summarize(outcomes, 2, same, seed=0)["scores"]
    # ((0.9 + 0.5) / 2 + 0.1) / 2, and (0.75 + 0 + 1 + 1) / 4
    assert found["helpful"]["mean"] == pytest.approx(0.4)
    assert found["language"]["mean"] == pytest.approx(0.6875)


def test_general_prompts_are_neither_right_nor_wrong_where_another_judge_speaks():
    completion, response = Completion(torch.tensor([1]), torch.zeros(1), Finish.STOP), Response("7", None, "7", True)

    def found(question, aspects):
        scores = {"accuracy": Score(1.0), "helpful": Score(0.5), "odd": Score(0.0)}
        rollout = Rollout(question, torch.tensor([0]), completion, response, 0, scores)
        return outcome_of(Group(question, (rollout,), 0), aspects)

    prompt = Question("q", "?", "7", "general", details={"aspect": "helpful"})
    apart = found(prompt, {"helpful": "helpful"})
    assert (apart.correct, apart.answers, apart.well_formed, apart.num_faults) == ([], [], [True], 0)
    assert apart.scores == {"helpful": [0.5]}
    # nobody else judges it, and it has an answer
    assert found(prompt, {"odd": "harmless"}).correct == [True]
    assert found(replace(prompt, answer=""), {}).correct == []
    sum_ = Question("s", "What is 3+4?", "7")
    assert found(sum_, {"helpful": "helpful"}).correct == [True]
    numbers = summarize([found(sum_, {}), apart, apart], 1, same, seed=0)
    assert numbers["pass_at_1"]["mean"] == 1.0 and list(numbers["accuracy_by_domain"]) == ["math"]
    assert numbers["format_share"] == 1.0 and numbers["fault_share"] == 0.0
    assert summarize([apart], 1, same, seed=0)["pass_at_1"] is None


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"questions": 0}, {"questions": 1.5}, {"temperature": -1.0}])
def test_impossible_evaluations_are_refused(wrong):
    values = {"questions": 4, "samples": 2, "samples_during": 1, "every_steps": 0, "temperature": 0.6, "top_p": 0.95,
              "top_k": 0, "max_new_tokens": 8, "rewards": {}}  # fmt: skip
    Evaluation(**values)
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Evaluation(**values | wrong)


def test_an_evaluation_may_have_a_mix_of_its_own():
    def mix(family):
        return Mix({family: GeneratedSource([family], [1], ["en"])}, {family: 1}, seed=0)

    shared = {"questions": 3, "samples": 1, "samples_during": 1, "every_steps": 0, "temperature": 1.0, "top_p": 1.0,
              "top_k": 0, "max_new_tokens": 4, "rewards": {}}  # fmt: skip
    assert {q.source for q in Evaluation(**shared).heldout(mix("sums"))} == {"sums"}
    own = Evaluation(**shared, mix=mix("digits"))
    assert {q.source for q in own.heldout(mix("sums"))} == {"digits"} and len(own.heldout(mix("sums"))) == 3
    assert own.digests() == Evaluation(**shared).digests() == {}
