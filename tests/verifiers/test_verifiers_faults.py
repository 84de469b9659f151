"""A thousand scores with hangs, crashes and memory bombs among them; and expressions that really hang the engine."""

import time
from pathlib import Path

import pytest
from faulty_math import FAULTS, WorkerOnly
from math_workload import competition, grade_school, reward, rollouts

from r1lab.types import Question, Status
from r1lab.verifiers.math_answer import MathChecker
from r1lab.verifiers.pool import Call, VerifierPool

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


@pytest.mark.timeout(120)
def test_expressions_that_hang_the_engine():
    checker = MathChecker(percent="either", degrees="unit", significant_digits=6)
    question = Question("q", "", "7")
    with VerifierPool(1, 1.0, 512 * 2**20, [checker.preload]) as pool:
        for answer in (r"\int_0^1 x^{x^{x}} dx", "(x+1)^{9999}", r"\int_0^{\infty} e^{-x^2} \sin(x^3) dx"):
            hung, fine = pool.score([Call(checker, (text, question)) for text in (answer, r"\sqrt{49}")])
            assert hung.status is Status.TIMEOUT and fine.value.value == 1.0, answer
