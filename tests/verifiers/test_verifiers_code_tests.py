"""The corpus of honest answers and cheats, the three kinds of tests, HumanEval, and the settings."""

import gzip
import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from code_questions import CASES, TASKS, WAYS, asserts, checker, function, outcome

from r1lab.errors import SandboxError
from r1lab.types import Question, Status
from r1lab.verifiers.code_answer import completed, extract_code, same_text, same_value
from r1lab.verifiers.code_values import decode, encode
from r1lab.verifiers.pool import Call, VerifierPool
from r1lab.verifiers.sandbox import LocalSandbox

CHECKER = checker()


@pytest.fixture(autouse=True, scope="module")
def isolated():
    try:
        return LocalSandbox(WAYS).way
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['task']}: {c['why']}")
def test_corpus(case):
    score = CHECKER(case["answer"], TASKS[case["task"]])
    assert outcome(score) == case["expect"], score.reason


def test_corpus_is_large_and_has_all_kinds():
    kinds = [case["expect"] for case in CASES]
    assert len(CASES) >= 150 and kinds.count("right") >= 25 and kinds.count("wrong") >= 110
    assert {case["task"] for case in CASES} == set(TASKS)


@pytest.mark.parametrize("task", TASKS)
def test_gold_answers_pass_bare_and_fenced(task):
    question = TASKS[task]
    for answer in (question.answer, f"```python\n{question.answer}\n```", f"Thus:\n~~~\n{question.answer}\n~~~\nDone."):
        assert outcome(CHECKER(answer, question)) == "right"


@pytest.mark.parametrize(
    ("details", "answer"),
    [
        ({}, "def f(): pass"),
        ({"tests": []}, "def f(): pass"),
        ({"entry_point": "f"}, "def f(): pass"),
        ({"entry_point": "f", "tests": [{"args": 1, "expected": 2}]}, "def f(): pass"),
        ({"entry_point": "f", "tests": [{"args": [1]}]}, "def f(): pass"),
        ({"entry_point": "f", "tests": ["f(1) == 2"]}, "def f(): pass"),
        ({"tests": [{"stdin": 1, "stdout": "2"}]}, "print(2)"),
        ({"tests": [{"input": "1", "output": "2"}]}, "print(2)"),
        ({"entry_point": "f", "test": "def check(candidate): assert candidate() == 1"}, "def f(): return 2"),
        ({"entry_point": "f", "test": "def check(candidate): assert candidate() == 1"}, "def f(: return 1"),
        ({"entry_point": "f", "test": "def check(candidate): pass"}, "def f(): return 1"),
        ({"entry_point": "f", "test": "def check(candidate): raise SystemExit(0)"}, "def f(): return 1"),
        ({"entry_point": "f", "test": "import os\ndef check(candidate): os._exit(0)"}, "def f(): return 1"),
        ({"entry_point": "f", "test": "def check(candidate): candidate(print)"}, "def f(): return 1"),
        ({"entry_point": "f", "test": "def test(candidate): pass"}, "def f(): return 1"),
    ],
)
def test_broken_questions_are_bad_gold(details, answer):
    score = CHECKER("def f(): return 1", Question("q", "", answer, domain="code", details=details))
    assert score.status is Status.BAD_GOLD and score.reason


def test_partial_results_are_kept_and_credited_if_asked():
    answer = "def f(x): return 2 * x if x > 0 else 0"  # right for 1, 3 and 10**6, wrong for -4
    score = CHECKER(answer, TASKS["double"])
    assert (score.value, score.reason) == (0.0, "3 of 4 tests pass; test 3: other value")
    assert checker(partial_credit=True)(answer, TASKS["double"]).value == 0.75
    assert score.extracted == answer


def test_tests_of_one_answer_share_their_time():
    sleepy = "import time\ndef f(x):\n    if x > 1: time.sleep(60)\n    return 2 * x"
    start = time.monotonic()
    score = CHECKER(sleepy, TASKS["double"])
    assert score.reason == "1 of 4 tests pass; test 2: time limit exceeded" and score.status is Status.OK
    assert time.monotonic() - start < 3.0  # 1 s beside f(1), 1 s alone; the third and fourth are not run
    # asked for a share, it runs all of them; right are f(1) and f(-4)
    assert checker(partial_credit=True, total_seconds=9.0)(sleepy, TASKS["double"]).value == 0.5
    # 2.5 s for all: the second sleep is cut, which is no pass
    assert checker(partial_credit=True, total_seconds=2.5)(sleepy, TASKS["double"]).value == 0.5


def test_calls_that_end_a_process_have_their_own():
    answer = "import os\ndef f(x):\n    if x == 3: os._exit(0)\n    return 2 * x"
    assert CHECKER(answer, TASKS["double"]).reason == "3 of 4 tests pass; test 2: it gave no result"
    # 0.3 s each of 0.4: more than one process may use, but no call alone
    slow = (
        "from time import *\ndef f(x):\n    e = process_time() + 0.3\n    while process_time() < e: x\n    return 2 * x"
    )
    assert checker(total_seconds=20.0)(slow, TASKS["double"]).reason == "all 4 tests pass"


def test_asserts_may_depend_on_the_candidates_answers():
    """check() asks for is_even(is_even(4) + 3): with the gold solution 4, with another answer something else."""
    question = TASKS["even"]
    assert outcome(CHECKER("def is_even(n): return n % 2 == 0", question)) == "right"
    # 1 equals True, so every assert but the first ("is True") would hold
    assert CHECKER("def is_even(n): return 1 - n % 2", question).reason.endswith("AssertionError: ")
    chain = "def check(candidate):\n    x = 1\n    for _ in range(20):\n        x = candidate(x)\n    assert x > 0"
    question = asserts(chain, "def f(x): return x + 1")
    assert outcome(CHECKER("def f(x): return x + 1", question)) == "right"
    assert "more than 8 rounds" in CHECKER("def f(x): return x + 2", question).reason


def test_asserts_may_expect_exceptions():
    test = """
def check(candidate):
    try:
        candidate(-1)
    except ValueError as error:
        assert str(error) == "no"
    else:
        assert False
"""
    question = asserts(test, "def f(x): raise ValueError('no')")
    assert outcome(CHECKER("def f(x): raise ValueError('no')", question)) == "right"
    assert outcome(CHECKER("def f(x): raise ValueError('yes')", question)) == "wrong"
    assert outcome(CHECKER("def f(x): raise TypeError('no')", question)) == "wrong"
    assert outcome(CHECKER("def f(x): return 1", question)) == "wrong"


def test_asserts_that_leave_give_no_verdict():
    test = "import os\ndef check(candidate):\n    if candidate() != 1: os._exit(0)"
    assert outcome(CHECKER("def f(): return 1", asserts(test, "def f(): return 1"))) == "right"
    assert CHECKER("def f(): return 2", asserts(test, "def f(): return 1")).reason.endswith("the tests gave no verdict")


def test_a_method_of_a_class_may_be_asked_for():
    question = function([([2, 3], 5)], "", entry_point="Solution.add")
    assert outcome(CHECKER("class Solution:\n    def add(self, a, b):\n        return a + b", question)) == "right"
    assert outcome(CHECKER("class Solution:\n    def add(self, a, b):\n        return a * b", question)) == "wrong"


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**53), 2**200, 1.5, float("inf"), -0.0, "", "né\n\ud800", b"\0\xff", [], (1, (2,)), {1, 2},
        frozenset({"a"}), {1: [2], (3, 4): {5}, None: {}}, 1 + 2j, [True, 1, 1.0],
    ],
    ids=repr,
)  # fmt: skip
def test_values_travel_with_their_types(value):
    back = decode(json.loads(json.dumps(encode(value))))
    assert back == value and type(back) is type(value) and repr(back) == repr(value)


@pytest.mark.parametrize("value", [object(), print, range(3), iter([]), {"a": {1: object()}}, type], ids=range(6))
def test_what_is_no_plain_data_does_not_travel(value):
    with pytest.raises(TypeError, match="plain data"):
        encode(value)


def test_colliding_keys_are_refused_quickly():
    with pytest.raises(ValueError, match="collide"):
        decode({"s": [{"i": hex(k * (2**61 - 1))} for k in range(1, 20000)]})
    assert len(decode({"s": list(range(20000))})) == 20000


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (1, 1.0, True), (True, 1, False), (1, True, False), (True, True, True), ("1", 1, False), (None, None, True),
        ((1, 2), [1, 2], True), ([1, 2], [1, 2, 3], False), ([2, 1], [1, 2], False), ({1, 2}, {2, 1}, True),
        ({1}, [1], False), ({"a": 1.0000001}, {"a": 1}, True), ({"a": 1}, {"b": 1}, False), (0.0000001, 0, True),
        # 1e-6 relative to a million is one
        (1000000.5, 1000000.0, True), (1000002.5, 1000000.0, False), (10**400, 1.0, False), (10**400, 10**400, True),
        (float("nan"), float("nan"), True), (float("nan"), 1.0, False), (b"a", "a", False), (10**16 + 1, 10**16, False),
    ],
    ids=repr,
)  # fmt: skip
def test_same_value(found, expected, same):
    assert same_value(found, expected, 1e-6) is same


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        ("5\n", "5", True), ("5", "5\n\n", True), ("5 \n6\t\n", "5\n6", True), (" 5", "5", False),
        ("5\n\n6", "5\n6", False), ("5 6", "5  6", False), (" 0.50000001", "0.5000000", False), ("", "5", False),
        ("0.33333333", "0.33333331", True), ("0.3334", "0.3333", False), ("1", "1.0", False), ("1e-1", "0.1", False),
        ("a 0.50000001 b", "a 0.5000000 b", True), ("a 0.5 c", "a 0.5 b", False),
        ("nan", "0.5", False), ("0." + "9" * 5000, "0.5", False),
    ],
    ids=lambda v: repr(v)[:20],
)  # fmt: skip
def test_same_text(found, expected, same):
    assert bool(same_text(found, expected, 1e-6)) is same


def test_extract_code():
    assert extract_code("def f(): pass") == "def f(): pass"
    assert extract_code("a\n```py\nx = 1\n```\nb\n```\ny = 2\n```") == "y = 2\n"
    assert extract_code("```\nf = 1\n```\n```\nprint(f)\n```", "f") == "f = 1\n"
    assert extract_code("```\ndef g(): pass\n```\n```\nprint()\n```", "f") == "print()\n"
    assert extract_code("````\n```\ninner\n```\n````") == "```\ninner\n```\n"
    assert extract_code("```python\nx = '```'\n```") == "x = '```'\n"
    assert completed("x", "def f(a):", "f") == "def f(a):\n    x"


def test_judging_is_linear_in_what_was_written():
    for text in ("```\n" * 50_000, "`" * 300_000, "def " * 100_000, "f = " * 100_000, "\n" * 300_000):
        extract_code(text, "f")
        completed(text, "def f(): pass", "f")
        same_text(text, text[:-1] + "x", 1e-6)


def test_in_the_pool_a_hang_is_a_wrong_answer_and_not_a_fault():
    with VerifierPool(2, 5.0, 1 << 29, [CHECKER.preload]) as pool:
        answers = ["def f(x): return 2*x", "while True: pass", "import os; os._exit(0)", "def f(x): return 2*x"]
        outcomes = pool.score([Call(CHECKER, (answer, TASKS["double"])) for answer in answers])
    assert [o.status for o in outcomes] == [Status.OK] * 4
    assert [o.value.value for o in outcomes] == [1.0, 0.0, 0.0, 1.0]


def test_without_isolation_nothing_is_judged():
    with pytest.raises(SandboxError, match="not run"):
        checker(LocalSandbox(()))("def f(x): return 2*x", TASKS["double"])


@pytest.mark.timeout(300)
def test_humaneval_gold_passes_and_empty_bodies_fail(shared_data):
    with gzip.open(shared_data / "humaneval/HumanEval.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    judge = checker(limits=replace(CHECKER.limits, cpu_seconds=2.0, wall_seconds=4.0), total_seconds=8.0)
    faults = []
    for row in rows:
        details = {name: row[name] for name in ("prompt", "entry_point", "test")}
        question = Question(
            row["task_id"], row["prompt"], row["prompt"] + row["canonical_solution"], "code", details=details
        )
        gold = row["prompt"] + row["canonical_solution"]
        right = [gold, f"```python\n{gold}```", row["canonical_solution"].strip()]
        wrong = [
            "pass",
            "return None",
            row["prompt"] + "    pass",
            f"def {row['entry_point']}(*a, **k): return Ellipsis",
        ]
        verdicts = [outcome(judge(answer, question)) for answer in right + wrong]
        if verdicts != ["right"] * 3 + ["wrong"] * 4:
            faults.append(f"{row['task_id']}: {verdicts}")
    assert not faults and len(rows) == 164
