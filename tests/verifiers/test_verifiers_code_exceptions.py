"""An exception of the answer passes only where the tests themselves catch it."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from code_questions import WAYS, asserts, checker, outcome

from r1lab.errors import SandboxError
from r1lab.verifiers.sandbox import LocalSandbox

CHECKER = checker()
DOUBLE = "def f(x): return 2 * x"
STOP = "def f(x): raise StopIteration"
LOOKUP = """
class Row:
    def __getitem__(self, i):
        if i > 2: raise IndexError
        return candidate(i)
    def __len__(self): return 3
    @property
    def first(self): return candidate(1)
"""


@pytest.fixture(autouse=True, scope="module")
def isolated():
    try:
        return LocalSandbox(WAYS).way
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")


def judged(body, answer, gold=DOUBLE, before=""):
    lines = "".join(f"    {line}\n" for line in [*before.strip("\n").split("\n"), *body.split("\n")])
    score = CHECKER(answer, asserts(f"import contextlib, heapq, unittest\ndef check(candidate):\n{lines}", gold))
    return outcome(score), score.reason


# the tests are right for DOUBLE, and wrong for an answer that raises
SWALLOWING = [
    "for found, want in zip(map(candidate, [1, 2]), [2, 4]): assert found == want",
    "for found, want in zip(map(candidate, [1]), [2]): assert found == want",
    "assert all(map(candidate, [1, 2]))",
    "assert not list(filter(lambda x: x % 2, map(candidate, [1, 2])))",
    "assert list(filter(candidate, [0, 0])) == []",
    "assert next(map(candidate, [1]), 2) == 2",
    "assert not any(x % 2 for x in map(candidate, [1, 2, 3]))",
    "assert 3 not in map(candidate, [1, 2])",
    "assert sum(map(candidate, [])) == 0 and sum(map(candidate, [0])) == 0",
    "assert max(map(candidate, [0]), default=0) == 0",
    "for found in map(candidate, [1, 2]): assert found % 2 == 0",
    "assert [x for x in map(candidate, [1, 2]) if x % 2] == []",
    "assert len(set(map(candidate, [1, 1]))) < 2",
    "a, *b = [2, *map(candidate, [1])]\nassert a == 2",
    "assert not list(heapq.merge(map(candidate, []), [])) and list(heapq.merge(map(candidate, [1]), [2]))",
    "try:\n    for found in map(candidate, [1]): assert found == 2\nexcept ValueError:\n    pass",
    "with contextlib.suppress(KeyError):\n    for found in map(candidate, [1]): assert found == 2",
]


@pytest.mark.parametrize("body", SWALLOWING)
def test_an_iteration_that_swallows_the_answers_exception_does_not_pass(body):
    assert judged(body, DOUBLE)[0] == "right"
    verdict, reason = judged(body, STOP)
    assert verdict == "wrong" and "StopIteration" in reason, reason


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("assert all(x % 2 == 0 for x in Row())", "def f(x): raise IndexError"),
        ("assert not [x for x in Row() if x % 2]", "def f(x): return [][0]"),
        ("assert 3 not in Row()", "def f(x): raise IndexError('list index out of range')"),
        ("assert getattr(Row(), 'first', 2) == 2", "def f(x): raise AttributeError"),
        ("assert hasattr(Row(), 'last') or getattr(Row(), 'first', 0) in (0, 2)", "def f(x): return x.no"),
        ("for x in reversed(Row()): assert x % 2 == 0", "def f(x): raise IndexError"),
    ],
)
def test_a_protocol_that_swallows_the_answers_exception_does_not_pass(body, answer):
    assert judged(body, DOUBLE, before=LOOKUP)[0] == "right"
    assert judged(body, answer, before=LOOKUP)[0] == "wrong"


CATCHING = [
    "try:\n    candidate(-1)\nexcept {0}:\n    pass\nelse:\n    assert False",
    "try:\n    candidate(-1)\n    raise OSError('none')\nexcept {0} as error:\n    assert str(error)",
    "ok = False\ntry: candidate(-1)\nexcept ({0}, ZeroDivisionError): ok = True\nassert ok",
    "with unittest.TestCase().assertRaises({0}): candidate(-1)",
    "with unittest.TestCase().assertRaises({0}):\n    list(map(candidate, [-1])); candidate(-1)",
    "unittest.TestCase().assertRaises({0}, candidate, -1)",
    "with contextlib.suppress({0}):\n    candidate(-1)\n    assert False, 'not raised'",
    "def ends(x):\n    try:\n        return candidate(x)\n    except {0}:\n        return 7\nassert ends(-1) == 7",
    "@contextlib.contextmanager\ndef expected():\n    try:\n        yield\n    except {0}:\n        pass\n"
    "with expected():\n    candidate(-1)\n    assert False",
]


@pytest.mark.parametrize("body", CATCHING)
@pytest.mark.parametrize("kind", ["ValueError", "IndexError", "StopIteration"])
def test_tests_that_catch_the_exception_pass(body, kind):
    gold = f"def f(x):\n    if x < 0: raise {kind}('no')\n    return x"
    body = body.format(kind)
    if kind == "StopIteration" and "list(map" in body:
        return  # there the list would swallow it: no test at all
    assert judged(body, gold, gold)[0] == "right", judged(body, gold, gold)
    assert judged(body, "def f(x): return x", gold)[0] == "wrong"
    assert judged(body, "def f(x): raise OSError('no')", gold)[0] == "wrong"


def test_tests_may_let_an_answer_raise_or_return():
    body = "try:\n    found = candidate(0)\nexcept IndexError:\n    found = None\nassert found is None"
    assert judged(body, "def f(x): raise IndexError", "def f(x): return None")[0] == "right"
    assert judged(body, "def f(x): return None", "def f(x): raise IndexError")[0] == "right"
    assert judged(body, "def f(x): return 1", "def f(x): return None")[0] == "wrong"


def test_a_question_that_a_bare_except_swallows_is_asked_again():
    body = "try:\n    y = candidate(candidate(1))\nexcept:\n    y = 0\nassert y in (0, 4)"
    assert judged(body, "def f(x): return x * 2")[0] == "right"
    assert judged(body, "def f(x): return x + 2")[0] == "wrong"  # 5


def test_fewer_calls_than_the_gold_solution_makes_are_no_pass():
    body = "n = 0\nwhile n < 8: n = candidate(n + 1)\nassert n >= 8"
    assert judged(body, DOUBLE) == ("right", "all 1 tests pass")
    assert judged(body, "def f(x): return 8") == (
        "wrong",
        "0 of 1 tests pass; test 1: the tests called it 1 times, the gold solution 3 times",
    )
    assert judged("assert all(candidate(x) % 2 == 0 for x in range(3)) or True", "def f(x): return 1")[0] == "wrong"


@pytest.mark.parametrize(
    "raised",
    ["GeneratorExit", "KeyboardInterrupt", "SystemExit", "SystemExit(0)", "BaseException", "asyncio.CancelledError"],
)
def test_what_is_no_exception_ends_the_answer(raised):
    body = "try:\n    candidate(1)\nexcept BaseException:\n    pass"
    assert judged(body, f"import asyncio\ndef f(x): raise {raised}")[0] == "wrong"


def test_exceptions_that_take_more_than_a_message():
    body = "try:\n    candidate(1)\nexcept ValueError:\n    pass"
    assert judged(body, "def f(x): return b'\\xff'.decode()", "def f(x): raise ValueError")[0] == "right"
