"""reasoning-gym, where it is installed; a clear error where it is not."""

import importlib.util

import pytest

from r1lab.data.reasoning_gym import ReasoningGymSource
from r1lab.errors import DataError
from r1lab.types import Question, Status
from r1lab.verifiers.pool import Call, VerifierPool
from r1lab.verifiers.puzzle import PuzzleChecker
from r1lab.verifiers.reasoning_gym import ReasoningGymChecker

CHECKER = ReasoningGymChecker(PuzzleChecker(), kinds={"countdown": "expression", "spell_backward": "text"})
INSTALLED = importlib.util.find_spec("reasoning_gym") is not None
SOURCE = ReasoningGymSource({"countdown": {}, "knights_knaves": {"n_people": 2}, "spell_backward": {}})


@pytest.mark.skipif(INSTALLED, reason="reasoning-gym is installed")
def test_without_it_the_error_says_what_to_install():
    with pytest.raises(DataError, match="reasoning-gym is not installed") as caught:
        SOURCE.load("x")
    assert "pip install 'r1lab[reasoning_gym]'" in str(caught.value)


def test_other_puzzles_need_none_of_it():
    question = Question("q", "", "Ann", details={"kind": "name", "candidates": ["Ann", "Tom"]})
    assert CHECKER.cheap("Ann", question).value == 1.0 and CHECKER("Tom", question).value == 0.0


@pytest.mark.skipif(not INSTALLED, reason="reasoning-gym is not installed")
def test_questions_are_fixed_split_and_judged_by_their_scorers():
    source = SOURCE.load("x")
    train, heldout = [source.train(i, seed=1) for i in range(40)], source.heldout(10)
    assert train == [SOURCE.train(i, seed=1) for i in range(40)] != [source.train(i, seed=2) for i in range(40)]
    assert {q.source for q in train} == {"countdown", "knights_knaves", "spell_backward"} and len(heldout) == 10
    assert not {q.text for q in train} & {q.text for q in heldout}
    # its scorers of all three data sets give the whole point, or nearly so, to the last of these answers
    with VerifierPool(1, timeout_seconds=20, memory_bytes=None, preload=[CHECKER.preload]) as pool:
        for question in train[:6]:
            scores = pool.score(
                [Call(CHECKER, (answer, question)) for answer in (question.answer, "zzz", f"{question.answer} or zzz")]
            )
            assert [score.value.value for score in scores] == [1.0, 0.0, 0.0]
            assert all(score.value.status is Status.OK for score in scores)


@pytest.mark.skipif(not INSTALLED, reason="reasoning-gym is not installed")
def test_unknown_data_sets_and_settings_are_faults():
    for datasets in ({"no_such_set": {}}, {"spell_backward": {"no_such_setting": 1}}):
        with pytest.raises(DataError, match="reasoning-gym cannot make"):
            ReasoningGymSource(datasets).load("x")


def test_a_hedge_is_refused_before_any_scorer_sees_it():
    details = {"kind": "reasoning_gym", "metadata": {"source_dataset": "knights_knaves"}}
    question = Question("q", "", "Owen is a devil.", details=details)
    assert CHECKER.cheap("Owen is a devil.", question).value == 1.0
    assert CHECKER.cheap("Owen is a devil or an angel.", question).reason == "no readable answer: a hedge"
    assert CHECKER.cheap("Owen is a sage.", question) is None


def test_data_sets_with_a_rule_of_ours_need_no_worker():
    details = {"kind": "reasoning_gym", "metadata": {"source_dataset": "countdown"}}
    question = Question("q", "", "94*4 - 61 - 6", details=details)
    # 4*94 - 6 - 61 = 309
    assert CHECKER.cheap("4*94 - (6 + 61)", question).value == 1.0
    assert CHECKER.cheap("94*4 - 61 - 6 or 7", question).value == 0.0
