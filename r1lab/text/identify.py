"""Which language a sentence is in, among languages of one script: by function words, by script alone, by a model."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar, Protocol

from r1lab.errors import ConfigError
from r1lab.text.function_words import FUNCTION_WORDS, LETTERS

LEAD = 2
"""Words that must speak for another language more than for the target: "die" and "on" are words of several."""
MAX_MODEL_CHARACTERS = 2000
"""A model reads so much of a sentence: what follows says the same."""

_CYRILLIC = frozenset({"ru", "uk"})
_LISTED = {
    word: tuple(language for language, words in FUNCTION_WORDS.items() if word in words)
    for word in frozenset().union(*FUNCTION_WORDS.values())
}
"""Function word -> the languages that have it."""
_STRANGE = {
    language: re.compile(f"(?![a-z{letters}])[\u00df-\u024f\u0430-\u052f\u1e01-\u1eff]")
    for language, letters in LETTERS.items()
}
"""For each language the accented or Cyrillic letters that it does not write."""


class Identifier(Protocol):
    """Names the language of a sentence that is written in the target's script."""

    def __call__(self, words: Sequence[str], target: str) -> str | None:
        """ISO 639-1 code; None where the words do not tell."""
        ...


@dataclass(frozen=True)
class ByScript:
    """Whatever is written in the target's script is in the target language.

    Example: ``ByScript()(["die", "Antwort"], "en")`` is "en".
    """

    def __call__(self, words: Sequence[str], target: str) -> str:
        return target


@dataclass(frozen=True)
class ByFunctionWords:
    """The language whose function words are the most frequent; "other" where strange letters are.

    In doubt a sentence is in the target language: another one must lead by two words. A target that has no list of
    words is told by script alone.

    Examples: ``ByFunctionWords()(["die", "Antwort", "ist", "nicht", "sieben"], "en")`` is "de";
    ``ByFunctionWords()(["sečteme", "všechna", "čísla"], "en")`` is "other".
    """

    def __call__(self, words: Sequence[str], target: str) -> str | None:
        if target not in FUNCTION_WORDS:
            return target
        lowered = [word.lower() for word in words]
        found = Counter(language for word in lowered for language in _LISTED.get(word, ()))
        hits = Counter({lang: n for lang, n in found.items() if (lang in _CYRILLIC) == (target in _CYRILLIC)})
        hits["other"] = sum(not word.isascii() and bool(_STRANGE[target].search(word)) for word in lowered)
        best = max(sorted(hits), key=hits.__getitem__)
        if hits[best] >= hits[target] + LEAD:
            return best
        return target if hits[target] else None


@dataclass(frozen=True)
class _ByModel(ABC):
    """What both models share. Errors: ConfigError when the package is missing, before anything runs."""

    languages: Sequence[str]
    """ISO 639-1 codes to choose from; a target that is not among them is told by script alone."""
    min_words: int
    """Shorter sentences do not tell."""
    package: ClassVar[str]
    module: ClassVar[str]

    def __post_init__(self):
        if find_spec(self.module) is None:
            raise ConfigError(
                f"The package {self.package} is not installed.",
                f"{type(self).__name__}, which asks its model",
                "pip install 'r1lab[language]', or take reward language, which needs nothing.",
            )

    def __call__(self, words: Sequence[str], target: str) -> str | None:
        if target not in self.languages:
            return target
        return self.ask(" ".join(words)[:MAX_MODEL_CHARACTERS]) if len(words) >= self.min_words else None

    @abstractmethod
    def ask(self, text: str) -> str | None:
        """The model's answer, one of ``languages``; None where it has none."""


@dataclass(frozen=True)
class ByLangid(_ByModel):
    """The model of the package py3langid."""

    package: ClassVar[str] = "py3langid"
    module: ClassVar[str] = "py3langid"

    @cached_property
    def model(self) -> Any:
        """Loaded when first needed."""
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        model = LanguageIdentifier.from_model_file(MODEL_FILE)
        model.set_languages(list(self.languages))
        return model

    def ask(self, text: str) -> str:
        return self.model.classify(text)[0]


@dataclass(frozen=True)
class ByLingua(_ByModel):
    """The n-gram models of the package lingua-language-detector: slower, made for short texts."""

    package: ClassVar[str] = "lingua-language-detector"
    module: ClassVar[str] = "lingua"

    @cached_property
    def model(self) -> Any:
        """Loaded when first needed."""
        from lingua import IsoCode639_1, LanguageDetectorBuilder

        codes = [getattr(IsoCode639_1, code.upper()) for code in self.languages]
        return LanguageDetectorBuilder.from_iso_codes_639_1(*codes).build()

    def ask(self, text: str) -> str | None:
        language = self.model.detect_language_of(text)
        return language.iso_code_639_1.name.lower() if language else None
