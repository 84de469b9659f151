"""One Lightning Trainer, with all that r1lab does itself switched off."""

from __future__ import annotations

import gc
import logging
import signal
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import lightning as L

from r1lab.errors import Terminated
from r1lab.training.strategy import Strategy


def build_trainer(strategy: Strategy, callbacks: Sequence[Any] = (), logger: Any = None) -> L.Trainer:
    """A Trainer for one pass over the batches it is given; checkpoints, progress and records are callbacks of ours."""
    quiet()
    return L.Trainer(
        **strategy.trainer_arguments(),
        max_epochs=1,
        callbacks=[SigtermEndsTraining(), *callbacks],
        logger=logger or False,
        precision=None,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def fit(trainer: L.Trainer, module: L.LightningModule, batches: Any) -> None:
    """Trains; Ctrl-C raises KeyboardInterrupt and SIGTERM Terminated, where Lightning would leave with 1 and 0."""
    gc.freeze()  # what is there stays: no collection need look at it again
    try:
        trainer.fit(module, batches)
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        gc.unfreeze()  # or the models of a pipeline's nodes would all stay


class SigtermEndsTraining(L.Callback):
    """SIGTERM raises Terminated at once: Lightning's handler waits for all ranks, which may wait for this one."""

    def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, _terminate)  # Lightning puts back what was there before the fit


def _terminate(*_: Any) -> None:
    raise Terminated


def quiet() -> None:
    """Silences Lightning's advice that does not hold here; its errors still raise."""
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*")
