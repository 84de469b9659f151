"""reasoning-gym, where it is installed; a clear error where it is not."""

import importlib.util

import pytest

from r1lab.data.reasoning_gym import ReasoningGymSource
from r1lab.errors import ConfigError, DataError
from r1lab.types import Question, Status
from r1lab.verifiers.pool import Call, VerifierPool
from r1lab.verifiers.puzzle import PuzzleChecker
from r1lab.verifiers.reasoning_gym import ReasoningGymChecker
from r1lab.verifiers.reasoning_gym_scorers import FORMS, REFUSED, readable

KINDS = {"countdown": "expression", "spell_backward": "text", "letter_jumble": "text", "word_sorting": "text"}
CHECKER = ReasoningGymChecker(PuzzleChecker(), kinds=KINDS)
INSTALLED = importlib.util.find_spec("reasoning_gym") is not None
if INSTALLED:
    from reasoning_gym.factory import DATASETS
else:
    DATASETS = ()
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


def asked(dataset, answer, **metadata):
    details = {"kind": "reasoning_gym", "metadata": {"source_dataset": dataset, **metadata}}
    return Question("q", "", answer, details=details)


@pytest.mark.parametrize("name", ["puzzle24", "game_of_life_halting", "prime_factorization", *REFUSED])
def test_data_sets_with_wrong_verdicts_are_refused_by_name(name):
    with pytest.raises(ConfigError) as caught:
        ReasoningGymSource({"zebra_puzzles": {}, name: {}})
    assert f"{name}: {REFUSED[name]}" in caught.value.found and name in caught.value.remedy
    assert CHECKER.cheap("True", asked(name, "True")).status is Status.BAD_GOLD


def test_the_refusal_is_among_the_faults_of_a_configuration():
    from r1lab.config.build import build

    faults = []
    build({"_target_": "r1lab.data.reasoning_gym.ReasoningGymSource", "datasets": {"puzzle24": {}}}, "mix", faults)
    assert len(faults) == 1 and "puzzle24: its scorer lets the numbers of another question pass" in faults[0]


HOSTILE = [
    "__import__('os').system('touch X')", "().__class__", "[x for x in [1]]", "open('/etc/passwd')", "f'{1}'", "(x).y",
    "lambda: 0", "exec(chr(49))", "x[0]", "print(1)", "1 if 1 else 0", "x. real", "x .real", "(1).real", "1..real",
    "a=1", "Integral(x)", "'x'", "x;y", "@", "\\x", "_", "nan", "-inf",
]  # fmt: skip


@pytest.mark.parametrize("dataset", [name for name, form in FORMS.items() if not form.startswith(("[^", "\\"))])
@pytest.mark.parametrize("answer", HOSTILE)
def test_a_scorer_that_evaluates_sees_nothing_that_runs(dataset, answer):
    assert readable(dataset, answer, "1") == (answer == "_" and dataset == "n_queens")


@pytest.mark.parametrize(
    ("dataset", "answer", "seen"),
    [
        ("simple_integration", "-x**9/2 - 10*x**7 + 25*x**3/3 + 6*x**2 + C", True),
        ("simple_integration", "0.5*X**2 + .5 + 1.", True),
        ("intermediate_integration", "-exp(x)*sin(x)/2 + 3*sqrt(x)*atan(x/2) + C", True),
        ("intermediate_integration", "Integral(exp(x)*sin(x), x)", False),
        ("intermediate_integration", "sinx", False),
        ("polynomial_multiplication", "-2196*y**4 + 1291*y**3", True),
        ("gsm_symbolic", "They have 59 left.", True),
        ("gsm_symbolic", "59 or 60", False),
        ("gsm_symbolic", "59, 250", False),
        ("fraction_simplification", "$\\dfrac{365}{867}$", True),
        ("fraction_simplification", "$\\dfrac{365}{867}$ $221/243$", False),
        ("time_intervals", "78 days", True),
        ("time_intervals", "25 days, 23:29", True),
        ("time_intervals", "03:22:03.120", True),
        ("time_intervals", "78 days 25 days, 23:29", False),
        ("polynomial_equations", "-0.736, 0.736", True),
        ("polynomial_equations", "-0.736, 0.736 -0.736, 0.736", False),
        ("advanced_geometry", "(-23.333, -19.000)", True),
        ("advanced_geometry", "(-23.333, -19.000), 1.374", False),
        ("complex_arithmetic", "nan", False),
        ("needle_haystack", "Nan", False),
        ("zebra_puzzles", "Arnold", True),
    ],
)
def test_what_a_scorer_sees(dataset, answer, seen):
    assert readable(dataset, answer, "gold") is seen


def test_forms_are_read_in_linear_time():
    for name in FORMS:
        for text in ("1" * 60_000 + "!", "1," * 30_000 + "!", "x " * 30_000 + "!", "1." * 30_000 + "!", "a1" * 30_000):
            readable(name, text, "1")


@pytest.mark.parametrize("text", ["**Ava**", "\\boxed{Ava}", "Ava.", "The answer is Ava", '"Ava"', "`Ava`", "$Ava$"])
def test_decoration_around_the_gold_answer_is_no_fault(text):
    assert CHECKER.cheap(text, asked("zebra_puzzles", "Ava")).value == 1.0
    assert CHECKER.cheap(text.replace("Ava", "ava"), asked("zebra_puzzles", "Ava")) is None


@pytest.mark.skipif(not INSTALLED, reason="reasoning-gym is not installed")
@pytest.mark.parametrize("name", sorted(set(DATASETS) - set(REFUSED)))
def test_every_data_set_takes_its_gold_answers_and_no_wrong_ones(name):
    source = ReasoningGymSource({name: {}})
    questions = [source.train(i, seed=4242) for i in range(3)]
    assert all(CHECKER(q.answer, q).value == 1.0 for q in questions)
    for question in questions:
        for answer in wrong_answers(question.answer):
            score = CHECKER(answer, question)
            assert (score.value, score.status) == (0.0, Status.OK), (question.answer, answer, score)


FLIPS = {"True": "False", "False": "True", "Yes": "No", "No": "Yes", "yes": "no", "no": "yes"}


def wrong_answers(gold):
    """Answers that no question of any data set has, and the gold answer hedged or denied."""
    yield from ("I do not know", "", "???", "{}", '{"a": 1}', "[[1, 2], [3]]", "9" * 5000, "__import__('os')._exit(0)")
    yield from (f"{gold} or zzz", f"either {gold}", "nan")
    if gold in FLIPS:
        yield FLIPS[gold]


@pytest.mark.skipif(not INSTALLED, reason="reasoning-gym is not installed")
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("chain_sum", lambda gold: str(int(gold) + 1)),
        ("gsm_symbolic", lambda gold: f"{gold} {int(gold) + 1}"),
        ("polynomial_equations", lambda gold: f"{gold}, 77"),
        ("word_sorting", lambda gold: f"{gold}, zebra"),
        ("basic_arithmetic", lambda gold: str(int(gold) - 1)),
        ("simple_integration", lambda gold: f"2*({gold})"),
        ("intermediate_integration", lambda gold: f"2*({gold})"),
        ("polynomial_multiplication", lambda gold: f"{gold} + 1"),
        ("string_insertion", lambda gold: str(list(gold))),
        ("spiral_matrix", lambda gold: gold[::-1] + " 77"),
        ("caesar_cipher", lambda gold: gold[::-1]),
        ("time_intervals", lambda gold: f"1{gold}"),
        ("fraction_simplification", lambda gold: gold + " or 1/2"),
        ("complex_arithmetic", lambda gold: "nan"),
        ("game_of_life", lambda gold: "{}"),
    ],
)
def test_near_answers_are_wrong(name, change):
    source = ReasoningGymSource({name: {}})
    for question in (source.train(i, seed=7) for i in range(4)):
        assert CHECKER(change(question.answer), question).value == 0.0
        assert CHECKER(f"**{question.answer}**", question).value == 1.0


@pytest.mark.skipif(not INSTALLED, reason="reasoning-gym is not installed")
def test_other_right_answers_are_right():
    source = ReasoningGymSource({"simple_integration": {}})
    for question in (source.train(i, seed=7) for i in range(3)):
        assert CHECKER(f"5 + {question.answer}", question).value == 1.0
        assert CHECKER(f"$ {question.answer.replace('C', '0')} $", question).value == 1.0


@pytest.mark.skipif(not INSTALLED, reason="reasoning-gym is not installed")
def test_an_answer_that_is_too_much_for_the_scorer_is_wrong():
    question = ReasoningGymSource({"simple_integration": {}}).train(0, seed=7)
    score = CHECKER("9**9**9**9", question)
    assert (score.value, score.status) == (0.0, Status.OK) and "no end" in score.reason
