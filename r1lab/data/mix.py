"""Which questions come at which step: sources, their weights, and one integer cursor for each.

A mix remembers nothing. The state goes in and comes out, is plain numbers, and is all that a checkpoint keeps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

from r1lab.data.questions import Fields, is_heldout, read_questions
from r1lab.data.tasks import GeneratedTasks
from r1lab.errors import ConfigError, DataError
from r1lab.functional.rng import hashed_index, permutation, seed_of
from r1lab.functional.schedules import Schedule, as_schedule
from r1lab.types import Question

HELDOUT_SEED = seed_of("heldout")
"""Held-out questions do not follow the run's seed: runs of several seeds are compared on the same questions."""
HELDOUT_TRIES = 20
"""Draws per wanted held-out question before a small family counts as exhausted."""
ROUNDING = 1e-9
"""Debts below this are rounding, not debts."""

State = Mapping[str, Mapping[str, float]]
"""Per source: `cursor`, the questions drawn so far, and `owed`, how far that number lags behind its weight's share."""


class Pool(Protocol):
    """The questions of one source, ready to be drawn."""

    num_train: int | None
    """None where they have no end, 0 where the source is for evaluation alone."""

    def train(self, cursor: int, seed: int) -> Question:
        """The question at a place of the endless training order."""
        ...

    def heldout(self, count: int) -> list[Question]:
        """The first `count` held-out questions, or all where there are fewer: never a training question."""
        ...


class Source(Protocol):
    """Where questions come from."""

    def load(self, name: str) -> Pool:
        """Read what there is to read; `name` becomes the questions' source. Raises DataError."""
        ...


@dataclass(frozen=True)
class GeneratedSource:
    """Generated questions without end, training and held-out questions apart by hash; a source and its own pool."""

    families: Sequence[str]
    levels: Sequence[int]
    languages: Sequence[str]
    num_train: ClassVar[None] = None
    """Not a number of questions: they have no end."""

    def load(self, name: str) -> GeneratedSource:
        """Itself, after one question of each split has been made. Raises DataError."""
        self.train(0, seed=0), self._tasks(HELDOUT_SEED, "heldout")(0)
        return self

    def train(self, cursor: int, seed: int) -> Question:
        """The question at a place of the endless training order."""
        return self._tasks(seed, "train")(cursor)

    def heldout(self, count: int) -> list[Question]:
        """The first `count` different held-out questions, or all that were found where the families are small."""
        tasks, found = self._tasks(HELDOUT_SEED, "heldout"), {}
        for index in range(HELDOUT_TRIES * count):
            question = tasks(index)
            found.setdefault(question.id, question)
            if len(found) == count:
                break
        return list(found.values())

    def _tasks(self, seed: int, split: str) -> GeneratedTasks:
        return GeneratedTasks(seed, split, tuple(self.families), tuple(self.levels), tuple(self.languages))


@dataclass(frozen=True)
class FileSource:
    """Questions of a folder's files, or of a hub data set's splits (path ``hub:owner/name[/config]``).

    Example: GSM8K has ``train: train.jsonl, heldout: test.jsonl``; SVAMP, one file, names it twice with
    ``heldout_share: 0.2``; AIME, for evaluation alone, has ``train: null``.
    """

    path: str | None
    """The folder; None until a command names it."""
    train: str | None
    heldout: str | None
    fields: Fields
    heldout_share: float | None = None
    """The part of the rows, by the hash of their text, held out where both are the same file."""
    where: Mapping[str, str] | None = None
    """Keeps the rows whose columns match these regular expressions in full."""

    def __post_init__(self):
        if (self.train is None and self.heldout is None) or (self.train == self.heldout) != bool(self.heldout_share):
            raise ConfigError(
                "A file source needs one file for each split, or one file twice and the share that is held out.",
                f"train={self.train}, heldout={self.heldout}, heldout_share={self.heldout_share}",
                "Give train=train.jsonl heldout=test.jsonl, or the same file twice with heldout_share=0.2.",
            )
        if self.heldout_share is not None and not 0 < self.heldout_share < 1:
            raise ConfigError("heldout_share is not between 0 and 1.", f"{self.heldout_share}", "heldout_share=0.2")

    def load(self, name: str) -> FilePool:
        """Read the files. Raises DataError."""
        if self.path is None:
            files = " and ".join(sorted({file for file in (self.train, self.heldout) if file}))
            raise DataError("The folder of the data is not given.", "path=null", f"mix.path=FOLDER, with {files} in it")
        train, heldout = (self._read(file, name) for file in (self.train, self.heldout))
        if self.heldout_share is not None:
            train = [question for question in train if not is_heldout(question.text, self.heldout_share)]
            heldout = [question for question in heldout if is_heldout(question.text, self.heldout_share)]
            if not train or not heldout:
                found = f"{len(train)} training and {len(heldout)} held-out questions"
                raise DataError("A split by hash leaves one side empty.", found, "Change heldout_share.")
        return FilePool(train, heldout)

    def _read(self, file: str | None, name: str) -> list[Question]:
        return read_questions(f"{self.path}/{file}", self.fields, name, self.where) if file else []


@dataclass(frozen=True, eq=False)
class FilePool:
    """Two lists of questions: the training order is a new permutation in each epoch."""

    training: Sequence[Question]
    held_out: Sequence[Question]

    @property
    def num_train(self) -> int:
        return len(self.training)

    def train(self, cursor: int, seed: int) -> Question:
        """The question at a place of the endless training order: every question once in each epoch."""
        return self.training[hashed_index(cursor, len(self.training), seed)]

    def heldout(self, count: int) -> list[Question]:
        """The first `count` questions of one fixed permutation."""
        return [self.held_out[index] for index in permutation(len(self.held_out), HELDOUT_SEED)[:count]]


@dataclass(frozen=True, eq=False)
class Mix:
    """Questions of several sources in the shares of their weights.

    With constant weights the number drawn of each source differs from its exact share by less than one question,
    after any number of questions. Example: weights 3 and 1 draw ``a a a b`` again and again.
    """

    sources: Mapping[str, Source]
    weights: Mapping[str, float | Mapping[int, float] | Schedule]
    """Numbers or schedules over optimizer steps, one for each source; only their proportions count."""
    seed: int
    """Of the training order alone."""
    path: str | None = None
    """The folder that the sources' paths refer to: ``mix.path=FOLDER``."""

    def __post_init__(self):
        if not self.sources or set(self.sources) != set(self.weights):
            raise ConfigError(
                "A mix needs at least one source, and each source a weight.",
                f"sources {sorted(self.sources)}, weights {sorted(self.weights)}",
                f"mix.weights={{{', '.join(f'{name}: 1' for name in self.sources) or 'NAME: 1'}}}",
            )
        try:
            object.__setattr__(self, "weights", {name: as_schedule(self.weights[name]) for name in self.sources})
        except ValueError as error:
            raise ConfigError(
                "A mix's weight is no number and no schedule.", str(error), "mix.weights.NAME=1"
            ) from None

    def check(self, training: bool = True) -> dict[str, int | None]:
        """Read everything early; the number of training questions of each source (None: no end).

        Raises:
            DataError: a source cannot be read, or is for evaluation alone and `training` is meant; all at once.
        """
        pools, shares = self._pools, self.shares(0)
        if training:
            self._check_trainable(shares)
        return {name: pool.num_train for name, pool in pools.items()}

    def start(self) -> State:
        """The state before the first draw."""
        return {name: {"cursor": 0, "owed": 0.0} for name in self.sources}

    def draw(self, state: State, count: int, step: int) -> tuple[list[Question], State]:
        """The next `count` questions and the state after them, a function of the arguments alone.

        Raises:
            DataError: the state is another mix's; no weight is positive; a source is for evaluation alone.
        """
        if set(state) != set(self.sources):
            raise DataError("This state is another mix's.", f"{sorted(state)}", f"This mix has {sorted(self.sources)}.")
        shares, pools = self.shares(step), self._pools
        self._check_trainable(shares)
        cursors = {name: int(state[name]["cursor"]) for name in self.sources}
        owed = {name: state[name]["owed"] for name in self.sources}
        questions = []
        for _ in range(count):
            name = _take(owed, shares)
            questions.append(pools[name].train(cursors[name], seed_of(self.seed, name)))
            cursors[name] += 1
        return questions, {name: {"cursor": cursors[name], "owed": owed[name]} for name in self.sources}

    def heldout(self, count: int) -> list[Question]:
        """The first `count` questions for evaluation, or all where there are fewer; the same for every seed.

        Shared out as the weights of step 0; a source that has no more leaves its part to the others.

        Raises:
            DataError: a source with a weight has no held-out question.
        """
        shares = dict(self.shares(0))
        waiting = {name: self._pools[name].heldout(count)[::-1] for name in shares}
        if empty := [name for name, questions in waiting.items() if not questions]:
            raise DataError("A source has no held-out questions.", ", ".join(empty), "Set its weight to 0.")
        owed, questions = dict.fromkeys(shares, 0.0), []
        while shares and len(questions) < count:
            name = _take(owed, shares)
            questions.append(waiting[name].pop())
            if not waiting[name]:
                del shares[name], owed[name]
                shares = {other: share / sum(shares.values()) for other, share in shares.items()}
        return questions

    def shares(self, step: int) -> dict[str, float]:
        """The sources with a positive weight at `step`, weights scaled to sum to 1. Raises DataError."""
        weights = {name: weight(step) for name, weight in self.weights.items()}
        if min(weights.values()) < 0 or sum(weights.values()) == 0:
            raise DataError(f"The mix has no usable weights at step {step}.", f"{weights}", "Weights are 0 or more.")
        return {name: weight / sum(weights.values()) for name, weight in weights.items() if weight}

    @cached_property
    def _pools(self) -> dict[str, Pool]:
        pools, faults = {}, []
        for name, source in self.sources.items():
            try:
                pools[name] = source.load(name)
            except DataError as error:
                faults.append(DataError(f"Source {name} of the mix: {error.wrong}", error.found, error.remedy))
        if len(faults) > 1:
            raise DataError(f"{len(faults)} sources of the mix cannot be used.\n" + "\n".join(map(str, faults)))
        if faults:
            raise faults[0]
        return pools

    def _check_trainable(self, shares: Mapping[str, float]):
        if barred := [name for name in shares if self._pools[name].num_train == 0]:
            raise DataError(
                f"{', '.join(barred)} is for evaluation alone: it has no training questions.",
                f"weights {', '.join(f'{name}={share:g}' for name, share in shares.items())}",
                "Train on another mix, such as mix=local or mix=gsm8k.",
            )


def _take(owed: dict[str, float], shares: Mapping[str, float]) -> str:
    """The source of the next question; `owed` is brought up to date in place.

    Of the sources that would not run ahead of their share, the one whose next question is due first: this order
    keeps every prefix within one question of its share (Balinski and Young, The quota method of apportionment, 1975).
    """
    # a source that a schedule has silenced may keep what is owed to it, so that nobody else is behind: then all may go
    behind = [name for name in shares if owed[name] + shares[name] > ROUNDING] or list(shares)
    taken = min(behind, key=lambda name: (1 - owed[name]) / shares[name])
    for name, share in shares.items():
        owed[name] += share
    owed[taken] -= 1
    return taken
