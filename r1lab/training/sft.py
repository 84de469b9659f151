"""Supervised training on prompts and their completions: the local base, cold start, the second SFT, distillation."""

from __future__ import annotations

import time
from collections.abc import Sequence

import lightning as L

from r1lab import ranks
from r1lab.functional.aggregate import Counts, TokenMean
from r1lab.functional.packing import microbatches
from r1lab.functional.schedules import at_step
from r1lab.records.progress import Progress
from r1lab.rollouts.batches import Minibatch
from r1lab.training.updates import SupervisedModule, over_all_ranks
from r1lab.types import TrainingSample


class SFTModule(SupervisedModule):
    """Next-token training on the completions alone."""

    def training_step(self, samples: Sequence[TrainingSample], _batch_index: int) -> None:
        """The mean over the completion tokens of all ranks, one update."""
        optim = at_step(self.optim, self.step)
        with self.clock("training"):
            counts = Counts(len(samples), sum(len(s.completion_ids) for s in samples))
            packed = microbatches(samples, self.row_tokens, self.microbatch_tokens, self.pad_id)
            (step,) = over_all_ranks([Minibatch(packed, counts)], self.pad_id)
            losses = []
            for batch in step.batches:
                batch = batch.to(self.policy.device)
                logprobs, _ = self.policy.score(batch, temperature=1.0)
                loss = TokenMean()(-logprobs, batch.loss_mask, batch.segments, step.counts)
                self.backward_without_sync(loss)
                losses.append(loss.detach())
            norm = self.take_step("policy", optim)
        self.step += 1
        read = float(sum(batch.num_tokens for batch in packed))
        loss, tokens, shown = ranks.summed([float(sum(losses)), read, float(len(samples))])
        counted = {"tokens": tokens, "tokens_trained": step.counts.tokens, "samples": shown}
        self.metrics = {"loss": loss, **counted, "grad_norm": norm, "lr": optim.lr}


class ShowLoss(L.Callback):
    """Brings loss and speed of every step to the progress line."""

    def __init__(self, progress: Progress):
        self.progress, self.started, self.tokens = progress, time.perf_counter(), 0.0

    def on_train_batch_end(self, trainer: L.Trainer, module: SFTModule, *_) -> None:
        self.tokens += module.metrics["tokens"]
        rate = self.tokens / (time.perf_counter() - self.started)
        self.progress.update(module.step, loss=module.metrics["loss"], tokens_per_second=rate)
