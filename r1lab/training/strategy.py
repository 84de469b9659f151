"""How many processes hold the model, and how: single, ddp, fsdp (FSDP2 through Lightning), on GPUs and on CPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from r1lab.errors import ConfigError

KINDS = ("auto", "single", "ddp", "fsdp")


@dataclass(frozen=True)
class Strategy:
    """auto: one process on a CPU or one GPU, fsdp on more. All keep groups whole on a rank."""

    kind: str
    devices: int
    """Processes on each node; 0 takes every GPU, or one process on a CPU."""
    num_nodes: int
    accelerator: str
    """auto, cpu or gpu."""
    threads: int
    """CPU threads of torch in each process; 0 leaves torch's own choice."""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConfigError(
                f"There is no strategy {self.kind!r}.", f"strategy.kind={self.kind}", f"One of {', '.join(KINDS)}."
            )
        if self.kind == "single" and self.world_size > 1:
            raise ConfigError(
                "strategy=single is one process.",
                f"devices={self.devices}, num_nodes={self.num_nodes}",
                "Try strategy=fsdp or strategy=ddp.",
            )

    @property
    def on_gpu(self) -> bool:
        return self.accelerator == "gpu" or (self.accelerator == "auto" and torch.cuda.is_available())

    @property
    def local_size(self) -> int:
        """Processes on each node."""
        return self.devices or (torch.cuda.device_count() if self.on_gpu else 1)

    @property
    def world_size(self) -> int:
        return self.local_size * self.num_nodes

    @property
    def resolved(self) -> str:
        """single, ddp or fsdp."""
        if self.kind != "auto":
            return self.kind
        return "single" if self.world_size == 1 else "fsdp"

    def trainer_arguments(self) -> dict[str, Any]:
        """What Lightning's Trainer needs to start these processes."""
        from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy

        lightning_strategy: Any = "auto"
        if self.resolved == "ddp":
            lightning_strategy = DDPStrategy()
        elif self.resolved == "fsdp":
            lightning_strategy = ModelParallelStrategy(data_parallel_size=self.world_size, tensor_parallel_size=1)
        return {
            "strategy": lightning_strategy,
            "accelerator": "gpu" if self.on_gpu else "cpu",
            "devices": self.local_size,
            "num_nodes": self.num_nodes,
        }

    def set_threads(self) -> None:
        """Gives torch its CPU threads."""
        if self.threads:
            torch.set_num_threads(self.threads)
            os.environ["OMP_NUM_THREADS"] = str(self.threads)  # for the processes Lightning starts


def shard(policy: nn.Module, mesh) -> None:
    """FSDP2: one shard group for each transformer layer, one for the rest. In place, before the optimizer is built."""
    from torch.distributed.fsdp import fully_shard

    layer_names = set(policy.model._no_split_modules or ())
    for module in list(policy.model.modules()):
        if type(module).__name__ in layer_names:
            fully_shard(module, mesh=mesh)
    fully_shard(policy, mesh=mesh)
