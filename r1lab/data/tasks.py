"""Generated questions whose answers a program knows, in five levels and two languages; mathematics is made here.

A task is a start value and the operations that lead to the answer, so that one object gives the question's text, the
answer, the worked steps - and, for the pretraining corpus, what follows from a mistake in one of them.
Levels stand for difficulty as in MATH: more operations and larger numbers.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from r1lab.data import instructions, puzzles, requests, stem
from r1lab.data.problem import SPLIT_BY
from r1lab.errors import DataError
from r1lab.types import Question

HELDOUT_ONE_IN = 8
"""One text in so many is held out, by the hash of the text: a training question is never a held-out one."""

TRIES = 1024
"""Sub-indices of one index among which a question of the wanted split is searched: (7/8)^1024 is never."""

OPERATIONS: Mapping[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "max": max,
    "min": min,
}
INVERSE = {"+": "-", "-": "+", "*": "/"}


@dataclass(frozen=True)
class Task:
    """A question's text with the start value and the operations that lead to its answer.

    >>> Task("What is 7+5-3?", 7, (("+", 5), ("-", 3))).answer
    9
    """

    text: str
    start: int
    operations: tuple[tuple[str, int], ...]

    def values(self, mistakes: Mapping[int, int] | None = None) -> tuple[int, ...]:
        """Start, intermediate values and answer; ``mistakes`` maps an operation's index to what is wrongly added.

        >>> Task("What is 7+5-3?", 7, (("+", 5), ("-", 3))).values({0: 1})
        (7, 13, 10)
        """
        values = [self.start]
        for index, (sign, number) in enumerate(self.operations):
            values.append(OPERATIONS[sign](values[-1], number) + (mistakes or {}).get(index, 0))
        return tuple(values)

    def steps(self, mistakes: Mapping[int, int] | None = None) -> tuple[str, ...]:
        """One worked equation for each operation.

        >>> Task("What is 7+5-3?", 7, (("+", 5), ("-", 3))).steps()
        ('7+5=12', '12-3=9')
        """
        values = self.values(mistakes)
        return tuple(
            f"{sign}({left},{number})={right}" if sign.isalpha() else f"{left}{sign}{number}={right}"
            for (sign, number), left, right in zip(self.operations, values, values[1:])
        )

    @property
    def answer(self) -> int:
        return self.values()[-1]

    @property
    def domain(self) -> str:
        return "math"

    @property
    def details(self) -> dict[str, Any]:
        """What ``task_of`` needs."""
        return {"start": self.start, "operations": [list(operation) for operation in self.operations]}


def sums(rng: random.Random, level: int, language: str) -> Task:
    """A chain of additions and subtractions: ``What is 7+3-9?``."""
    start = rng.randint(1, largest(level))
    operations = _chain(rng, start, num_operations(level), largest(level))
    return Task(_ask(rng, language, _expression(start, operations)), start, operations)


def products(rng: random.Random, level: int, language: str) -> Task:
    """A product of two digits, then additions and subtractions: ``What is 6*7+8?``."""
    start, factor = _factors(rng)
    operations = (("*", factor), *_chain(rng, start * factor, num_operations(level) - 1, 2 * largest(level)))
    return Task(_ask(rng, language, _expression(start, operations)), start, operations)


def equation(rng: random.Random, level: int, language: str) -> Task:
    """A linear equation, solved by undoing it from the outside: ``Solve for x: 3*x+7=22``."""
    unknown, factor = rng.randint(1, largest(level)), ()
    if level >= 3:
        unknown, number = _factors(rng)
        factor = (("*", number),)
    shifts = _chain(rng, _fold(unknown, factor), num_operations(level) - len(factor), largest(level))
    right = _fold(unknown, (*factor, *shifts))
    left = "".join(f"{number}*" for _, number in factor) + "x" + "".join(f"{sign}{n}" for sign, n in shifts)
    wordings = {"en": ("Solve for x: {}", "Find x if {}"), "zh": ("求x的值：{}", "解方程：{}")}
    backward = tuple((INVERSE[sign], number) for sign, number in reversed((*factor, *shifts)))
    return Task(rng.choice(wordings[language]).format(f"{left}={right}"), right, backward)


def digits(rng: random.Random, level: int, language: str) -> Task:
    """The sum of a number's digits: ``What is the sum of the digits of 4829?``."""
    first, *rest = (rng.randint(1, 9) for _ in range(num_operations(level) + 1))
    wordings = {
        "en": ("Sum of the digits of {}?", "Add the digits of {}"),
        "zh": ("{}的各位数字之和？", "把{}的各位数字相加"),
    }
    text = rng.choice(wordings[language]).format("".join(map(str, (first, *rest))))
    return Task(text, first, tuple(("+", digit) for digit in rest))


def extreme(rng: random.Random, level: int, language: str) -> Task:
    """The largest or the smallest of several numbers: ``Which is the largest of 4,7,2?``."""
    numbers = rng.sample(range(1, 10), num_operations(level) + 1)
    sign = rng.choice(("max", "min"))
    word = {"en": {"max": "largest", "min": "smallest"}, "zh": {"max": "最大", "min": "最小"}}[language][sign]
    wordings = {"en": ("Which is the {} of {}?", "Find the {} of {}"), "zh": ("哪个数{}：{}？", "找出{}的数：{}")}
    text = rng.choice(wordings[language]).format(word, ",".join(map(str, numbers)))
    return Task(text, numbers[0], tuple((sign, number) for number in numbers[1:]))


GAINS = {"en": ("buys {}", "finds {}"), "zh": ("买了{}个", "找到{}个")}
LOSSES = {"en": ("eats {}", "loses {}"), "zh": ("吃了{}个", "丢了{}个")}
NAMES = {"en": ("Tom", "Ann", "Sam"), "zh": ("小明", "小红", "小刚")}
THINGS = {"en": ("apples", "eggs", "plums"), "zh": ("苹果", "鸡蛋", "桃子")}


def story(rng: random.Random, level: int, language: str) -> Task:
    """A short word problem: ``Tom has 12 apples, buys 7, eats 5. How many apples are left?``."""
    start = rng.randint(1, largest(level))
    operations = _chain(rng, start, num_operations(level), largest(level))
    name, things = rng.choice(NAMES[language]), rng.choice(THINGS[language])
    events = [rng.choice((GAINS if sign == "+" else LOSSES)[language]).format(n) for sign, n in operations]
    if language == "zh":
        return Task(f"{name}有{start}个{things}，{'，'.join(events)}。还有几个{things}？", start, operations)
    return Task(f"{name} has {start} {things}, {', '.join(events)}. How many {things} are left?", start, operations)


FAMILIES: Mapping[str, Callable[[random.Random, int, str], Task]] = {
    family.__name__: family for family in (sums, products, equation, digits, extreme, story)
}
"""Of mathematics."""
ALL_FAMILIES = {**FAMILIES, **stem.FAMILIES, **puzzles.FAMILIES, **instructions.FAMILIES, **requests.FAMILIES}
"""Of all domains; the names are unique."""
LANGUAGES = ("en", "zh")
LEVELS = (1, 2, 3, 4, 5)


def num_operations(level: int) -> int:
    """Operations of a chain at ``level``: 2, 2, 2, 3, 3 for levels 1 to 5."""
    return 2 + level // 4


def largest(level: int) -> int:
    """The largest value in a chain of additions at ``level``: 10, 15, 20, 15, 20 for levels 1 to 5."""
    return (10, 15, 20, 15, 20)[level - 1]


def _factors(rng: random.Random) -> tuple[int, int]:
    """Two factors from 2 to 9 with a product of at most 20."""
    factor = rng.randint(2, 9)
    return factor, rng.randint(2, 20 // factor)


def _chain(rng: random.Random, value: int, count: int, limit: int) -> tuple[tuple[str, int], ...]:
    """``count`` additions and subtractions of single digits that keep the value within 0 to ``limit``.

    A value above the limit comes down first.
    """
    operations = []
    for _ in range(count):
        fitting = [(sign, n) for sign in "+-" for n in range(1, 10) if 0 <= OPERATIONS[sign](value, n) <= limit]
        sign, number = rng.choice(fitting or [("-", n) for n in range(1, 10)])
        value = OPERATIONS[sign](value, number)
        operations.append((sign, number))
    return tuple(operations)


def _fold(value: int, operations: Sequence[tuple[str, int]]) -> int:
    for sign, number in operations:
        value = OPERATIONS[sign](value, number)
    return value


def _expression(start: int, operations: Sequence[tuple[str, int]]) -> str:
    return f"{start}" + "".join(f"{sign}{number}" for sign, number in operations)


def _ask(rng: random.Random, language: str, expression: str) -> str:
    wordings = {"en": ("What is {}?", "Compute {}", "Calculate {}"), "zh": ("计算{}", "{}等于多少？", "求{}的值")}
    return rng.choice(wordings[language]).format(expression)


def task_of(question: Question) -> Task:
    """The task behind a generated question, rebuilt from its details.

    Raises:
        DataError: the question was not generated here.
    """
    try:
        operations = tuple((sign, number) for sign, number in question.details["operations"])
        return Task(question.text, question.details["start"], operations)
    except KeyError:
        raise DataError(
            "This question carries no worked steps.", f"question {question.id!r}", "Use questions of data/tasks.py."
        ) from None


def generate(
    index: int,
    seed: int,
    families: Sequence[str] = tuple(FAMILIES),
    levels: Sequence[int] = LEVELS,
    languages: Sequence[str] = LANGUAGES,
) -> Question:
    """The ``index``-th generated question, a pure function of its arguments, of either split.

    Example: ``generate(0, seed=1, families=("sums",), levels=(1,), languages=("en",))``.

    Raises:
        DataError: an unknown family, level or language.
    """
    _check("family", families, tuple(ALL_FAMILIES))
    _check("level", levels, LEVELS)
    _check("language", languages, LANGUAGES)
    rng = random.Random(f"{seed}/{index}")  # a string seed is hashed by SHA-512, alike on every machine
    family, level, language = rng.choice(families), rng.choice(levels), rng.choice(languages)
    task = ALL_FAMILIES[family](rng, level, language)
    return Question(
        id=f"{family}-{_hash(task.text)[:16]}",
        text=task.text,
        answer=str(task.answer),
        domain=task.domain,
        language=language,
        level=level,
        source=family,
        solution=", ".join(task.steps()),
        details=task.details,
    )


def split_of(text: str) -> str:
    """``train`` or ``heldout``, by the hash of the question's text, or of what it is told apart by."""
    return "train" if int(_hash(text)[-8:], 16) % HELDOUT_ONE_IN else "heldout"


@dataclass(frozen=True)
class GeneratedTasks:
    """An endless list of generated questions of one split: ``GeneratedTasks(seed=1, split="heldout")(17)``."""

    seed: int
    split: str
    families: Sequence[str] = field(default=tuple(FAMILIES))
    levels: Sequence[int] = field(default=LEVELS)
    languages: Sequence[str] = field(default=LANGUAGES)

    def __call__(self, index: int) -> Question:
        """Question ``index``, the same in every run, found in one try (train) or eight (heldout) on average.

        Raises:
            DataError: an unknown split, family, level or language.
        """
        _check("split", (self.split,), ("train", "heldout"))
        for attempt in range(TRIES):
            question = generate(index * TRIES + attempt, self.seed, self.families, self.levels, self.languages)
            if split_of(question.details.get(SPLIT_BY, question.text)) == self.split:
                return question
        raise DataError(f"No {self.split} question was found.", f"index {index}", "Name more families or levels.")

    def __iter__(self) -> Iterator[Question]:
        index = 0
        while True:
            yield self(index)
            index += 1


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check(what: str, values: Sequence, known: Sequence) -> None:
    unknown = [value for value in values if value not in known]
    if unknown or not values:
        found = f"{', '.join(map(repr, unknown)) or 'none at all'}"
        raise DataError(f"Unknown {what} of generated tasks.", found, f"Choose from {', '.join(map(str, known))}.")
