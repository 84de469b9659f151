"""The questions of the corpus of code answers, and how a checker's verdict is called there."""

import json
from pathlib import Path

from r1lab.types import Question, Score, Status
from r1lab.verifiers.code_tests import CodeChecker
from r1lab.verifiers.program import Limits
from r1lab.verifiers.sandbox import LocalSandbox

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "corpora/code_cheats.jsonl").open()]
WAYS = ("bubblewrap", "landlock")
LIMITS = Limits(cpu_seconds=0.4, wall_seconds=1.0, memory_bytes=1 << 28, output_bytes=1 << 20)


def function(tests, answer, **details):
    """A question for a function f: arguments -> expected result."""
    listed = [{"args": args, "expected": expected} for args, expected in tests]
    return Question("q", "", answer, domain="code", details={"entry_point": "f", "tests": listed, **details})


EVEN_PROMPT = "def rest(n):\n    return n % 2\n\n\ndef is_even(n):\n    '''Whether n is even.'''\n"
EVEN_TEST = """
def check(candidate):
    assert candidate(2) is True
    assert candidate(7) == False, "seven"
    assert candidate(candidate(4) + 3) == True
"""


def program(tests, answer):
    """A question for a program: standard input -> standard output."""
    listed = [{"stdin": stdin, "stdout": stdout} for stdin, stdout in tests.items()]
    return Question("q", "", answer, domain="code", details={"tests": listed})


def asserts(test, gold, entry_point="f", prompt=""):
    """A question for a function under a file of asserts."""
    details = {"entry_point": entry_point, "prompt": prompt, "test": test}
    return Question("q", prompt, prompt + gold, domain="code", details=details)


# fmt: off
TASKS = {
    "double": function([([1], 2), ([3], 6), ([-4], -8), ([10**6], 2 * 10**6)], "def f(x): return 2*x"),
    "sort": function([([[3, 1, 2]], [1, 2, 3]), ([[]], []), ([[5, -1, 5]], [-1, 5, 5])], "f = sorted"),
    "average": function([([1, 2], 1.5), ([2, 4], 3.0), ([-1, 0], -0.5)], "def f(a, b): return (a + b) / 2"),
    "mend": function([([[1, 10]], 11), ([[9]], 9), ([[-3, 4, 20]], 24)], "def f(v): return sum(x for x in v if x > 0)"),
    "total": program({"3\n1\n2\n3\n": "6\n", "1\n-5\n": "-5\n"}, "print(sum(map(int, open(0).readlines()[1:])))"),
    "even": asserts(EVEN_TEST, "    return rest(n) == 0\n", "is_even", EVEN_PROMPT),
}
# fmt: on


def checker(sandbox=None, **changes) -> CodeChecker:
    """A checker with short limits, so that programs without end are soon over."""
    settings = {"limits": LIMITS, "total_seconds": 2.0, "partial_credit": False, "float_tolerance": 1e-6} | changes
    return CodeChecker(sandbox or LocalSandbox(WAYS), **settings)


def outcome(score: Score) -> str:
    """right, wrong, unreadable, or the name of a fault."""
    if score.status is not Status.OK:
        return f"{score.status}: {score.reason}"
    if score.reason.startswith("no readable answer"):
        return "unreadable"
    return {1.0: "right", 0.0: "wrong"}[score.value]


def surprises(cases) -> list[str]:
    """The cases of the corpus that are not judged as they should."""
    judge, found = checker(), []
    for case in cases:
        score = judge(case["answer"], TASKS[case["task"]])
        if outcome(score) != case["expect"]:
            found.append(f"{case['task']}, {case['why']}: {outcome(score)} ({score.reason})")
    return found
