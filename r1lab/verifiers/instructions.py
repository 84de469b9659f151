"""Was an instruction followed: rules on the language, the length and the words of an answer, in ``details["rules"]``.

- ``language``: the share of words in it is at least ``min_language_share``.
- ``least``, ``most``: number of words; each Han character is one.
- ``words``: these occur, letter case aside.
- ``items``: ``{"count": 3, "of": [...]}``: so many different ones of these, separated by commas, and nothing else.
- ``refuses``: true: it says that it will not help; false: it does not say so.

A prompt without rules is nothing for this checker: 0 for every completion, which changes no advantage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from r1lab.text.identify import ByFunctionWords
from r1lab.text.language import SCRIPTS, language_words, primary, share_of
from r1lab.text.ngrams import folded, words
from r1lab.types import Question, Score, Status

MAX_CHARS = 100_000
"""Longer answers are not read."""
REFUSALS = ("will not help", "cannot help", "can't help", "won't help", "不会帮", "不能帮")
"""Ways to say that one will not help; of generated requests, which have a wording of their own."""
_BETWEEN = re.compile(r"[,，、;；\n]|\band\b|和")


@dataclass(frozen=True)
class InstructionChecker:
    """Checks answers to general prompts by the rules that the prompt states.

    Example: "Rain falls." to the rules ``{"words": ["rain"], "most": 3}`` gets 1.
    """

    min_language_share: float
    """Names and single foreign words are common."""

    preload: ClassVar[str] = "r1lab.verifiers.instructions"
    """Nothing heavy: no verdict needs a worker."""

    def cheap(self, answer: str, question: Question) -> Score:
        """Always the verdict; BAD_GOLD where a rule is not known."""
        rules = question.details.get("rules")
        if not rules:
            return Score(0.0, reason="no rules: for reward models and judges to say")
        unknown = [name for name in rules if name not in RULES]
        if unknown or rules.get("language", "en") not in SCRIPTS:
            found = f"rules {', '.join(unknown)}" if unknown else f"language {rules['language']!r}"
            return Score(0.0, Status.BAD_GOLD, f"{found} not known")
        if len(answer) > MAX_CHARS:
            return Score(0.0, reason="no readable answer: too long", extracted=answer[:200])
        faults = (RULES[name](answer, value, self.min_language_share) for name, value in rules.items())
        fault = next(filter(None, faults), "")
        return Score(float(not fault), reason=fault or "all rules are kept", extracted=answer[:200])

    def __call__(self, answer: str, question: Question) -> Score:
        return self.cheap(answer, question)


@dataclass(frozen=True)
class Unjudged:
    """Says of no answer that it is right: the domain's prompts take the rewards of their aspects, and those alone."""

    preload: ClassVar[str] = "r1lab.verifiers.instructions"
    """Nothing heavy."""

    def cheap(self, answer: str, question: Question) -> Score:
        """0, which changes no advantage."""
        return Score(0.0, reason="for reward models and judges to say", extracted=answer[:200])

    def __call__(self, answer: str, question: Question) -> Score:
        return self.cheap(answer, question)


def _language(answer: str, language: str, min_share: float) -> str:
    share = share_of(language_words(answer, primary(language), ByFunctionWords()), primary(language))
    if share is None:
        return "no words"
    return "" if share >= min_share else f"{share:.0%} of the words are {language}"


def _least(answer: str, least: int, _: float) -> str:
    return "" if len(words(answer)) >= least else f"{len(words(answer))} words, fewer than {least}"


def _most(answer: str, most: int, _: float) -> str:
    return "" if len(words(answer)) <= most else f"{len(words(answer))} words, more than {most}"


def _words(answer: str, wanted: Sequence[str], _: float) -> str:
    text, split = folded(answer), set(words(answer))
    # words in scripts without spaces are found anywhere, others only as whole words
    missing = [w for w in wanted if (folded(w) not in split if w.isascii() else folded(w) not in text)]
    return f"{missing[0]} is missing" if missing else ""


def _items(answer: str, items: Mapping[str, Any], _: float) -> str:
    known = {folded(name) for name in items["of"]}
    named = [folded(part).strip(" .。!！") for part in _BETWEEN.split(answer)]
    named = [part for part in named if part]
    if strange := [part for part in named if part not in known]:
        return f"{strange[0][:40]!r} is none of them"
    if len(set(named)) != len(named):
        return "one is named twice"
    return "" if len(named) == items["count"] else f"{len(named)} items, not {items['count']}"


def _refuses(answer: str, wanted: bool, _: float) -> str:
    refuses = any(refusal in folded(answer) for refusal in REFUSALS)
    return "" if refuses == wanted else "it refuses" if refuses else "it does not refuse"


RULES: Mapping[str, Callable[[str, Any, float], str]] = {
    "language": _language,
    "least": _least,
    "most": _most,
    "words": _words,
    "items": _items,
    "refuses": _refuses,
}
"""Each gives what is wrong with an answer, "" where it keeps the rule."""
