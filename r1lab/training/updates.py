"""What every module of ours shares: shards, microbatches that add up over all ranks, one clipped step."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import lightning as L
import torch

from r1lab import ranks
from r1lab.functional.aggregate import Counts
from r1lab.functional.packing import pack
from r1lab.models.causal import CausalPolicy, is_sharded
from r1lab.records.timing import Stopwatch
from r1lab.rollouts.batches import Minibatch
from r1lab.training.optim import AdamW, clip_gradients, set_learning_rate
from r1lab.training.strategy import shard


class UpdatingModule(L.LightningModule):
    """A policy, its optimizer, and the steps done; one Lightning batch is whatever a module makes of it."""

    def __init__(self, policy: CausalPolicy, optim: AdamW):
        super().__init__()
        self.automatic_optimization = False
        self.policy, self.optim = policy, optim
        self.step = 0
        """Updates done."""
        self.clock = Stopwatch()

    @property
    def models(self) -> dict[str, CausalPolicy]:
        """What a checkpoint holds beside the optimizers."""
        return {"policy": self.policy}

    @property
    def trained(self) -> dict[str, tuple[CausalPolicy, AdamW]]:
        """Those of the models that learn, each with what makes its optimizer, in the order of the optimizers."""
        return {"policy": (self.policy, self.optim)}

    def take_microbatches(self, tokens: int) -> None:
        """Has each forward and backward take at most so many tokens."""
        raise NotImplementedError

    def configure_model(self) -> None:
        """Shards the models where the strategy asks for it."""
        mesh = self.device_mesh
        if mesh is None or is_sharded(self.policy):
            return
        for model in self.models.values():
            shard(model, mesh["data_parallel"])

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [optim.build(model.parameters()) for model, optim in self.trained.values()]

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch

    def backward_without_sync(self, loss: torch.Tensor) -> None:
        """Adds this microbatch's gradient; over ranks gradients are summed, for the loss carries the global count.

        FSDP2 averages over ranks as it reduces, so its loss is scaled up; DDP is told not to reduce at all and the
        sum is taken once for each step.
        """
        if is_sharded(self.policy):
            self.manual_backward(loss * self.trainer.world_size)
            return
        wrapper = self.trainer.strategy.model
        with wrapper.no_sync() if hasattr(wrapper, "no_sync") else nullcontext():
            self.manual_backward(loss)

    def take_step(self, name: str, optim: AdamW) -> float:
        """One optimizer step of a model with the gradients of all ranks, clipped; returns their norm before."""
        model, _ = self.trained[name]
        optimizer = self.optimizers()
        if len(self.trained) > 1:
            optimizer = optimizer[list(self.trained).index(name)]
        parameters = list(model.parameters())
        if not is_sharded(model):
            ranks.sum_gradients(parameters)
        norm = clip_gradients(parameters, optim.max_grad_norm)
        set_learning_rate(optimizer.optimizer, optim.lr)
        optimizer.step()
        optimizer.zero_grad()
        return norm


class SupervisedModule(UpdatingModule):
    """A module that learns from examples, packed: one Lightning batch is this rank's share of one optimizer step."""

    def __init__(self, policy: CausalPolicy, optim: AdamW, row_tokens: int, microbatch_tokens: int, pad_id: int):
        super().__init__(policy, optim)
        self.row_tokens, self.microbatch_tokens, self.pad_id = row_tokens, microbatch_tokens, pad_id
        self.metrics: dict[str, Any] = {}
        """Numbers of the last step, over all ranks."""

    @property
    def state(self) -> dict[str, Any]:
        """What resuming needs beside weights and optimizer, as plain JSON."""
        return {"step": self.step, "metrics": self.metrics, "seconds": dict(self.clock.seconds)}

    def take_microbatches(self, tokens: int) -> None:
        self.microbatch_tokens = tokens

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Takes up where `state` was written; weights and optimizer come with the checkpoint."""
        self.step, self.metrics = state["step"], state["metrics"]
        self.clock.load(state["seconds"])


def over_all_ranks(packed: Sequence[Minibatch], pad_id: int) -> list[Minibatch]:
    """Minibatches with the counts of all ranks, and as many microbatches as the busiest rank has."""
    totals = ranks.summed([dataclasses.astuple(part.counts) for part in packed])
    sizes = ranks.highest([len(part.batches) for part in packed])
    return [
        Minibatch(
            part.batches + [pack([[]], pad_id)] * (max(size, 1) - len(part.batches)),
            Counts(*(max(number, 1) for number in total)),
        )
        for part, total, size in zip(packed, totals, sizes)
    ]
