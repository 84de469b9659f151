"""Calls a reward: whatever it returns or raises becomes one score per completion, or a clear error."""

from __future__ import annotations

import copy
import inspect
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from numbers import Real
from typing import Any

from r1lab.errors import R1LabError, Terminated, VerifierError
from r1lab.leaving import inside, staying, within
from r1lab.types import Rollout, Score, Status

Given = Score | float | None
"""What a reward may give to a completion; None is no opinion."""

DEADLINE_S = 600.0
"""Seconds that a reward of one's own may take for the completions of a question. Source: ours, far above any use."""
PASSING = (R1LabError, KeyboardInterrupt, Terminated)
"""What is no fault of a reward that raises it."""
NO_OPINION = Score(0.0, Status.ABSTAINED, "no opinion")


def called(name: str, reward: Callable[[Sequence[Rollout]], Any], rollouts: Sequence[Rollout]) -> list[Score]:
    """One score per rollout, in order.

    A number is a score, None is ABSTAINED; whatever is raised but an interrupt, `sys.exit` and `os._exit` too, makes
    every score a CRASH with the reason, and so does a value that is nan or infinite. Errors of r1lab itself pass
    through. A reward of one's own is given copies, and `deadline_s` for the completions of each question, after which
    the run ends.

    Raises:
        VerifierError: the reward returned something else, or not one entry per rollout.
    """
    start, own = time.perf_counter(), is_own(reward)
    judged = copies(rollouts) if own else rollouts
    with deadline(name, reward, rollouts) if own else nullcontext():
        try:
            with inside(f"Reward {name}", module_of(reward)):
                given = reward(judged)
        except PASSING:
            raise
        except BaseException as error:
            given = [crash(error)] * len(rollouts)
    scores = [_score(name, reward, entry) for entry in _entries(name, reward, given, len(rollouts))]
    ms = 1000 * (time.perf_counter() - start) / max(len(rollouts), 1)
    return [score if score.ms else replace(score, ms=ms) for score in scores]


def copies(rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The same completions; whatever is done to these changes nothing of those that train."""
    seen: dict[int, Any] = {}
    return [
        replace(
            rollout,
            question=copy.deepcopy(rollout.question, seen),
            prompt_ids=rollout.prompt_ids.clone(),
            completion=replace(
                rollout.completion, ids=rollout.completion.ids.clone(), logprobs=rollout.completion.logprobs.clone()
            ),
            response=copy.copy(rollout.response),
            scores=dict(rollout.scores),
        )
        for rollout in rollouts
    ]


def crash(error: BaseException) -> Score:
    """The score where a reward has raised an error."""
    return Score(0.0, Status.CRASH, f"{type(error).__name__}: {_text(error)}")


@contextmanager
def asked(name: str, reward: Any, what: str) -> Iterator[None]:
    """A block in which a reward does something else than judge. Raises VerifierError: it fails, or it leaves."""
    try:
        with staying(f"Reward {name}", module_of(reward)):
            yield
    except R1LabError:
        raise
    except Exception as error:
        raise VerifierError(
            f"Reward {name} fails in {what}.",
            f"{_source(reward)}: {type(error).__name__}: {_text(error)}",
            f"Mend {what} of {_source(reward)}.",
        ) from error


def is_own(reward: Any) -> bool:
    """Whether it calls code that r1lab does not define: a class of one's own, or one that names its `source`."""
    return hasattr(reward, "source") or not type(reward).__module__.startswith("r1lab.")


def module_of(reward: Any) -> str:
    """Where the code of a reward is defined."""
    return reward.source.rpartition(".")[0] if hasattr(reward, "source") else type(reward).__module__


def deadline(name: str, reward: Any, rollouts: Sequence[Rollout]) -> AbstractContextManager[None]:
    """A block in which these completions are judged; the run ends where it takes longer than `deadline_s` allows."""
    first, questions = rollouts[0].question.id if rollouts else "", len({r.question.id for r in rollouts})
    seconds = reward.deadline_s * max(questions, 1)
    asked = f"question {first}" if questions <= 1 else f"{questions} questions from {first} on"
    late = VerifierError(
        f"Reward {name} has not returned after {seconds:g} seconds: the run ends.",
        f"deadline_s={reward.deadline_s:g} for the completions of a question; {asked}",
        f"Mend {_source(reward)}, or {_more(name, reward)}. The same command goes on from the last checkpoint.",
    )
    return within(seconds, late, module_of(reward))


def _more(name: str, reward: Any) -> str:
    """How a reward is given more time."""
    more = f"{2 * reward.deadline_s:g}"
    if is_dataclass(reward) and any(field.name == "deadline_s" for field in fields(reward)):
        return f"type rewards.{name}.deadline_s={more} (evaluation.rewards.{name} where it judges there)"
    return f"write deadline_s = {more} into the class {type(reward).__qualname__}"


def _entries(name: str, reward: Any, given: Any, count: int) -> list[Any]:
    """What a reward returned, as a list of one entry per rollout."""
    if hasattr(given, "tolist"):  # a tensor or an array
        given = _plain(name, reward, given, "tolist")
    if not isinstance(given, (list, tuple)):
        if inspect.isawaitable(given):
            getattr(given, "close", lambda: None)()
        raise _wrong(name, reward, f"it returned {_shown(given)}")
    if len(given) != count:
        raise _wrong(name, reward, f"it returned {len(given)} entries for {count} completions")
    return list(given)


def _score(name: str, reward: Any, entry: Any) -> Score:
    if entry is None:
        return NO_OPINION
    score = entry if isinstance(entry, Score) else Score(entry)
    if not isinstance(score.status, str) or score.status not in list(Status):
        raise _wrong(name, reward, f"one of its entries is a Score with the status {_shown(score.status)}")
    unjudged = score.value is None and score.status != Status.OK
    value = 0.0 if unjudged else _number(name, reward, entry, score.value)
    if not math.isfinite(value):
        return Score(0.0, Status.CRASH, f"value is {value}")
    ms = score.ms if isinstance(score.ms, Real) and math.isfinite(score.ms) else 0.0
    return replace(score, value=value, status=Status(score.status), ms=float(ms))


def _number(name: str, reward: Any, entry: Any, value: Any) -> float:
    """A number of Python, or a scalar of torch or numpy."""
    if getattr(value, "ndim", None) == 0:
        value = _plain(name, reward, value, "item")
    if not isinstance(value, Real):
        in_score = "a Score of " if isinstance(entry, Score) else ""
        raise _wrong(name, reward, f"one of its entries is {in_score}{_shown(value)}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _plain(name: str, reward: Any, value: Any, method: str) -> Any:
    """A tensor or an array as values of Python."""
    try:
        return getattr(value, method)()
    except Exception as error:
        raise _wrong(name, reward, f"{_shown(value)} cannot be read ({_text(error)})") from error


def _shown(value: Any) -> str:
    kind = type(value).__name__
    return "a coroutine, as an async function does" if inspect.isawaitable(value) else f"{kind} {_text(value)[:60]!r}"


def _text(value: Any) -> str:
    """What it says of itself, where it can."""
    try:
        return str(value)
    except Exception as error:
        return f"(its text fails with {type(error).__name__})"


def _source(reward: Any) -> str:
    return getattr(reward, "source", type(reward).__qualname__)


def _wrong(name: str, reward: Any, found: str) -> VerifierError:
    source = _source(reward)
    return VerifierError(
        f"Reward {name} must return a list with one number, Score or None for each completion.",
        f"{source}: {found}",
        f"Mend {source}: def reward(rollouts): return [1.0 for rollout in rollouts]",
    )
