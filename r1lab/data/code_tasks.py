"""Generated code questions: small functions, small programs and bugs to mend, with tests that a program has computed.

The tests of a question are drawn until they tell its slips - one step replaced by another - from the right answer, and
the tests that a bug-fixing question shows leave one way to mend one step.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from r1lab.data.code_pieces import (
    CONSTANTS,
    ENDS,
    EVERYTHING,
    MAPS,
    NUMBERS,
    SELECTIONS,
    TEXTS,
    Piece,
    code_of,
    neighbors,
    result_of,
)
from r1lab.data.mix import GeneratedSource
from r1lab.data.tasks import LANGUAGES, LEVELS, TRIES, GeneratedTasks, split_of
from r1lab.errors import DataError
from r1lab.types import Question

NUM_TESTS = 5
NUM_SHOWN = 2
"""Failing tests that a bug-fixing question shows; the others are hidden."""
NUM_SLIPS = 3

Steps = tuple[Piece, ...]


@dataclass(frozen=True)
class CodeTask:
    """A generated code question before it has a name; ``slips`` are wrong answers as somebody gives them who slips."""

    text: str
    answer: str
    work: Sequence[str]
    """The way to the code in short steps, without commas."""
    slips: Sequence[str]
    facts: Mapping[str, Any]
    """The tests, as ``verifiers/code_tests.py`` reads them."""
    domain: str = "code"

    @property
    def split_by(self) -> str:
        """What training and held-out questions are told apart by: the same program in other words is the same."""
        return self.answer

    def steps(self) -> Sequence[str]:
        """The worked steps, as those of a ``Task``."""
        return self.work

    @property
    def details(self) -> dict[str, Any]:
        """The details of the question."""
        return {**self.facts, "slips": list(self.slips), "split_by": self.split_by}


def formula(rng: random.Random, level: int, language: str) -> CodeTask:
    """A function of one number: ``Write f(x): x times 3, then plus 2`` -> ``def f(x): return x*3+2``."""
    drawn = _draw(rng, "x", lambda: _numbers(rng, level), _number)
    ask = {"en": "Write f(x): x {}", "zh": "写f(x)：x{}"}[language]
    return drawn.function(ask.format(_chained(drawn.steps, language)))


def listing(rng: random.Random, level: int, language: str) -> CodeTask:
    """A function of a list: ``Write f(v): the sum of the even numbers of v`` -> a comprehension in ``sum``."""

    def steps() -> Steps:
        selection = EVERYTHING if level == 1 else rng.choice(SELECTIONS[1:])
        changes = [rng.choice(MAPS)(rng.choice(CONSTANTS)) for _ in range(max(0, level - 3))]
        return (selection, *changes, rng.choice(ENDS))

    drawn = _draw(rng, "v", steps, _list)
    words = ""
    for piece in drawn.steps:
        words = piece.words[language].format(words)
    return drawn.function({"en": "Write f(v): {}", "zh": "写f(v)：{}"}[language].format(words))


def text(rng: random.Random, level: int, language: str) -> CodeTask:
    """A function of a word: ``Write f(s): s reversed, then in capitals`` -> ``def f(s): return s[::-1].upper()``."""

    def steps() -> Steps:
        return tuple(maker(rng.randint(2, 4)) for maker in rng.sample(TEXTS, (1, 1, 2, 2, 3)[level - 1]))

    drawn = _draw(rng, "s", steps, _word)
    ask = {"en": "Write f(s): s {}", "zh": "写f(s)：s{}"}[language]
    return drawn.function(ask.format(_chained(drawn.steps, language)))


def program(rng: random.Random, level: int, language: str) -> CodeTask:
    """A program with input and output: ``Read x, print x times 3`` -> ``x=int(input())`` / ``print(x*3)``."""
    drawn = _draw(rng, "x", lambda: _numbers(rng, level), _number)
    ask = {"en": "Read x, print x {}", "zh": "读入x，输出x{}"}[language].format(_chained(drawn.steps, language))
    tests = [{"stdin": f"{value}\n", "stdout": f"{result_of(drawn.steps, value)}\n"} for value in drawn.inputs]
    answer, *slips = (f"x=int(input())\nprint({code_of('x', steps)})" for steps in (drawn.steps, *drawn.slips))
    return CodeTask(ask, answer, drawn.work(), slips, {"tests": tests})


def repair(rng: random.Random, level: int, language: str) -> CodeTask:
    """A bug to mend: ``Mend def f(x): return x*3-2, so that f(1)=5, f(4)=14`` -> the whole mended function.

    The failing tests that it shows are among those the answer must pass (paper v2, B.3.1, bug fixing).
    """
    for _ in range(TRIES):
        drawn = _draw(rng, "x", lambda: _numbers(rng, level), _number)
        buggy = rng.choice(drawn.slips)
        shown = [value for value in drawn.inputs if not drawn.passes(buggy, [value])][:NUM_SHOWN]
        mended = [steps for steps in neighbors(buggy, "x") if drawn.passes(steps, shown)]
        if all(drawn.passes(steps, drawn.inputs) for steps in mended):
            break
    results = ", ".join(f"f({value})={result_of(drawn.steps, value)}" for value in shown)
    ask = {"en": "Mend {}, so that {}", "zh": "改正{}，使{}"}[language]
    work = [f"{code_of('x', buggy)} is wrong", f"{code_of('x', drawn.steps)} is right"]
    task = drawn.function(ask.format(_function("x", buggy), results))
    return replace(task, work=work, facts={**task.facts, "buggy": _function("x", buggy)})


CODE_FAMILIES: Mapping[str, Callable[[random.Random, int, str], CodeTask]] = {
    family.__name__: family for family in (formula, listing, text, program, repair)
}


@dataclass(frozen=True)
class _Drawn:
    """Steps, inputs that show what they do, and slips that these inputs tell from them."""

    name: str
    steps: Steps
    inputs: Sequence[Any]
    slips: Sequence[Steps]

    def passes(self, other: Steps, inputs: Sequence[Any]) -> bool:
        """Whether other steps have the same results on these inputs."""
        return all(result_of(other, value) == result_of(self.steps, value) for value in inputs)

    def work(self) -> list[str]:
        """The code after each step."""
        return [code_of(self.name, self.steps[: count + 1]).replace(", ", " ") for count in range(len(self.steps))]

    def function(self, ask: str) -> CodeTask:
        """The task to write these steps as a function."""
        tests = [{"args": [value], "expected": result_of(self.steps, value)} for value in self.inputs]
        answer, *slips = (_function(self.name, steps) for steps in (self.steps, *self.slips))
        return CodeTask(ask, answer, self.work(), slips, {"entry_point": "f", "tests": tests})


@dataclass(frozen=True)
class CodeTasks(GeneratedTasks):
    """An endless list of generated code questions of one split."""

    def __call__(self, index: int) -> Question:
        """Question ``index``, the same in every run. Raises DataError: an unknown split, family, level or language."""
        for what, values, known in (
            ("split", (self.split,), ("train", "heldout")),
            ("family", self.families, tuple(CODE_FAMILIES)),
            ("level", self.levels, LEVELS),
            ("language", self.languages, LANGUAGES),
        ):
            if unknown := [value for value in values if value not in known]:
                choices = ", ".join(map(str, known))
                raise DataError(f"Unknown {what} of code tasks.", f"{unknown}", f"Choose from {choices}.")
        for attempt in range(TRIES):
            question = generate_code(index * TRIES + attempt, self.seed, self.families, self.levels, self.languages)
            if split_of(question.details["split_by"]) == self.split:
                return question
        raise DataError(f"No {self.split} question was found.", f"index {index}", "Name more families or levels.")


@dataclass(frozen=True)
class CodeSource(GeneratedSource):
    """Generated code questions without end, training and held-out programs apart by hash."""

    def _tasks(self, seed: int, split: str) -> CodeTasks:
        return CodeTasks(seed, split, tuple(self.families), tuple(self.levels), tuple(self.languages))


def generate_code(
    index: int, seed: int, families: Sequence[str], levels: Sequence[int], languages: Sequence[str]
) -> Question:
    """The ``index``-th code question, a pure function of its arguments, of either split."""
    rng = random.Random(f"code/{seed}/{index}")
    family, level, language = rng.choice(families), rng.choice(levels), rng.choice(languages)
    task = CODE_FAMILIES[family](rng, level, language)
    return Question(
        id=f"{family}-{hashlib.sha256(task.text.encode()).hexdigest()[:16]}",
        text=task.text,
        answer=task.answer,
        domain=task.domain,
        language=language,
        level=level,
        source=family,
        solution=", ".join(task.steps()),
        details=task.details,
    )


def _draw(rng: random.Random, name: str, make: Callable[[], Steps], draw: Callable[[random.Random], Any]) -> _Drawn:
    """Steps whose results differ, with inputs of which two at least are wrong in each slip.

    Inputs and slips are drawn by the steps alone: the same program has the same tests wherever it is met.
    """
    for _ in range(TRIES):
        steps, inputs = make(), []
        own = random.Random(code_of(name, steps))
        while len(inputs) < NUM_TESTS:
            if (value := draw(own)) not in inputs:
                inputs.append(value)
        others = list(neighbors(steps, name))
        own.shuffle(others)
        wrong = [sum(result_of(other, v) != result_of(steps, v) for v in inputs) for other in others]
        slips = [other for other, count in zip(others, wrong) if count >= NUM_SHOWN][:NUM_SLIPS]
        if len(slips) == NUM_SLIPS and any(result_of(steps, v) != result_of(steps, inputs[0]) for v in inputs):
            break
    return _Drawn(name, steps, inputs, slips)


def _number(rng: random.Random) -> int:
    return rng.randint(-9, 20)


def _list(rng: random.Random) -> list[int]:
    return [_number(rng) for _ in range(rng.randint(4, 6))]


def _word(rng: random.Random) -> str:
    return "".join(rng.choices("abcdeXYZ", k=rng.randint(4, 8)))


def _numbers(rng: random.Random, level: int) -> Steps:
    """One step at levels 1 and 2, two at 3 and 4, three at 5; no kind twice in a row."""
    kinds: list[Callable[[int], Piece]] = []
    for _ in range((1, 1, 2, 2, 3)[level - 1]):
        kinds.append(rng.choice([kind for kind in NUMBERS if kind not in kinds[-1:]]))
    return tuple(kind(rng.choice(CONSTANTS)) for kind in kinds)


def _chained(steps: Steps, language: str) -> str:
    """Steps in their order: "plus 2, then times 3" leaves no doubt what comes first."""
    return {"en": ", then ", "zh": "，再"}[language].join(piece.words[language] for piece in steps)


def _function(name: str, steps: Steps) -> str:
    return f"def f({name}): return {code_of(name, steps)}"
