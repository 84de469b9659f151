"""Demonstrations as questions for a better wording of them: what a model refines (paper v2, B.3.2).

The answer, the domain and the language stay, so that what comes back is judged as the demonstration was.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from r1lab.artifacts.address import is_artifact
from r1lab.config.reference import is_reference
from r1lab.data.demonstrations import demonstrations_file, read_demonstrations
from r1lab.data.digests import data_digest
from r1lab.data.pools import FilePool
from r1lab.errors import ConfigError, DataError
from r1lab.functional.rng import seed_of
from r1lab.text.language import primary
from r1lab.types import Question

REFINES = "refines"
"""The detail that keeps id and text of the question whose demonstration is to be refined."""
PLACES = ("{question}", "{response}", "{language}")


@dataclass(frozen=True)
class Refinements:
    """Questions that ask for each demonstration in better words; all of them are for training."""

    path: str | None
    """An artifact of demonstrations, or a JSONL file of them."""
    instruction: str
    """Holds {question}, {response} and {language}."""
    languages: Mapping[str, str] = field(default_factory=dict)
    """The names of languages by which the instruction speaks of them; others go by their code."""

    def __post_init__(self):
        if missing := [place for place in PLACES if place not in self.instruction]:
            found = f"no {', '.join(missing)} in {self.instruction[:60]!r}"
            raise ConfigError("The instruction does not name all that it is about.", found, " ".join(PLACES))

    def digests(self) -> dict[str, str]:
        """The digest of the file; an artifact is named by its own. Raises DataError."""
        if self.path is None or is_artifact(self.path):
            return {}
        return {"demonstrations": data_digest(demonstrations_file(self.path))}

    def load(self, name: str) -> FilePool:
        """Read the demonstrations. Raises DataError."""
        if self.path is None or is_reference(self.path):
            remedy = "mix.path=artifact:demonstrations/ADDRESS, or a JSONL file"
            raise DataError("There are no demonstrations to refine.", f"path={self.path}", remedy)
        return FilePool(
            [self.question(shown.question, shown.response) for shown in read_demonstrations([self.path])], []
        )

    def question(self, asked: Question, response: str) -> Question:
        """The question that asks for a better wording of a response."""
        language = self.languages.get(primary(asked.language), asked.language)
        # in one pass over the instruction, so that braces in a response do no harm
        parts = {"{question}": asked.text, "{response}": response.strip(), "{language}": language}
        text = "".join(parts.get(piece, piece) for piece in _pieces(self.instruction))
        # two demonstrations of one question are two questions here
        own = f"{asked.id}/{seed_of(response):016x}"
        return replace(
            asked, id=own, text=text, details={**asked.details, REFINES: {"id": asked.id, "text": asked.text}}
        )


def refined(question: Question) -> Question:
    """The question that a refined response answers: the one before, for a question that asks for a better wording."""
    if REFINES not in question.details:
        return question
    details = dict(question.details)
    return replace(question, **details.pop(REFINES), details=details)


def _pieces(text: str) -> list[str]:
    """The text in pieces, each place a piece of its own.

    >>> _pieces("Say {response} in {language}.")
    ['Say ', '{response}', ' in ', '{language}', '.']
    """
    return re.split(f"({'|'.join(map(re.escape, PLACES))})", text)
