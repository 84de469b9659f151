"""A plan is made without a network: what only the network knows is left unseen, and told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_unseen: ContextVar[list[str] | None] = ContextVar("unseen", default=None)


@contextmanager
def planning(wanted: bool) -> Iterator[list[str]]:
    """Within the block nothing asks the network, if `wanted`; gives what was left unseen, each once."""
    unseen: list[str] = []
    token = _unseen.set(unseen if wanted else None)
    try:
        yield unseen
    finally:
        _unseen.reset(token)


def left_unseen(what: str) -> bool:
    """Whether a plan is being made, which then leaves this unseen.

    >>> with planning(True) as unseen:
    ...     _ = left_unseen("the model on the hub"), left_unseen("the model on the hub")
    >>> unseen, left_unseen("another")
    (['the model on the hub'], False)
    """
    unseen = _unseen.get()
    if unseen is not None and what not in unseen:
        unseen.append(what)
    return unseen is not None
