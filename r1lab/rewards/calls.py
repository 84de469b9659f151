"""Calls a reward: whatever it returns or raises becomes one score per completion, or a clear error."""

from __future__ import annotations

import inspect
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Real
from typing import Any

from r1lab.errors import R1LabError, VerifierError
from r1lab.types import Rollout, Score, Status

Given = Score | float | None
"""What a reward may give to a completion; None is no opinion."""

NO_OPINION = Score(0.0, Status.ABSTAINED, "no opinion")


def called(name: str, reward: Callable[[Sequence[Rollout]], Any], rollouts: Sequence[Rollout]) -> list[Score]:
    """One score per rollout, in order.

    A number is a score, None is ABSTAINED; an exception, `sys.exit` and `os._exit` make every score a CRASH with the
    reason, and so does a value that is nan or infinite. Errors of r1lab itself pass through.

    Raises:
        VerifierError: the reward returned something else, or not one entry per rollout.
    """
    start = time.perf_counter()
    try:
        with _no_exit():
            given = reward(rollouts)
    except R1LabError:
        raise
    except (Exception, SystemExit) as error:
        given = [Score(0.0, Status.CRASH, f"{type(error).__name__}: {error}")] * len(rollouts)
    scores = [_score(name, reward, entry) for entry in _entries(name, reward, given, len(rollouts))]
    ms = 1000 * (time.perf_counter() - start) / max(len(rollouts), 1)
    return [score if score.ms else replace(score, ms=ms) for score in scores]


def _entries(name: str, reward: Any, given: Any, count: int) -> list[Any]:
    """What a reward returned, as a list of one entry per rollout."""
    if hasattr(given, "tolist"):  # a tensor or an array
        given = given.tolist()
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
    if isinstance(entry, Score):
        score = entry
    else:
        value = entry.item() if getattr(entry, "ndim", None) == 0 else entry  # a scalar of torch or numpy
        if not isinstance(value, Real):
            raise _wrong(name, reward, f"one of its entries is {_shown(entry)}")
        score = Score(float(value))
    if math.isfinite(score.value):
        return score
    return Score(0.0, Status.CRASH, f"value is {score.value}", score.ms)


def _shown(value: Any) -> str:
    kind = type(value).__name__
    return "a coroutine, as an async function does" if inspect.isawaitable(value) else f"{kind} {str(value)[:60]!r}"


def _wrong(name: str, reward: Any, found: str) -> VerifierError:
    source = getattr(reward, "source", type(reward).__qualname__)
    return VerifierError(
        f"Reward {name} must return a list with one number, Score or None for each completion.",
        f"{source}: {found}",
        f"Mend {source}: def reward(rollouts): return [1.0 for rollout in rollouts]",
    )


_inside = threading.local()
"""`process`: the process whose reward runs in this thread."""


@contextmanager
def _no_exit() -> Iterator[None]:
    """`os._exit` in this thread raises SystemExit, so that a reward cannot end the run as if all were well.

    A child that the reward forks may leave as usual.
    """
    if os._exit is not _guarded_exit:
        os._exit = _guarded_exit
    _inside.process = os.getpid()
    try:
        yield
    finally:
        _inside.process = None


_real_exit = os._exit


def _guarded_exit(status: int) -> None:
    if getattr(_inside, "process", None) == os.getpid():
        raise SystemExit(f"the reward called os._exit({status})")
    _real_exit(status)
