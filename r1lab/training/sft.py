"""Supervised training on prompt-completion pairs: the local base now, cold start and distillation later."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch

from r1lab.functional.aggregate import Counts, TokenMean
from r1lab.functional.packing import microbatches
from r1lab.functional.schedules import at_step
from r1lab.models.causal import CausalPolicy
from r1lab.records.progress import Progress
from r1lab.records.timing import Stopwatch
from r1lab.training.optim import AdamW, clip_gradients, set_learning_rate
from r1lab.types import TrainingSample


class SFTModule(L.LightningModule):
    """Next-token training on the completions of packed samples; one Lightning batch is one optimizer step."""

    def __init__(self, policy: CausalPolicy, optim: AdamW, row_tokens: int, microbatch_tokens: int, pad_id: int):
        super().__init__()
        self.automatic_optimization = False
        self.policy, self.optim = policy, optim
        self.row_tokens, self.microbatch_tokens, self.pad_id = row_tokens, microbatch_tokens, pad_id
        self.step = 0
        """Updates done."""
        self.metrics: dict[str, float] = {}
        """Loss and tokens of the last step."""
        self.clock = Stopwatch()

    @property
    def models(self) -> dict[str, CausalPolicy]:
        """What a checkpoint holds beside the optimizer."""
        return {"policy": self.policy}

    @property
    def state(self) -> dict[str, Any]:
        """What resuming needs beside weights and optimizer, as plain JSON."""
        return {"step": self.step, "metrics": self.metrics, "seconds": dict(self.clock.seconds)}

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state` was written; weights and optimizer come with the checkpoint."""
        self.step, self.metrics = state["step"], state["metrics"]
        self.clock.load(state["seconds"])

    def configure_optimizers(self):
        return self.optim.build(self.policy.parameters())

    def transfer_batch_to_device(self, batch: list[TrainingSample], device, dataloader_idx) -> list[TrainingSample]:
        return batch

    def training_step(self, samples: list[TrainingSample], _batch_index: int) -> None:
        optim = at_step(self.optim, self.step)
        optimizer = self.optimizers()
        counts = Counts(len(samples), sum(len(s.completion_ids) for s in samples))
        total, tokens = torch.zeros(()), 0
        for batch in microbatches(samples, self.row_tokens, self.microbatch_tokens, self.pad_id):
            batch = batch.to(self.policy.device)
            logprobs, _ = self.policy.score(batch, temperature=1.0)
            loss = TokenMean()(-logprobs, batch.loss_mask, batch.segments, counts)
            self.manual_backward(loss)
            total, tokens = total + loss.detach().cpu(), tokens + batch.num_tokens
        clip_gradients(self.policy.parameters(), optim.max_grad_norm)
        set_learning_rate(optimizer.optimizer, optim.lr)
        optimizer.step()
        optimizer.zero_grad()
        self.step += 1
        self.metrics = {"loss": float(total), "tokens": tokens}


class ShowLoss(L.Callback):
    """Brings loss and speed of every step to the progress line."""

    def __init__(self, progress: Progress):
        self.progress, self.started, self.tokens = progress, time.perf_counter(), 0

    def on_train_batch_end(self, trainer: L.Trainer, module: SFTModule, *_) -> None:
        self.tokens += module.metrics["tokens"]
        rate = self.tokens / (time.perf_counter() - self.started)
        self.progress.update(module.step, loss=module.metrics["loss"], tokens_per_second=rate)
