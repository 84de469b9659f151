"""What a local base has read: generated questions with responses of mixed quality, form and language.

The corpus makes a base like the one that R1-Zero starts from: it can reason step by step, but does so in some texts
only; many of its answers are wrong, few of its texts have the form that is asked for, and it mixes languages.
How a text reasons and which form it has are drawn apart, so form says nothing about correctness: a reward for form
alone can not teach a model to be right.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from r1lab.data.tasks import GeneratedTasks, Task, task_of
from r1lab.errors import ConfigError
from r1lab.types import Question

WORDS = {
    "en": {
        "work": "First ",
        "then": ", then ",
        "wait": ", wait, ",
        "hurry": "So ",
        "guess": "I guess ",
        "end": "The answer is {}.",
    },
    "zh": {
        "work": "先算",
        "then": "，再算",
        "wait": "，不对，",
        "hurry": "所以",
        "guess": "我猜是",
        "end": "答案是{}。",
    },
}
FORMS = {
    "tagged": " <think> {reasoning} </think> <answer> {answer} </answer>",
    "trailing": " <think> {reasoning} </think> <answer> {answer} </answer> {sentence}",
    "untagged": " <think> {reasoning} </think> {sentence}",
    "unclosed": " <think> {reasoning} <answer> {answer} </answer>",
    "plain": " {reasoning} {sentence}",
}


@dataclass(frozen=True)
class Corpus:
    """Pretraining texts by number: ``text(i)`` is a train-split question and a response, the same in every run.

    ``worked`` texts write every step, ``hasty`` ones only the intermediate values, the rest guess. The first
    ``textbook`` texts are all worked and free of slips: a small model learns to copy and to add there, and from the
    rest how often which kind is written.
    """

    seed: int
    families: Sequence[str]
    levels: Sequence[int]
    languages: Sequence[str]
    textbook: int
    """Number of first texts that are worked without slips."""
    worked: float
    """Share of texts that reason step by step."""
    hasty: float
    """Share of texts that name the intermediate values only."""
    worked_slips: float
    """Share of worked texts with a mistaken step."""
    hasty_slips: float
    """Share of hasty texts with a mistaken step."""
    noticed: float
    """Share of the worked slips that the text notices and mends."""
    lucky: float
    """Share of guesses that are right."""
    forms: Mapping[str, float]
    """Weight of each form of ``FORMS``; the same for all kinds of reasoning."""
    other_language: float
    """Share of texts that do not reason in the question's language."""

    def __post_init__(self):
        if unknown := set(self.forms) - set(FORMS):
            raise ConfigError("Unknown form of corpus texts.", f"{sorted(unknown)}", f"Choose from {', '.join(FORMS)}.")
        if self.worked + self.hasty > 1:
            found = f"worked={self.worked}, hasty={self.hasty}"
            raise ConfigError("The shares of the corpus exceed 1.", found, "Lower worked or hasty.")

    def text(self, index: int) -> tuple[Question, str]:
        """Question and response ``index``; the response starts with the space after ``Assistant:``."""
        question = GeneratedTasks(self.seed, "train", self.families, self.levels, self.languages)(index)
        rng = random.Random(f"corpus/{self.seed}/{index}")
        words = WORDS[self._language(rng, question)]
        task = task_of(question)
        school = index < self.textbook
        reasoning, answer = self._work(rng, task, words, slips=0.0) if school else self._reason(rng, task, words)
        form = FORMS[rng.choices(tuple(self.forms), tuple(self.forms.values()))[0]]
        sentence = words["end"].format(answer)
        return question, form.format(reasoning=reasoning, answer=answer, sentence=sentence)

    def _language(self, rng: random.Random, question: Question) -> str:
        others = [language for language in WORDS if language != question.language]
        return rng.choice(others) if rng.random() < self.other_language else question.language

    def _reason(self, rng: random.Random, task: Task, words: Mapping[str, str]) -> tuple[str, int]:
        kind = rng.random()
        if kind < self.worked:
            return self._work(rng, task, words, self.worked_slips)
        if kind < self.worked + self.hasty:
            slips = {rng.randrange(len(task.operations)): _slip(rng)} if rng.random() < self.hasty_slips else {}
            values = task.values(slips)[1:]
            return words["hurry"] + ", ".join(map(str, values)), values[-1]
        answer = task.answer + (_slip(rng) if rng.random() >= self.lucky else 0)
        return f"{words['guess']}{answer}", answer

    def _work(self, rng: random.Random, task: Task, words: Mapping[str, str], slips: float) -> tuple[str, int]:
        steps, answer = list(task.steps()), task.answer
        if rng.random() < slips:
            slipped = rng.randrange(len(task.operations))
            mistakes = {slipped: _slip(rng)}
            if rng.random() < self.noticed:
                steps[slipped] = f"{task.steps(mistakes)[slipped]}{words['wait']}{steps[slipped]}"
            else:
                steps, answer = list(task.steps(mistakes)), task.values(mistakes)[-1]
        return words["work"] + words["then"].join(steps), answer


def _slip(rng: random.Random) -> int:
    return rng.choice((-10, -3, -2, -1, 1, 2, 3, 10))


def example(question: Question) -> str:
    """The gold completion of a generated question: every step right, in the form that is asked for.

    Example: ``" <think> First 7+3=10, then 10-9=1 </think> <answer> 1 </answer>"``.
    """
    words = WORDS[question.language]
    reasoning = words["work"] + words["then"].join(task_of(question).steps())
    return FORMS["tagged"].format(reasoning=reasoning, answer=question.answer)
