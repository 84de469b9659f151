"""Weights & Biases behind Lightning's logger: a mirror of the rows on disk. Importing it takes seconds: do it late."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from r1lab.disk import plain

log = logging.getLogger(__name__)


class Mirror(WandbLogger):
    """Lightning's W&B logger that falls silent, with a word, when W&B breaks in the middle of a run."""

    _broken = False

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Send one row of numbers."""
        self._try(super().log_metrics, metrics, step)

    @rank_zero_only
    def log_hyperparams(self, params: Any) -> None:
        """Send the configuration."""
        self._try(super().log_hyperparams, params)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End one `fit` or `validate`; the W&B run stays open for what the stage logs after it."""
        self._try(super().finalize, status)

    @rank_zero_only
    def close(self, failed: bool = False) -> None:
        """End the W&B run and wait for its upload."""
        self._try(lambda: self.experiment.finish(exit_code=int(failed)))

    def _try(self, call: Any, *arguments: Any) -> None:
        if self._broken:
            return
        try:
            call(*arguments)
        except Exception as error:  # a mirror must not stop a run
            self._broken = True
            log.warning("W&B broke (%s: %s); the run goes on without it.", type(error).__name__, error)


def has_key() -> bool:
    """Whether a key is configured, by WANDB_API_KEY or netrc; raises what W&B raises where it is not valid."""
    return wandb.login(prompt=False)


def start(
    mode: Literal["online", "offline"], folder: Path, name: str, project: str, config: Mapping[str, Any], run_id: str
) -> Mirror:
    """Start the W&B run on rank 0, and now, so that a failure shows here; raises what W&B raises."""
    names = {"project": project, "name": name}
    if rank_zero_only.rank != 0:
        return Mirror(**names, version=run_id, save_dir=folder)
    if wandb.run is not None:  # of an earlier job of a sweep, which Lightning would take for ours
        wandb.finish()
    # silent: its banner would tear the live progress; no console capture, for the same reason
    settings = wandb.Settings(silent=True, console="off", init_timeout=30)
    run = wandb.init(**names, id=run_id, dir=folder, config=plain(config), mode=mode, resume="allow", settings=settings)
    run.define_metric("trainer/global_step")  # as Lightning does where it starts the run itself
    run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
    return Mirror(**names, version=run_id, save_dir=folder, experiment=run)
