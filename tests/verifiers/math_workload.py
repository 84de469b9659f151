"""Rollouts with known scores, as a run makes them: grade-school answers, competition answers, faults on request."""

import random

import torch

from r1lab.rewards.accuracy import AccuracyReward
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout

GROUP_SIZE = 16
NOT_SAMPLED = Completion(torch.zeros(1, dtype=torch.long), torch.zeros(1), Finish.STOP)


def grade_school(rng):
    """A whole number as gold answer, right ways to write it, and a wrong one."""
    n = rng.randrange(2, 50_000)
    ways = [f"{n}", f"${n:,}", f"{n}.00", f"{n} dollars", rf"\boxed{{{n}}}", f"The answer is {n}.", f"{2 * n}/2"]
    return f"{n}", ways, f"{n + rng.randrange(1, 9)}"


def competition(rng):
    """A gold answer of the kinds of MATH that numbers and text do not decide, right ways to write it, a wrong one."""
    a, b, c = rng.sample(range(2, 99), 3)
    return rng.choice(
        [
            (rf"{a}\sqrt{{7}}", [rf"\sqrt{{7}} \cdot {a}", rf"\sqrt{{{7 * a * a}}}"], rf"{b}\sqrt{{7}}"),
            (
                rf"\frac{{{a}\pi}}{{{b}}}",
                [rf"{a}\pi/{b}", rf"\frac{{{2 * a}}}{{{2 * b}}} \pi"],
                rf"\frac{{{a}}}{{{b}}}",
            ),
            (f"x^2+{a}x+{b}", [f"{b}+x^2+{a}x", rf"x(x+{a})+{b}"], f"x^2+{a}x-{b}"),
            (f"({a},{b}]", [rf"\left( {a}, {b} \right]"], f"[{a},{b}]"),
            (f"{a}, {b}, {c}", [f"{c}, {b}, {a}", rf"\{{{b},{a},{c}\}}"], f"{a}, {b}"),
            (f"{a}-{b}i", [f"-{b}i+{a}"], f"{a}+{b}i"),
        ]
    )


def rollouts(num, kinds, faulty, group_size=GROUP_SIZE, seed=0):
    """``num`` rollouts and their true scores, half of them 1; with ``faulty``, three in a hundred are faults: None."""
    rng = random.Random(seed)
    made, truth = [], []
    for i in range(num):
        if i % group_size == 0:
            gold, ways, wrong = rng.choice(kinds)(rng)
            question = Question(f"q{i // group_size}", "", gold)
        right = rng.random() < 0.5
        answer = rng.choice(ways) if right else wrong
        fault = {40: "hang", 50: "crash" if i % 200 < 100 else "segfault", 60: "memory bomb"}.get(i % 100)
        if faulty and fault:
            answer = fault
        text = f"<think> {'so we add and multiply, ' * 20} </think> <answer> {answer} </answer>"
        made.append(Rollout(question, torch.zeros(1), NOT_SAMPLED, parse_response(text), i % group_size))
        truth.append(None if faulty and fault else float(right))
    return made, truth


def reward(checker, timeout_seconds, memory_bytes, num_workers=2):
    """The accuracy reward as conf/ sets it but for what is given."""
    settings = {"percent": "either", "degrees": "unit", "significant_digits": 6}
    return AccuracyReward(1.0, {"math": checker(**settings)}, num_workers, timeout_seconds, memory_bytes)
