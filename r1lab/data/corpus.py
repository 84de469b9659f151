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

from r1lab.data.mix import GeneratedSource
from r1lab.data.options import considered
from r1lab.data.problem import SLIPS
from r1lab.data.tasks import task_of
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
class Reasoning:
    """One way to an answer."""

    steps: Sequence[str]
    """Every step, written out."""
    values: Sequence[str]
    """What somebody in a hurry writes of them."""
    answer: str
    mistake: int = 0
    """The place of the mistaken step, where there is one."""


@dataclass(frozen=True)
class Corpus:
    """Pretraining texts by number: ``text(i)`` is a train-split question and a response, the same in every run.

    ``worked`` texts write every step, ``hasty`` ones only the intermediate values, the rest guess. The first
    ``textbook`` texts are all worked and free of slips: a small model learns to copy and to add there, and from the
    rest how often which kind is written.
    """

    seed: int
    sources: Mapping[str, GeneratedSource]
    weights: Mapping[str, float]
    """How often a text is about a question of each source."""
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
        if set(self.sources) != set(self.weights):
            found = f"sources {', '.join(self.sources)}; weights of {', '.join(self.weights)}"
            raise ConfigError("Every source of the corpus needs a weight.", found, "Name the same in both.")

    def text(self, index: int) -> tuple[Question, str]:
        """Question and response ``index``; the response starts with the space after ``Assistant:``."""
        about = random.Random(f"corpus/{self.seed}/{index}/source")
        source = about.choices(tuple(self.weights), tuple(self.weights.values()))[0]
        question = self.sources[source].train(index, self.seed)
        rng = random.Random(f"corpus/{self.seed}/{index}")
        words = WORDS[self._language(rng, question)]
        if index < self.textbook:
            reasoning, answer = self._work(rng, question, words, slips=0.0)
        else:
            reasoning, answer = self._reason(rng, question, words)
        form = FORMS[rng.choices(tuple(self.forms), tuple(self.forms.values()))[0]]
        sentence = words["end"].format(answer)
        return question, form.format(reasoning=reasoning, answer=answer, sentence=sentence)

    def _language(self, rng: random.Random, question: Question) -> str:
        others = [language for language in WORDS if language != question.language]
        return rng.choice(others) if rng.random() < self.other_language else question.language

    def _reason(self, rng: random.Random, question: Question, words: Mapping[str, str]) -> tuple[str, str]:
        kind = rng.random()
        if kind < self.worked:
            return self._work(rng, question, words, self.worked_slips)
        if kind < self.worked + self.hasty:
            way = mistaken(question, rng) if rng.random() < self.hasty_slips else right(question)
            return words["hurry"] + ", ".join(way.values), way.answer
        answer = question.answer if rng.random() < self.lucky else guess(question, rng)
        return f"{words['guess']}{answer}", answer

    def _work(self, rng: random.Random, question: Question, words: Mapping[str, str], slips: float) -> tuple[str, str]:
        way = right(question)
        steps, answer = list(way.steps), way.answer
        if rng.random() < slips:
            wrong = mistaken(question, rng)
            if rng.random() < self.noticed:
                steps[wrong.mistake] = f"{wrong.steps[wrong.mistake]}{words['wait']}{steps[wrong.mistake]}"
            else:
                steps, answer = list(wrong.steps), wrong.answer
        return words["work"] + words["then"].join(steps), answer


def right(question: Question) -> Reasoning:
    """The worked solution of a generated question."""
    if "operations" in question.details:
        task = task_of(question)
        return Reasoning(task.steps(), tuple(map(str, task.values()[1:])), question.answer)
    steps = tuple(question.solution.split(", "))
    return Reasoning(steps, steps[-1:], question.answer)


def mistaken(question: Question, rng: random.Random) -> Reasoning:
    """The same with one mistake: in mathematics all that follows from it, elsewhere a wrong end."""
    if "operations" in question.details:
        task = task_of(question)
        place = rng.randrange(len(task.operations))
        mistake = {place: _slip(rng)}
        values = tuple(map(str, task.values(mistake)[1:]))
        return Reasoning(task.steps(mistake), values, values[-1], place)
    answer, steps = guess(question, rng), right(question).steps
    end, wrong_end = steps[-1:], (answer,)
    if choices := question.details.get("choices"):
        end, wrong_end = (considered(choices, x, question.language) for x in (question.answer, answer))
    start, both = len(steps) - len(end), min(len(end), len(wrong_end))
    return Reasoning((*steps[:start], *wrong_end), tuple(wrong_end[-1:]), answer, start + both - 1)


def guess(question: Question, rng: random.Random) -> str:
    """A wrong answer of the right form."""
    if "operations" in question.details:
        return str(task_of(question).answer + _slip(rng))
    return rng.choice(question.details[SLIPS])


def _slip(rng: random.Random) -> int:
    return rng.choice((-10, -3, -2, -1, 1, 2, 3, 10))


def example(question: Question) -> str:
    """The gold completion of a generated question: every step right, in the form that is asked for.

    Example: ``" <think> First 7+3=10, then 10-9=1 </think> <answer> 1 </answer>"``.
    """
    words = WORDS[question.language]
    reasoning = words["work"] + words["then"].join(right(question).steps)
    return FORMS["tagged"].format(reasoning=reasoning, answer=question.answer)
