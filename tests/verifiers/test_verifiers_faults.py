"""A thousand scores with hangs, crashes and memory bombs among them; and expressions that really hang the engine."""

import time
from pathlib import Path

import pytest
from faulty_math import FAULTS, WorkerOnly
from math_workload import competition, grade_school, reward, rollouts

from r1lab.types import Question, Status
from r1lab.verifiers.math_answer import MathChecker

DEADLINE = 0.5


def resident_mib(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096 / 2**20


@pytest.mark.timeout(120)
def test_faults_cost_themselves_only():
    made, truth = rollouts(1000, [grade_school] * 19 + [competition], faulty=True, group_size=1)
    judge = reward(WorkerOnly, DEADLINE, memory_bytes=64 * 2**20)
    judge(made[:30])
    nursery = judge.pool._nursery._process.pid
    before = resident_mib(nursery)
    start = time.perf_counter()
    scores = judge(made)
    seconds = time.perf_counter() - start
    # ten hangs of half a second, two workers: 2.5 s; the rest is the loaded machine's
    assert seconds < 2.5 + 40
    assert resident_mib(nursery) < before + 10
    judge.close()
    assert not Path(f"/proc/{nursery}").exists()
    statuses = {"hang": Status.TIMEOUT, "crash": Status.CRASH, "segfault": Status.CRASH}
    for rollout, score, expected in zip(made, scores, truth):
        answer = rollout.response.answer
        if answer == "memory bomb":
            assert score.status in (Status.CRASH, Status.TIMEOUT), score
        elif answer in FAULTS:
            assert score.status is statuses[answer], score
        else:
            assert (score.status, score.value) == (Status.OK, expected), (rollout.question.answer, answer, score)
    # i % 100 is 40, 50 and 60: three in a hundred
    assert sum(not score.judged for score in scores) == 30


@pytest.mark.parametrize(
    "answer",
    [r"\int_0^1 x^{x^{x}} dx", "(x+1)^{9999}", r"\int_0^{\infty} e^{-x^2} \sin(x^3) dx", r"(1+\sqrt2)^{99999}",
     "(2+3i)^{9999}", r"\sum_{n=1}^{10^9} n^n", r"\prod_{n=1}^{10^9} n", "(x+y+z)^{9999}",
     r"\sum_{k=1}^{1999}\sum_{j=1}^{1999}\sum_{m=1}^{1999} mjk",  "e^{e^{e^{e^9}}}",
     r"\sin(10^{9999})", r"2^{2^{2^{2^{2^2}}}}", r"\binom{10^9}{500}", "((100!)!)!",
     r"\left(\frac{1+i}{\sqrt2}\right)^{99999}"],
)  # fmt: skip
def test_expressions_that_hang_other_engines_are_judged_at_once(answer):
    checker = MathChecker(percent="either", degrees="unit", significant_digits=6)
    start = time.perf_counter()
    assert checker(answer, Question("q", "", "7")).value == 0.0
    assert checker("7", Question("q", "", answer)).value == 0.0
    assert time.perf_counter() - start < 4.0  # a tenth of a second each where nothing else runs


@pytest.mark.parametrize(
    ("answer", "gold"),
    [("2^{100}", "1267650600228229401496703205376"), ("1+4x+6x^2+4x^3+x^4", "(1+x)^4"),
     ("x(1+x)^9+(1+x)^9", "(1+x)^{10}"), ("1.05^{30}", "1.05^{29} \\cdot 1.05"), ("100!", "100 \\cdot 99!"),
     (r"\sum_{k=1}^{100} k", "5050"),
     (r"\binom{50}{2}", "1225"), (r"(1+\sqrt2)^{10}+(1-\sqrt2)^{10}", "6726"), ("i^{2023}", "-i")],
)  # fmt: skip
def test_large_but_within_reach(answer, gold):
    checker = MathChecker(percent="either", degrees="unit", significant_digits=6)
    assert checker(answer, Question("q", "", gold.replace("\\\\", "\\"))).value == 1.0
