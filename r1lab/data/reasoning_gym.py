"""Questions of reasoning-gym, its hundred families of generated problems: ``pip install 'r1lab[reasoning_gym]'``."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from r1lab.data.mix import HELDOUT_SEED, HELDOUT_TRIES
from r1lab.data.tasks import TRIES, split_of
from r1lab.errors import ConfigError, DataError
from r1lab.functional.rng import seed_of
from r1lab.types import Question
from r1lab.verifiers.reasoning_gym_scorers import REFUSED, VERSION


@dataclass(frozen=True)
class ReasoningGymSource:
    """Questions without end from data sets of reasoning-gym, drawn in turn; a source and its own pool.

    Training and held-out questions are told apart by the hash of their text.
    Example: ``ReasoningGymSource({"knights_knaves": {"n_people": 2}, "zebra_puzzles": {}})``.
    """

    datasets: Mapping[str, Mapping[str, Any]]
    """Name of each data set, with what its configuration takes."""
    num_train: ClassVar[None] = None
    """Not a number of questions: they have no end."""

    def __post_init__(self):
        if refused := {name: REFUSED[name] for name in self.datasets if name in REFUSED}:
            raise ConfigError(
                "Data sets of reasoning-gym whose answers cannot be judged rightly.",
                "; ".join(f"{name}: {why}" for name, why in refused.items()) + f" (tried with {VERSION})",
                f"Leave {', '.join(refused)} out of datasets.",
            )

    def load(self, name: str) -> ReasoningGymSource:
        """Itself, after one question of each split has been made.

        Raises:
            DataError: reasoning-gym is not installed; an unknown data set or a setting it does not take.
        """
        self.train(0, seed=0), self._question(0, HELDOUT_SEED, "heldout")
        return self

    def train(self, cursor: int, seed: int) -> Question:
        """The question at a place of the endless training order."""
        return self._question(cursor, seed, "train")

    def heldout(self, count: int) -> list[Question]:
        """The first `count` different held-out questions, or all that were found."""
        found: dict[str, Question] = {}
        for index in range(HELDOUT_TRIES * count):
            question = self._question(index, HELDOUT_SEED, "heldout")
            found.setdefault(question.id, question)
            if len(found) == count:
                break
        return list(found.values())

    @cached_property
    def _module(self) -> Any:
        try:
            import reasoning_gym
        except ImportError as error:
            raise DataError(
                "reasoning-gym is not installed.",
                str(error),
                "pip install 'r1lab[reasoning_gym]' (two of its packages need a C compiler), or use mix=logic.",
            ) from error
        if (found := importlib.metadata.version("reasoning-gym")) != VERSION:
            raise DataError(
                f"The verdicts of reasoning-gym were tried with version {VERSION} alone.",
                f"reasoning-gym {found}",
                f"pip install reasoning-gym=={VERSION}",
            )
        return reasoning_gym

    def _question(self, index: int, seed: int, split: str) -> Question:
        """Question `index` of a split, the same in every run."""
        names = sorted(self.datasets)
        name = names[index % len(names)]
        for attempt in range(TRIES):
            entry = self._entry(name, seed_of(seed, name, index, attempt) % 2**31)
            if entry is None:
                continue
            text = entry["question"].strip()
            if split_of(text) == split:
                digest = hashlib.sha256(text.encode()).hexdigest()[:16]
                details = {"kind": "reasoning_gym", "metadata": {"source_dataset": name, **entry["metadata"]}}
                return Question(f"{name}-{digest}", text, str(entry["answer"]), "logic", source=name, details=details)
        raise DataError(f"No {split} question was found in {name}.", f"{TRIES} tries", "Widen its settings.")

    def _entry(self, name: str, seed: int) -> Mapping[str, Any] | None:
        """What a data set makes of a seed; None where its generator fails, as that of codeio does now and then."""
        try:
            dataset = self._module.create_dataset(name, seed=seed, size=1, **self.datasets[name])
        except (ValueError, TypeError, AssertionError) as error:
            raise DataError(
                f"reasoning-gym cannot make {name}.",
                f"{type(error).__name__}: {error}, settings {dict(self.datasets[name])}",
                "Choose a data set and settings from its GALLERY.md.",
            ) from error
        try:
            entry = dataset[0]
        except Exception:
            return None
        if entry["answer"] is None:
            raise DataError(f"{name} of reasoning-gym gives no gold answer.", "answer None", "Leave it out of the mix.")
        return entry
