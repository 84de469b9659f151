"""Which sampled responses are kept; each filter says of every response that it leaves out why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from r1lab.errors import ConfigError
from r1lab.functional.schedules import is_number, require_integer
from r1lab.text.identify import Identifier
from r1lab.text.language import SCRIPTS, language_words, primary, share_of
from r1lab.text.ngrams import words
from r1lab.text.repetition import repetition
from r1lab.text.spans import format_fault
from r1lab.types import Group, Rollout


class ResponseFilter(Protocol):
    """Looks at one scored rollout; a score may be a fault."""

    def __call__(self, rollout: Rollout) -> str | None:
        """Why it goes, in a few words; None where it stays."""
        ...


@dataclass(frozen=True)
class Scored:
    """Keeps responses to which a reward has given at least so much (paper v2, B.3.2: only correct ones)."""

    reward: str
    """Its name among the rewards."""
    least: float
    aspect: str | None = None
    """Looks at general prompts of this aspect alone; None at all questions."""

    def __call__(self, rollout: Rollout) -> str | None:
        if self.aspect is not None and rollout.question.details.get("aspect") != self.aspect:
            return None
        if self.reward not in rollout.scores:
            found = f"{self.reward!r}; there are {', '.join(rollout.scores)}"
            raise ConfigError("A filter asks for a reward that is not given.", found, "rewards.NAME, by that name")
        score = rollout.scores[self.reward]
        if not score.judged:
            return f"not judged: {score.status}"
        return None if score.value >= self.least else f"{self.reward} {score.value:g}: {score.reason}"


@dataclass(frozen=True)
class Finished:
    """Leaves out what the length limit has cut."""

    def __call__(self, rollout: Rollout) -> str | None:
        return "cut by the length limit" if rollout.completion.truncated else None


@dataclass(frozen=True)
class WellFormed:
    """Leaves out what is not one think block and one answer block (paper v2, B.3.2: a readable format)."""

    def __call__(self, rollout: Rollout) -> str | None:
        return format_fault(rollout.response.text) or None


@dataclass(frozen=True)
class NotRepetitive:
    """Leaves out what says the same n words again and again (paper v2, B.3.2: repetition detection)."""

    ngram: int
    most: float
    """Share of n-grams that occurred before."""

    def __post_init__(self):
        require_integer("ngram", self.ngram, 1)
        _require_share("most", self.most)

    def __call__(self, rollout: Rollout) -> str | None:
        found = repetition(rollout.response.text, self.ngram)
        return f"{found.share:.0%} repeated: {found.first[:40]!r}" if found.share > self.most else None


@dataclass(frozen=True)
class OneLanguage:
    """Leaves out reasoning that is not in the question's language (paper v2, B.3.2 and B.3.3: mixed languages)."""

    least: float
    """Share of the words, as the language reward counts them."""
    identify: Identifier

    def __post_init__(self):
        _require_share("least", self.least)

    def __call__(self, rollout: Rollout) -> str | None:
        language, reasoning = primary(rollout.question.language), rollout.response.reasoning
        if language not in SCRIPTS:
            return f"the question's language {language!r} is not known"
        text = rollout.response.text if reasoning is None else reasoning
        share = share_of(language_words(text, language, self.identify), language)
        return None if share is None or share >= self.least else f"{share:.0%} of its words are {language}"


@dataclass(frozen=True)
class ShortParagraphs:
    """Leaves out reasoning with a paragraph of more words than that (paper v2, B.3.3: long paragraphs)."""

    most_words: int

    def __post_init__(self):
        require_integer("most_words", self.most_words, 1)

    def __call__(self, rollout: Rollout) -> str | None:
        longest = max(len(words(part)) for part in (rollout.response.reasoning or "").split("\n\n"))
        return f"a paragraph of {longest} words" if longest > self.most_words else None


@dataclass(frozen=True)
class NoCodeInReasoning:
    """Leaves out reasoning with a fenced block of code (paper v2, B.3.3: code blocks)."""

    def __call__(self, rollout: Rollout) -> str | None:
        return "a code block in the reasoning" if "```" in (rollout.response.reasoning or "") else None


def screened(group: Group, filters: Mapping[str, ResponseFilter], keep: int) -> tuple[list[Rollout], Counter[str]]:
    """The first `keep` different responses of a question that all filters leave, and how many each has taken out.

    "repeats" and "enough" are those that say the same as one before, and those that came after the last.
    """
    kept: list[Rollout] = []
    gone: Counter[str] = Counter()
    for rollout in group.rollouts:
        name = next((name for name, judge in filters.items() if judge(rollout) is not None), None)
        if name is None:
            same = any(rollout.response.text == other.response.text for other in kept)
            name = "repeats" if same else "enough" if len(kept) == keep else None
        if name is None:
            kept.append(rollout)
        else:
            gone[name] += 1
    return kept, gone


def _require_share(name: str, value: float) -> None:
    if not (is_number(value) and 0 <= value <= 1):
        raise ConfigError(f"{name} is not between 0 and 1.", f"{name}={value}", f"{name}=0.5")
