"""Which training questions stay out of a mix; each filter says of every question that it drops why.

Held-out questions are never touched: a benchmark that is edited is another benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from r1lab.errors import ConfigError, DataError
from r1lab.functional.schedules import is_number, require_integer
from r1lab.text.identify import ByScript
from r1lab.text.language import SCRIPTS, language_words, share_of
from r1lab.text.ngrams import folded, ngrams, words
from r1lab.types import LabeledResponse, PreferencePair, Question

ALL_HELDOUT = 1_000_000
"""More held-out questions than a benchmark has."""
SHOWN_CHARS = 80


Item = Question | PreferencePair | LabeledResponse
"""What a source gives: a pair or a labeled response is judged by its prompt."""


class Filter(Protocol):
    """Looks at all questions together, because one may be too much only beside another."""

    def __call__(self, questions: Sequence[Item]) -> list[str | None]:
        """Why each question goes, in a few words; None where it stays."""
        ...


class Benchmarks(Protocol):
    """Held-out questions that training must not see: a mix."""

    def heldout(self, count: int) -> list[Question]:
        """The first `count` of them, or all where there are fewer."""
        ...

    def digests(self) -> dict[str, str]:
        """What they are read from, by content."""
        ...


@dataclass(frozen=True)
class Dropped:
    """A question that a filter took out."""

    source: str
    """Its source's name in the mix."""
    question_id: str
    filter: str
    """The filter's name in the mix."""
    reason: str


@dataclass(frozen=True)
class Duplicates:
    """Drops a question whose text stood before, whatever its case, spaces and widths; signs and numbers count.

    The responses of pairs and labeled responses count as well: a prompt may come with several.

    Example: "What is 3+4?" after "what is  3+4?" goes, "What is 3-4?" stays.
    """

    def __call__(self, questions: Sequence[Item]) -> list[str | None]:
        first: dict[tuple[str, ...], Item] = {}
        return [_repeats(item, first.setdefault(tuple(map(folded, item.texts)), item)) for item in questions]


@dataclass(frozen=True)
class Decontaminate:
    """Drops a question that shares n words in a row with a benchmark (paper v2 D.1: 10-gram matching).

    Question, earlier turns and solution are compared with those of benchmarks, case and punctuation aside; each Han
    character is a word. System prompts are not compared: they are instructions that many questions share. A benchmark
    question of fewer than n words counts only as a whole, signs and earlier turns included; it is looked for in
    whatever the user says.
    """

    against: Benchmarks
    ngram: int
    """n."""

    def __post_init__(self):
        if type(self.ngram) is not int or self.ngram < 1:
            raise ConfigError(
                "n-grams have a whole number of words, at least one.",
                f"ngram={self.ngram}",
                "Try ngram=10, as the paper.",
            )

    def digests(self) -> dict[str, str]:
        """What the benchmarks read: it decides what is dropped. Raises DataError."""
        with _benchmarks_readable():
            return self.against.digests()

    def __call__(self, questions: Sequence[Item]) -> list[str | None]:
        owners: dict[tuple[str, ...] | str, str] = {}
        with _benchmarks_readable():
            benchmarks = self.against.heldout(ALL_HELDOUT)
        for benchmark in benchmarks:
            for mark in (*self._ngrams(benchmark), *self._whole(benchmark)):
                owners.setdefault(mark, benchmark.id)
        return [self._reason(prompt_of(item), owners) for item in questions]

    def _ngrams(self, question: Question) -> Iterator[tuple[str, ...]]:
        for text in filter(None, (*said(question), question.solution)):
            yield from ngrams(words(text), self.ngram)

    def _whole(self, question: Question) -> Iterator[str]:
        """The whole dialogue, where no text of it has an n-gram."""
        if all(len(words(text)) < self.ngram for text in said(question)):
            yield folded("\n".join(said(question)))

    def _reason(self, question: Question, owners: Mapping[tuple[str, ...] | str, str]) -> str | None:
        asked = (turn["content"] for turn in question.turns if turn["role"] == "user")
        wholes = map(folded, (question.text, *asked))
        for mark in (*self._ngrams(question), *self._whole(question), *wholes):
            if mark in owners:
                shared = mark if isinstance(mark, str) else " ".join(mark)
                return f"shares {shared[:SHOWN_CHARS]!r} with {owners[mark]}"
        return None


@dataclass(frozen=True)
class Length:
    """Drops questions of too few or too many words, earlier messages included; each Han character is a word."""

    least: int
    most: int

    def __post_init__(self):
        require_integer("least", self.least, 0)
        require_integer("most", self.most, self.least)

    def __call__(self, questions: Sequence[Item]) -> list[str | None]:
        counts = (sum(len(words(text)) for text in prompt_of(item).texts) for item in questions)
        return [
            None if self.least <= count <= self.most else f"{count} words, not {self.least} to {self.most}"
            for count in counts
        ]


@dataclass(frozen=True)
class Language:
    """Drops questions in other languages, and those that are not written in the script of their language.

    Words are those of ``text/words.py``: numbers, names of one letter and formulas are in any language, so that
    "3x+4=7?" has no words at all and stays.
    """

    languages: Sequence[str]
    """ISO 639-1 codes."""
    min_share: float
    """Share of the words that must be in a script of the question's language."""

    def __post_init__(self):
        if unknown := [language for language in self.languages if language not in SCRIPTS]:
            raise ConfigError(
                "The scripts of a language are not known.", ", ".join(unknown), f"Choose from {', '.join(SCRIPTS)}."
            )
        if not self.languages:
            raise ConfigError("A mix has at least one language.", "languages=[]", "languages=[en,zh]")
        if not (is_number(self.min_share) and 0 <= self.min_share <= 1):
            raise ConfigError("min_share is not between 0 and 1.", f"min_share={self.min_share}", "min_share=0.5")

    def __call__(self, questions: Sequence[Item]) -> list[str | None]:
        return [self._reason(prompt_of(item)) for item in questions]

    def _reason(self, question: Question) -> str | None:
        language = question.language
        if language not in self.languages:
            return f"its language is {language}, not {' or '.join(self.languages)}"
        share = share_of(language_words(question.text, language, ByScript()), language)
        if share is None or share >= self.min_share:
            return None
        return f"{share:.0%} of its words are in a script of {language}, not at least {self.min_share:.0%}"


def sift(
    listed: Mapping[str, Sequence[Item]], filters: Mapping[str, Filter]
) -> tuple[dict[str, list[Item]], list[Dropped]]:
    """The questions of each source that all filters leave, and what they dropped; a later filter sees what is left.

    Raises:
        DataError: a source has no question left.
    """
    rows = [(source, question) for source, questions in listed.items() for question in questions]
    dropped: list[Dropped] = []
    for name, keep in filters.items():
        reasons = keep([question for _, question in rows])
        judged = list(zip(rows, reasons, strict=True))
        dropped += [Dropped(source, question.id, name, why) for (source, question), why in judged if why is not None]
        rows = [row for row, why in judged if why is None]
    kept = {name: [question for source, question in rows if source == name] for name in listed}
    if emptied := [name for name in listed if listed[name] and not kept[name]]:
        raise DataError(
            f"The filters leave no training question of {', '.join(emptied)}.",
            next(f"{d.question_id}: {d.filter}: {d.reason}" for d in dropped if d.source == emptied[0]),
            "Loosen the filter, or take the source out of the mix.",
        )
    return kept, dropped


@contextmanager
def _benchmarks_readable() -> Iterator[None]:
    """What a mix of benchmarks lacks is told as a filter's: its own remedy would name the path of the training data."""
    try:
        yield
    except DataError as error:
        wrong = f"The benchmarks that training must not see cannot be read. {error.wrong}"
        remedy = "mix.filters.NAME.against.path=FOLDER, by the filter's name in the mix"
        raise DataError(wrong, error.found, remedy) from error


def prompt_of(item: Item) -> Question:
    """The question itself, or the one that a pair or a labeled response answers."""
    return item if isinstance(item, Question) else item.question


def said(question: Question) -> list[str]:
    """The texts of a dialogue up to its question, without the system prompt."""
    return [*(turn["content"] for turn in question.turns if turn["role"] != "system"), question.text]


def _repeats(item: Item, first: Item) -> str | None:
    if item is first:
        return None
    answer, other = prompt_of(item).answer, prompt_of(first).answer
    differ = "" if answer == other else f", with the answer {answer}, not {other}"
    return f"same text as {first.id}{differ}"
