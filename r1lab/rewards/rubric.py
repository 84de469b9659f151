"""What a reward is, and how named, weighted rewards become the one number that trains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

from r1lab.errors import VerifierError
from r1lab.functional.schedules import Points, Schedule, as_schedule
from r1lab.rewards.calls import DEADLINE_S, Given, asked, called
from r1lab.types import Question, Rollout, Score

Weight = float | Points | Schedule
"""A number, or a schedule over steps: [[0, 0.0], [1300, 1.0]]."""


@runtime_checkable
class Reward(Protocol):
    """Scores completions; a component is a frozen dataclass that inherits from this and defines ``__call__``."""

    weight: Weight
    """Factor of the value in the sum that trains; 0 records the score and trains nothing."""
    maximum: ClassVar[float] = 1.0
    """The highest value it gives."""
    deadline_s: float = DEADLINE_S
    """Seconds that a class which r1lab does not define may take for the completions of a question, or the run ends."""
    knows_gold: ClassVar[bool] = True
    """Whether a gold completion must score the maximum; controls that ignore the truth say no."""

    def __call__(self, rollouts: Sequence[Rollout]) -> Sequence[Given]:
        """One score, number or None (no opinion) per rollout, in order; an exception makes all of them a CRASH.

        While a run samples, a call has the completions of one question.
        """
        ...

    @property
    def aspect(self) -> str:
        """The aspect of general prompts that it alone is for, "" where it is for all questions."""
        return ""

    def faults(self) -> list[str]:
        """What cannot work, seen before anything is loaded: "key: why", by the key below the reward."""
        return []

    def informed(self, questions: Sequence[Question]) -> Reward:
        """The reward that knows what the first phase asks, over all ranks; most have no use for it."""
        return self

    def close(self) -> None:
        """Give back what it holds: processes, connections."""


@dataclass(frozen=True)
class Rubric:
    """Named rewards and their weighted sum: Reward_rule = Reward_acc + Reward_format (Nature, Eq. 4).

    Example: accuracy 1.0 and format 0.0, both of weight 1, give reward 1.0; accuracy TIMEOUT gives reward None.
    """

    rewards: Mapping[str, Reward]

    def score(self, rollouts: Sequence[Rollout], step: int) -> list[Rollout]:
        """``rollouts`` with scores and reward filled in, weights as of ``step``.

        Errors: VerifierError when a reward does not return one score, number or None per rollout.
        """
        columns = {name: called(name, reward, rollouts) for name, reward in self.rewards.items()}
        weights = self.weights(step)
        scored = []
        for i, rollout in enumerate(rollouts):
            scores = {name: column[i] for name, column in columns.items()}
            scored.append(replace(rollout, scores=scores, reward=weighted_sum(scores, weights)))
        return scored

    def weights(self, step: int) -> dict[str, float]:
        """Weight of each reward at ``step``."""
        return {name: as_schedule(r.weight)(step) for name, r in self.rewards.items()}

    def faults(self, place: str) -> list[str]:
        """What keeps the rewards from working; `place` is where they stand in the configuration."""
        faults = {name: faults_of(name, reward) for name, reward in self.rewards.items()}
        return [f"{place}.{name}.{fault}" for name, found in faults.items() for fault in found]

    def close(self) -> None:
        """Closes all of them. Raises VerifierError or LeftError where one fails."""
        with ExitStack() as closing:
            for name, reward in reversed(self.rewards.items()):
                closing.callback(_close, name, reward)


def _close(name: str, reward: Reward) -> None:
    with asked(name, reward, "close"):
        reward.close()


def informed(rewards: Mapping[str, Reward], questions: Sequence[Question]) -> dict[str, Reward]:
    """The rewards, by name, that know what is asked: what meets in a call need not be all of it."""
    told = {}
    for name, reward in rewards.items():
        with asked(name, reward, "informed"):
            told[name] = reward.informed(questions)
    return told


def faults_of(name: str, reward: Reward) -> list[str]:
    """What keeps one reward from working."""
    with asked(name, reward, "aspect"):  # some versions of Python ask for it here, others do not
        is_one = isinstance(reward, Reward) and reward.aspect is not None
    if not is_one:
        function = getattr(reward, "func", reward)  # _partial_: true
        path = f"{getattr(function, '__module__', '...')}.{getattr(function, '__qualname__', '...')}"
        return [f"_target_ is no reward. For a function: +reward@rewards.{name}=own rewards.{name}.function={path}"]
    with asked(name, reward, "faults"):
        return [*weight_faults(reward.weight), *deadline_faults(reward.deadline_s), *reward.faults()]


def deadline_faults(seconds: float) -> list[str]:
    """Why a deadline is no number of seconds."""
    if isinstance(seconds, (int, float)) and seconds > 0:
        return []
    return [f"deadline_s: a number of seconds above 0, found {seconds!r}. Try deadline_s={DEADLINE_S:g}"]


def weight_faults(weight: Weight) -> list[str]:
    """Why a weight is no number and no schedule; a reward does not look at its own."""
    try:
        as_schedule(weight)
    except ValueError as error:
        return [f"weight: {error} Try weight=1.0"]
    return []


def counts(reward: Reward) -> bool:
    """Whether a reward's weight is other than 0 at any step."""
    return as_schedule(reward.weight).bounds != (0, 0)


def weighted_sum(scores: Mapping[str, Score], weights: Mapping[str, float]) -> float | None:
    """Sum of weight times value over the rewards that have an opinion.

    None where a score that counts is a fault or a disagreement, or where every reward that counts abstained.

    >>> weighted_sum({"accuracy": Score(1.0), "format": Score(0.0)}, {"accuracy": 1.0, "format": 1.0})
    1.0
    """
    counting = [name for name in scores if weights[name] != 0]
    counted = [name for name in counting if not scores[name].abstained]
    if not all(scores[name].judged for name in counted) or (counting and not counted):
        return None
    return float(sum(weights[name] * scores[name].value for name in counted))


def judged_by(rollouts: Sequence[Rollout]) -> set[str]:
    """The rewards that have judged any of these completions."""
    return {name for rollout in rollouts for name, score in rollout.scores.items() if score.judged}


@dataclass(frozen=True)
class FaultBudget:
    """How large a share of scores may be faults before the run stops: timeouts, crashes, what cannot be read.

    A judge that disagrees with itself is no fault (two responses were too much alike for it), nor is a reward that
    abstains.
    """

    max_share: float
    """Of the scores of any one reward, 0 to 1."""
    min_scores: int
    """Fewer scores than this are too few to judge a share by; phases that have fewer are judged together."""

    def __post_init__(self):
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"max_share must be between 0 and 1, found {self.max_share}")

    def __call__(self, rollouts: Sequence[Rollout], last: bool = False, judging: Collection[str] = ()) -> bool:
        """Whether there are scores enough to judge by. `last`: no more will come, so that fewer must do.

        judging: the rewards that have judged other completions of the run.

        Errors: VerifierError, with one of the broken scores shown, when the budget is exceeded; also when with the
        `last` scores some reward has judged none at all.
        """
        scores = [(rollout, name, score) for rollout in rollouts for name, score in rollout.scores.items()]
        enough = len(scores) >= self.min_scores
        if not scores or not (enough or last):
            return False
        faults = [item for item in scores if item[2].status.is_fault]
        given, broken = (Counter(name for _, name, _ in items) for items in (scores, faults))
        silent = broken.keys() - judged_by(rollouts) - set(judging) if last else set()
        # a reward that never fails must not hide one that often does
        over = [n for n in broken if n in silent or (enough and broken[n] > self.max_share * given[n])]
        if not over:
            return enough
        worst = max(over, key=lambda name: broken[name] / given[name])
        rollout, name, score = next(item for item in faults if item[1] == worst)
        raise VerifierError(
            f"{broken[worst]} of {given[worst]} {worst} scores are faults of verifiers or data, "
            + ("and none was judged." if worst in silent else f"more than {self.max_share:.0%}."),
            f"{name}: {score.status} ({score.reason}) on question {rollout.question.id}, "
            f"gold {rollout.question.answer[:200]!r}, answer {(rollout.response.answer or '')[:200]!r}",
            "Mend the question or the verifier; the scores table has all of them, with status and reason.",
        )
