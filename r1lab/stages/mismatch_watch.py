"""Watches in every phase how far the sampler's logprobs are from the trainer's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning as L

from r1lab.records.aside import Aside
from r1lab.training.grpo import GRPOModule
from r1lab.training.mismatch import MismatchLevels


@dataclass(eq=False)
class MismatchWatch(L.Callback):
    """Tells of a mismatch above the first level, and ends the run above the second, its rows written."""

    levels: MismatchLevels
    aside: Aside
    tell: Callable[[str], None]

    def on_train_batch_end(self, trainer: L.Trainer, module: GRPOModule, *_: Any) -> None:
        report, dtype = module.report, str(module.policy.product_dtype).removeprefix("torch.")
        try:
            told = self.levels(report.metrics["mismatch_mean"], dtype, report.phase)
        except Exception:
            self.aside.finish()
            raise
        if told:
            self.tell(told)
