"""The loop that supervised stages share: steps over batches of places, from wherever the run stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from r1lab.stages.base import Context
from r1lab.training.strategy import Strategy

if TYPE_CHECKING:
    from lightning import Callback

    from r1lab.training.checkpoint import Checkpoints
    from r1lab.training.memory import FitMemory
    from r1lab.training.updates import SupervisedModule


def train_steps(
    context: Context,
    strategy: Strategy,
    order: Sequence[Sequence[int]],
    example: Callable[[int], Any],
    make: Callable[[], SupervisedModule],
    tokenizer: Any,
    columns: Mapping[str, str],
    memory: FitMemory,
    show: Callable[[Any], Callback],
    checkpoint_steps: int,
    keep_checkpoints: int,
) -> Checkpoints:
    """Does the steps of `order` that are not done yet and returns the checkpoints; all ranks call it.

    order: places of the examples of each step; every rank takes its share of each. `example` gives what the module
    takes for a place, or None for one that is left out, `show` a callback for the progress line, which is given.
    """
    from r1lab.records.loggers import JsonlLog
    from r1lab.records.progress import track
    from r1lab.stages.watch import Checkpointer, StepLog
    from r1lab.training.checkpoint import Checkpoints
    from r1lab.training.trainer import build_trainer, fit

    checkpoints = Checkpoints(context.folder / "checkpoints", keep_checkpoints)
    newest, state = checkpoints.newest(context.say) or (None, None)
    done, log = state["step"] if state else 0, JsonlLog(context.folder / "log.jsonl")
    if done:
        context.say(f"Going on from step {done} of {len(order)}")
    if context.first_rank:
        log.truncate_from(done + 1)
        if lacking := log.lacking(done):
            context.say(f"log.jsonl has lost the lines of {len(lacking)} of {done} steps: the report leaves them out")
        checkpoints.drop_after(done)
    if done >= len(order):
        return checkpoints
    with ExitStack() as stack:
        mirror = stack.enter_context(context.mirror())
        module = make()
        if state:
            module.go_on(state)
        progress = stack.enter_context(
            track(len(order), "training", columns, module.step, quiet=not context.first_rank)
        )
        callbacks = [
            memory,
            show(progress),
            StepLog(log, mirror),
            # last: a checkpoint vouches for the rows before it
            Checkpointer(checkpoints, tokenizer, checkpoint_steps, len(order), newest),
        ]
        trainer = build_trainer(strategy, callbacks)
        fit(trainer, module, shares(order[done:], example, trainer.global_rank, trainer.world_size))
    return checkpoints


def shares(
    order: Sequence[Sequence[int]], example: Callable[[int], Any], rank: int, world_size: int
) -> Iterator[list[Any]]:
    """This rank's examples of each step, without those that are None.

    >>> list(shares([[4, 2, 9], [7]], str, rank=1, world_size=2))
    [['2'], []]
    """
    for places in order:
        yield [one for place in places[rank::world_size] if (one := example(place)) is not None]
