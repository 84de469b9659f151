"""Short programs whose output or input is asked for (after CodeI/O, Li et al. 2025; paper v2, Table 4).

A program is made and run in one go: each line that is written is also carried out here, so that nothing is ever handed
to an interpreter.
"""

from __future__ import annotations

import random

from r1lab.data.problem import Problem

MAX_VALUE = 99
ASK_OUTPUT = {
    "en": ("What does this program print?", "What is the output of this program?"),
    "zh": ("这个程序输出什么？", "写出这个程序的输出。"),
}
ASK_INPUT = {"en": "f({}) returned {}. Which whole number is {}?", "zh": "f({})返回{}。整数{}是多少？"}


def code_output(rng: random.Random, level: int, language: str) -> Problem:
    """Assignments at level 1, two variables at 2, a branch at 3, a loop at 4; at 5 loops with branches, or a list."""
    if level == 5 and rng.random() < 0.5:
        lines, steps, output, slips = _list_program(rng)
    else:
        lines, steps, output, slips = _number_program(rng, level)
    text = "\n".join((rng.choice(ASK_OUTPUT[language]), *lines))
    return Problem(text, output, steps, slips, "logic", {"kind": "output"}, split_by="\n".join(lines))


def code_input(rng: random.Random, level: int, language: str) -> Problem:
    """A function of one to three operations that can be undone: what was put in?"""
    start = value = rng.randint(1, 10 + 4 * level)
    lines, undone = ["def f(x):"], []
    for _ in range(1 + level // 2):
        sign, number = _operation(rng, value)
        before, value = value, _apply(sign, value, number)
        lines.append(f"    x = x {sign} {number}")
        back = {"+": "-", "-": "+", "*": "/"}[sign]
        undone.append(f"{value}{back}{number}={before}")
    lines.append("    return x")
    text = "\n".join((*lines, ASK_INPUT[language].format("n", value, "n")))
    slips = [str(start + step) for step in (1, -1, 2)]
    code = "\n".join((*lines, str(value)))
    return Problem(text, str(start), undone[::-1], slips, "logic", {"kind": "number"}, split_by=code)


def _number_program(rng: random.Random, level: int) -> tuple[list[str], list[str], str, list[str]]:
    x = rng.randint(1, 9)
    lines, steps = [f"x = {x}"], []
    if level == 2:
        y = rng.randint(1, 9)
        lines += [f"y = {y}", "x = x + y"]
        steps.append(f"x={x}+{y}={x + y}")
        x += y
    if level in (1, 2, 3):
        x = _assign(rng, x, lines, steps)
    if level == 3:
        x = _branch(rng, x, lines, steps)
    if level >= 4:
        x = _loop(rng, x, lines, steps, branch=level == 5)
    return [*lines, "print(x)"], steps, str(x), [str(x + step) for step in (1, -1, 2)]


def _assign(rng: random.Random, x: int, lines: list[str], steps: list[str], indent: str = "") -> int:
    sign, number = _operation(rng, x)
    lines.append(f"{indent}x = x {sign} {number}")
    steps.append(f"x={x}{sign}{number}={_apply(sign, x, number)}")
    return _apply(sign, x, number)


def _branch(rng: random.Random, x: int, lines: list[str], steps: list[str]) -> int:
    limit, gain, loss = max(1, x + rng.randint(-4, 4)), rng.randint(1, 9), rng.randint(1, 9)
    lines += [f"if x > {limit}:", f"    x = x - {loss}", "else:", f"    x = x + {gain}"]
    after = x - loss if x > limit else x + gain
    steps += [f"{x}>{limit} {x > limit}", f"x={x}{f'-{loss}' if x > limit else f'+{gain}'}={after}"]
    return after


def _loop(rng: random.Random, x: int, lines: list[str], steps: list[str], branch: bool) -> int:
    turns, number = rng.randint(2, 4), rng.randint(1, 5)
    lines += [f"for i in range({turns}):"]
    if branch:
        limit = x + rng.randint(1, 8)
        lines += [f"    if x < {limit}:", f"        x = x + {number}", "    else:", "        x = x - i"]
    else:
        lines += [f"    x = x + i + {number}" if (adds := rng.random() < 0.5) else f"    x = x + {number}"]
    for i in range(turns):
        before = x
        if branch:
            x = x + number if x < limit else x - i
            steps.append(f"i={i} x={before}{f'+{number}' if before < limit else f'-{i}'}={x}")
        else:
            x = x + number + (i if adds else 0)
            steps.append(f"i={i} x={before}{f'+{i}' if adds else ''}+{number}={x}")
    return x


def _list_program(rng: random.Random) -> tuple[list[str], list[str], str, list[str]]:
    a = rng.sample(range(1, 10), 3)
    lines, steps, slips = [f"a = {a}"], [], []
    for change in rng.sample(("append", "reverse", "sort"), 2):
        slips.append(str(a))
        if change == "append":
            number = rng.randint(1, 9)
            lines.append(f"a.append({number})")
            a = [*a, number]
        else:
            lines.append(f"a.{change}()")
            a = sorted(a) if change == "sort" else a[::-1]
        steps.append("a=" + " ".join(map(str, a)))
    output = str(a)
    slips.append(str(a[:-1]))
    return [*lines, "print(a)"], steps, output, [slip for slip in dict.fromkeys(slips) if slip != output]


def _operation(rng: random.Random, value: int) -> tuple[str, int]:
    """An operation that keeps the value between 0 and 99 and can be undone."""
    fitting = [(s, n) for s in "+-*" for n in range(2, 10) if 0 <= _apply(s, value, n) <= MAX_VALUE]
    sign = rng.choice(sorted({sign for sign, _ in fitting}))
    return sign, rng.choice([number for other, number in fitting if other == sign])


def _apply(sign: str, value: int, number: int) -> int:
    return value + number if sign == "+" else value - number if sign == "-" else value * number
