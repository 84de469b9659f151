r"""Does generated code do what its tests ask: programs, functions, and functions under a file of asserts.

The kinds of tests, in ``Question.details``:

- programs: ``tests: [{stdin: "2 3\n", stdout: "5\n"}]``;
- functions: ``entry_point: add``, ``tests: [{args: [2, 3], expected: 5}]``, bug fixing alike: the answer is the
  whole mended source and all tests must pass;
- asserts, as in HumanEval: ``entry_point: add``, ``test: "def check(candidate): assert candidate(2, 3) == 5"``, where
  ``Question.answer`` is a solution that passes.

Expected results never enter the process of the candidate. It is given inputs; what it prints is data, read strictly
and compared here, or - for asserts - by the tests in another process that has not a line of the candidate's. So there
is no verdict to print, no test to patch, no exit code that passes: **a candidate passes if and only if its outputs are
right for the inputs of the tests.** An exception of the candidate passes only where the tests catch it themselves, by
``except``, ``with`` or ``assertRaises``; one that an iteration around the call swallows, such as StopIteration in
``zip(map(candidate, xs), ys)``, fails them, and so does a candidate that the tests call less often than the gold
solution. What remains possible: answers learnt by heart for the examples that the question
shows, and luck where tests are few.

Each test of a program has a process of its own. The calls of a function are made in one process, in their order; a call
at which it ends, or its time does, gets the next process for itself, with the limits of one test.
Arguments are copies on both sides: tests that look at an argument which the function should have changed see nothing.

What counts as equal: text of programs line by line, spaces at line ends and empty last lines aside; values as Python
does, but lists and tuples are alike, True is not 1, and floats may be off by ``float_tolerance``. A small float may be
printed as 2e-05 or as 0.00002; 5 is not 5.0. A result that is a range, a deque or a dict view counts as the list of
its items, a fraction or a decimal as a number, a Counter or another dict as a dict; a generator or another iterator
is no list, as in Python. Asserts get all of these as what they are. Objects of the candidate's classes are no result.

A method of a class, such as ``Solution.f``, may use the names of ``typing``, ``collections``, ``math`` and a few more
without import, as on LeetCode.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import marshal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any, ClassVar

from r1lab.types import Question, Score, Status
from r1lab.verifiers.code_answer import completed, extract_code, same_text, same_value
from r1lab.verifiers.code_driver import MARK
from r1lab.verifiers.code_values import decode, encode
from r1lab.verifiers.program import Ending, Limits, Run, Sandbox

MAX_SOURCE_CHARS = 100_000
"""Longer answers are not run."""
MAX_ROUNDS = 8
"""How often tests may ask for calls that they did not make with the gold solution."""


class _BadTests(Exception):
    """The question's own tests or its gold solution are broken."""


@dataclass(frozen=True)
class CodeChecker:
    """Runs the answer's code on the tests of the question, each in a process of its own.

    Example: an answer ``def f(x): return 2 * x`` to tests ``f(1) = 2`` and ``f(2) = 5`` scores 0, "1 of 2 tests pass;
    test 2: other value".
    """

    sandbox: Sandbox
    limits: Limits
    """Of one test."""
    total_seconds: float
    """Of all tests of one answer; what is left over then counts as failed. Less than the reward's deadline."""
    partial_credit: bool
    """False: 1 if all tests pass, else 0, as the paper. True: the share of tests that pass."""
    float_tolerance: float
    """How far a float may be off, relative to the expected one or absolute, whichever is more."""

    preload: ClassVar[str] = "r1lab.verifiers.code_tests"
    """What a worker imports before it is forked."""

    def cheap(self, answer: str, question: Question) -> Score | None:
        """The verdict where there is nothing to run."""
        if not has_tests(question.details):
            return Score(0.0, Status.BAD_GOLD, "the question has no tests")
        code = extract_code(answer, question.details.get("entry_point", ""))
        if not code.strip():
            return Score(0.0, reason="no readable answer: no code", extracted="")
        if len(code) > MAX_SOURCE_CHARS:
            return Score(0.0, reason="no readable answer: too long", extracted=code[:100])
        return None

    def __call__(self, answer: str, question: Question) -> Score:
        """The full verdict. Errors: SandboxError when nothing isolates; the pool makes it a CRASH."""
        if decided := self.cheap(answer, question):
            return decided
        code = extract_code(answer, question.details.get("entry_point", ""))
        bench = _Bench(self.sandbox, self.limits, time.monotonic() + self.total_seconds, self.float_tolerance)
        failures: list[str | None] = []
        try:
            for failure in bench.failures(code, question):
                failures.append(failure)
                if failure == Ending.TIME and not self.partial_credit:
                    break  # the other tests would cost as much and change nothing
        except _BadTests as error:
            return Score(0.0, Status.BAD_GOLD, str(error), extracted=code)
        num_tests = 1 if question.details.get("test") else len(question.details["tests"])
        return replace(self._score(failures, num_tests), extracted=code)

    def _score(self, failures: Sequence[str | None], num_tests: int) -> Score:
        """``failures``: what is wrong in each test that was run, None where it passed."""
        num_passed = failures.count(None)
        if num_passed == num_tests:
            return Score(1.0, reason=f"all {num_passed} tests pass")
        first = next(i for i, failure in enumerate(failures) if failure is not None)
        reason = f"{num_passed} of {num_tests} tests pass; test {first + 1}: {failures[first]}"
        return Score(num_passed / num_tests if self.partial_credit else 0.0, reason=reason)


def has_tests(details: Mapping[str, Any]) -> bool:
    """Whether a question's details hold tests of one of the kinds."""
    return bool(details.get("tests")) or bool(details.get("test") and details.get("entry_point"))


@dataclass(frozen=True)
class _Bench:
    """Where one answer is tested, until its time is up."""

    sandbox: Sandbox
    limits: Limits
    deadline: float
    tolerance: float

    def failures(self, code: str, question: Question) -> Iterator[str | None]:
        """What is wrong in each test, None where nothing is. Errors: SandboxError, _BadTests."""
        details = question.details
        if details.get("test"):
            yield self._asserts(completed(code, details.get("prompt", ""), details["entry_point"]), question)
        elif details.get("entry_point"):
            yield from self._function(code, details["entry_point"], details["tests"])
        else:
            yield from (self._program(code, test) for test in details["tests"])

    def _program(self, code: str, test: Mapping[str, str]) -> str | None:
        run = self._run(code, _text(test, "stdin"))
        if isinstance(run, str) or run.fault:
            return run if isinstance(run, str) else run.fault
        return None if same_text(run.stdout, _text(test, "stdout"), self.tolerance) else "other output"

    def _function(self, code: str, entry_point: str, tests: Sequence[Mapping[str, Any]]) -> Iterator[str | None]:
        """The calls are made in one process; one that does not end there has the next process for itself."""
        calls = [_call(test) for test in tests]
        done = 0
        while done < len(calls):
            outcomes, fault = self._calls(code, entry_point, calls[done:])
            for outcome, test in zip(outcomes, tests[done:]):
                yield self._compare(*outcome, test["expected"])
            done += len(outcomes)
            if not outcomes:
                yield fault
                done += 1

    def _compare(self, kind: str, found: Any, expected: Any) -> str | None:
        if kind != "value":
            return f"it raised {str(found)[:200]}"
        try:
            same = same_value(decode(found), expected, self.tolerance)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ArithmeticError):
            return "its result is no plain data"
        return None if same else "other value"

    def _asserts(self, code: str, question: Question) -> str | None:
        test, entry_point = question.details["test"], question.details["entry_point"]
        calls = gold_calls(self.sandbox, self.limits, question.answer, test, entry_point)
        num_gold = len(calls)
        for _ in range(MAX_ROUNDS):
            answers, fault = self._calls(code, entry_point, calls)
            if len(answers) < len(calls):
                return fault
            try:
                request = _assert_request(question.answer, test, entry_point, list(zip(calls, answers)))
            except RecursionError:  # read when it was a few levels less deep
                return "its result is no plain data"
            run = self._run(_program("run_asserts()"), request)
            if isinstance(run, str) or run.fault:
                return run if isinstance(run, str) else run.fault
            verdict = _verdict(run)
            if verdict.get("pass") is True and len(verdict["calls"]) < num_gold:
                return f"the tests called it {len(verdict['calls'])} times, the gold solution {num_gold} times"
            if "ask" not in verdict:
                return None if verdict.get("pass") is True else str(verdict.get("fail"))
            # the tests' inputs depend on the candidate's answers: ask anew from there
            calls = [*verdict["calls"], *calls[len(verdict["calls"]) :]]
        return f"its answers lead the tests on for more than {MAX_ROUNDS} rounds"

    def _calls(self, code: str, entry_point: str, calls: Sequence[Any]) -> tuple[list[tuple[str, Any]], str]:
        """The candidate's answers to calls, to the first that has none, and why that one has none."""
        request = json.dumps({"source": code, "entry_point": entry_point, "calls": calls})
        run = self._run(_program("answer_calls()"), request)
        if isinstance(run, str):
            return [], run
        found = {}
        for outcome in _marked(run):
            if isinstance(outcome, list) and len(outcome) == 3 and outcome[1] in ("value", "error"):
                index, kind, content = outcome
                found |= {index: (kind, content)} if type(index) is int else {}
        answers = [found[index] for index in itertools.takewhile(found.__contains__, range(len(calls)))]
        if run.fault and len(answers) == len(calls):
            answers.pop()  # the process has to end well, too
        return answers, run.fault or "it gave no result"

    def _run(self, program: str, stdin: str) -> Run | str:
        """The run of a program, or why there is none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            return "not run: the time of all tests is used up"
        return self.sandbox(program, stdin, replace(self.limits, wall_seconds=min(self.limits.wall_seconds, left)))


@lru_cache(maxsize=1024)  # the rollouts of a group share their question
def gold_calls(sandbox: Sandbox, limits: Limits, gold: str, test: str, entry_point: str) -> list[Any]:
    """The calls that a file of asserts makes when the gold solution answers. Errors: _BadTests, SandboxError."""
    run = sandbox(_program("run_asserts()"), _assert_request(gold, test, entry_point, None), limits)
    verdict = {"fail": run.fault} if run.fault else _verdict(run)
    if "pass" not in verdict:
        raise _BadTests(f"the gold solution fails its tests: {verdict.get('fail')}")
    if not verdict["calls"]:
        raise _BadTests("the tests never call the function: everything would pass")
    return verdict["calls"]


def _assert_request(gold: str, test: str, entry_point: str, answers: Sequence[Any] | None) -> str:
    tests = {"gold": gold, "test": test, "entry_point": entry_point}
    return json.dumps(tests | {"answers": answers or [], "trace": answers is None})


def _text(test: Mapping[str, str], name: str) -> str:
    if not isinstance(test, Mapping) or not isinstance(test.get(name), str):
        raise _BadTests(f"a test has no text for {name}: {test!r:.100}")
    return test[name]


def _call(test: Mapping[str, Any]) -> Any:
    try:
        return encode((tuple(test["args"]), dict(test.get("kwargs", {})), test["expected"]))["t"][:2]
    except (TypeError, KeyError, AttributeError) as error:
        raise _BadTests(f"a test has no args and expected result: {test!r:.100}") from error


def _marked(run: Run) -> list[Any]:
    """The JSON of a run's marked lines, as far as it is any."""
    found = []
    for line in run.stdout.split("\n"):
        if line.startswith(MARK):
            with contextlib.suppress(ValueError, RecursionError):
                found.append(json.loads(line.removeprefix(MARK)))
    return found


def _verdict(run: Run) -> dict[str, Any]:
    verdicts = [verdict for verdict in _marked(run) if isinstance(verdict, dict)]
    return verdicts[-1] if verdicts else {"fail": "the tests gave no verdict"}


@cache
def _program(call: str) -> str:
    """A driver with the files that it builds on: compiled for a Python like this one, and as text for any other."""
    folder = Path(__file__).parent
    names = ["code_values", "code_driver"] + ["assert_driver"] * (call == "run_asserts()")
    lines = "\n".join((folder / f"{name}.py").read_text(encoding="utf-8") for name in names).split("\n")
    text = "\n".join(line for line in lines if not line.startswith("from r1lab")) + f"\n{call}\n"
    code = marshal.dumps(compile(text, "program.py", "exec", dont_inherit=True))
    return (
        "import marshal, _frozen_importlib_external as importing\n"
        f"exec(marshal.loads({code!r}) if importing.MAGIC_NUMBER == {MAGIC_NUMBER!r} else {text!r})\n"
    )
