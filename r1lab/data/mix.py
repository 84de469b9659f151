"""Which questions come at which step: sources, their weights, and one integer cursor for each.

A mix remembers nothing. The state goes in and comes out, is plain numbers, and is all that a checkpoint keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from r1lab.artifacts.address import is_artifact
from r1lab.data.difficulty import Difficulty, Observation
from r1lab.data.digests import data_digest, digests_of
from r1lab.data.filters import Dropped, Filter
from r1lab.data.pools import HELDOUT_SEED, FilePool, Pool, Source, loaded_pools, sifted_pools
from r1lab.data.questions import is_heldout
from r1lab.data.rows import RowFields, read_rows
from r1lab.data.shares import shares_of, take_turn
from r1lab.data.tasks import GeneratedTasks
from r1lab.errors import ConfigError, DataError
from r1lab.functional.rng import seed_of
from r1lab.functional.schedules import Points, Schedule, as_schedule, require
from r1lab.types import Question

HELDOUT_TRIES = 20
"""Draws per wanted held-out question before a small family counts as exhausted."""

State = Mapping[str, Mapping[str, Any]]
"""Per source: `cursor`, the questions drawn so far, and `owed`, how far that number lags behind its weight's share;
with difficulty pools also the places in each pool."""


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
    fields: RowFields
    """What a row is: a question (`Fields`), a pair or a labeled response (data/preferences.py)."""
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

    def digests(self) -> dict[str, str]:
        """The digest of each file's content, by its name; an artifact is named by its own. Raises DataError."""
        if self.path is not None and is_artifact(self.path):
            return {}
        return {file: data_digest(self._place(file)) for file in sorted({self.train, self.heldout} - {None})}

    def load(self, name: str) -> FilePool:
        """Read the files. Raises DataError."""
        (train, left), (heldout, others) = (self._read(file, name) for file in (self.train, self.heldout))
        if self.heldout_share is not None:
            train = [question for question in train if not is_heldout(question.text, self.heldout_share)]
            heldout = [question for question in heldout if is_heldout(question.text, self.heldout_share)]
            if not train or not heldout:
                found = f"{len(train)} training and {len(heldout)} held-out questions"
                raise DataError("A split by hash leaves one side empty.", found, "Change heldout_share.")
        return FilePool(train, heldout, list(dict.fromkeys(left + others)))

    def _read(self, file: str | None, name: str) -> tuple[list[Question], list[Dropped]]:
        found, left_out = read_rows(self._place(file), self.fields, name, self.where) if file else ([], [])
        return found, [Dropped(name, row, "reader", reason) for row, reason in (why.args for why in left_out)]

    def _place(self, file: str) -> str:
        if self.path is None:
            files = " and ".join(sorted({file for file in (self.train, self.heldout) if file}))
            raise DataError("The folder of the data is not given.", "path=null", f"mix.path=FOLDER, with {files} in it")
        return f"{self.path}/{file}"


@dataclass(frozen=True, eq=False)
class Mix:
    """Questions of several sources in the shares of their weights.

    With constant weights the number drawn of each source differs from its exact share by less than one question,
    after any number of questions. Example: weights 3 and 1 draw ``a a a b`` again and again.
    """

    sources: Mapping[str, Source]
    weights: Mapping[str, float | Points | Schedule]
    """Numbers or schedules over optimizer steps, one for each source; only their proportions count."""
    seed: int
    """Of the training order alone."""
    path: str | None = None
    """The folder that the sources' paths refer to: ``mix.path=FOLDER``."""
    filters: Mapping[str, Filter] = field(default_factory=dict)
    """Applied in this order to the training questions of all sources that have an end; held-out ones stay."""
    difficulty: Difficulty | None = None
    """Pools by observed pass rate; None asks each source's questions in turn."""

    def __post_init__(self):
        if not self.sources or set(self.sources) != set(self.weights):
            raise ConfigError(
                "A mix needs at least one source, and each source a weight.",
                f"sources {sorted(self.sources)}, weights {sorted(self.weights)}",
                f"mix.weights={{{', '.join(f'{name}: 1' for name in self.sources) or 'NAME: 1'}}}",
            )
        object.__setattr__(self, "weights", {name: _weight(name, self.weights[name]) for name in self.sources})

    def faults(self, steps: Iterable[int]) -> list[str]:
        """Steps, of those that draw, at which no source has a weight; seen before anything is read."""
        silent = (step for step in steps if not any(weight(step) for weight in self.weights.values()))
        name = next(iter(self.sources))
        return [f"mix.weights: no source has one at step {s}. Try mix.weights.{name}=1" for s in silent][:1]

    def check(self, training: bool = True, steps: Iterable[int] = (0,)) -> dict[str, int | None]:
        """Read everything early; the number of training questions of each source (None: no end).

        Raises:
            DataError: a source cannot be read, or is for evaluation alone and `training` at one of `steps` is meant;
                all at once.
        """
        for step in steps:
            shares = self.shares(step)
            if training:
                self._check_trainable(shares)
        return {name: pool.num_train for name, pool in (self._training if training else self._pools).items()}

    def digests(self) -> dict[str, str]:
        """What the mix reads, sources and filters, by its place in the mix; nothing where all is generated.

        Part of a run's address: the same command over changed data is another run. Raises DataError.
        """
        return digests_of(self.sources, "sources") | digests_of(self.filters, "filters")

    def start(self) -> State:
        """The state before the first draw."""
        pools = self.difficulty.start if self.difficulty else dict
        return {name: {"cursor": 0, "owed": 0.0, **pools()} for name in self.sources}

    def draw(self, state: State, count: int, step: int) -> tuple[list[Question], State]:
        """The next `count` questions and the state after them, a function of the arguments alone.

        Raises:
            DataError: the state is another mix's; no weight is positive; a source is for evaluation alone.
        """
        if set(state) != set(self.sources):
            raise DataError("This state is another mix's.", f"{sorted(state)}", f"This mix has {sorted(self.sources)}.")
        shares = self.shares(step)
        self._check_trainable(shares)
        after = deepcopy({name: dict(state[name]) for name in self.sources})
        owed = {name: source["owed"] for name, source in after.items()}
        questions = []
        for _ in range(count):
            name = take_turn(owed, shares)
            questions.append(self._next(name, after[name]))
        return questions, {name: {**after[name], "owed": owed[name]} for name in self.sources}

    def examples(self, count: int, steps: Iterable[int]) -> list[Question]:
        """The first `count` training questions of each source that has a weight at any of `steps`. Raises DataError."""
        active = dict.fromkeys(name for step in steps for name in self.shares(step))
        places = [(self._training[name], seed_of(self.seed, name)) for name in active]
        return [pool.train(cursor, seed) for pool, seed in places for cursor in range(count)]

    def observe(self, state: State, seen: Iterable[Observation]) -> State:
        """The state after the pass rates of questions that were drawn before it; nothing changes without pools."""
        if self.difficulty is None:
            return state
        after, seen = deepcopy(dict(state)), list(seen)
        for source in after.values():
            self.difficulty.observe(source, seen)
        return after

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
            name = take_turn(owed, shares)
            questions.append(waiting[name].pop())
            if not waiting[name]:
                del shares[name], owed[name]
                shares = shares_of(shares)
        return questions

    def shares(self, step: int) -> dict[str, float]:
        """The sources with a positive weight at `step`, weights scaled to sum to 1. Raises DataError."""
        weights = {name: weight(step) for name, weight in self.weights.items()}
        if not any(weights.values()):
            remedy = f"mix.weights.{next(iter(weights))}=1"
            raise DataError(f"The mix has no usable weights at step {step}.", f"{weights}", remedy)
        return shares_of(weights)

    @property
    def dropped(self) -> list[Dropped]:
        """What the readers left out of the files and the filters out of the training questions, and why."""
        return self._sifted[1]

    @property
    def unfiltered(self) -> list[str]:
        """The sources whose questions no filter sees, because they are made one by one and have no end."""
        return [name for name, pool in self._pools.items() if not isinstance(pool, FilePool)]

    def _next(self, name: str, state: dict[str, Any]) -> Question:
        """The next question of a source; its state is brought up to date in place."""
        pool, seed = self._training[name], seed_of(self.seed, name)
        if self.difficulty is None:
            state["cursor"] += 1
            return pool.train(state["cursor"] - 1, seed)
        place = self.difficulty.take(state, pool.num_train)
        question = pool.train(place, seed)
        state["asked"][question.id] = place
        return question

    @property
    def _training(self) -> dict[str, Pool]:
        """The pools without what the filters dropped."""
        return self._sifted[0]

    @cached_property
    def _sifted(self) -> tuple[dict[str, Pool], list[Dropped]]:
        return sifted_pools(self._pools, self.filters)

    @cached_property
    def _pools(self) -> dict[str, Pool]:
        return loaded_pools(self.sources)

    def _check_trainable(self, shares: Mapping[str, float]):
        if barred := [name for name in shares if self._pools[name].num_train == 0]:
            raise DataError(
                f"{', '.join(barred)} is for evaluation alone: it has no training questions.",
                f"weights {', '.join(f'{name}={share:g}' for name, share in shares.items())}",
                "Train on another mix, such as mix=local or mix=gsm8k.",
            )


def _weight(name: str, weight: float | Points | Schedule) -> Schedule:
    """A source's weight as a schedule. Raises ConfigError unless it is 0 or more at every step."""
    try:
        require(f"mix.weights.{name}", weight, 0)
    except ValueError as error:
        wrong = f"The weight of the source {name} is no number of 0 or more, and no schedule of them."
        raise ConfigError(wrong, str(error), f"mix.weights.{name}=1") from None
    return as_schedule(weight)
