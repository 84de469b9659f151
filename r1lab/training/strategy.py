"""How many processes hold the model, and how: single, ddp, fsdp (FSDP2 through Lightning), on GPUs and on CPUs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from r1lab.errors import ConfigError
from r1lab.functional.schedules import require_integer

if TYPE_CHECKING:
    from torch import nn

KINDS = ("auto", "single", "ddp", "fsdp")
ACCELERATORS = ("auto", "cpu", "gpu")
DRIVERS = ("/dev/nvidiactl", "/dev/nvmap", "/dev/kfd", "/dev/dxg")
"""What the drivers of NVIDIA, Jetson, AMD and WSL put there: without any of them there is no GPU to ask torch for."""


@dataclass(frozen=True)
class Strategy:
    """auto: single with one process, ddp on more CPU cores, fsdp on more GPUs. All keep groups whole on a rank."""

    kind: str
    devices: int
    """Processes on each node; 0 takes every GPU, or `cpu_devices` where there is none."""
    num_nodes: int
    accelerator: str
    """auto, cpu or gpu."""
    cpu_devices: int
    """Processes that `devices=0` stands for without a GPU: at most the cores there are, and one under Slurm."""
    threads: int
    """CPU threads of torch in each process; 0 shares the cores out."""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ConfigError(
                f"There is no strategy {self.kind!r}.", f"strategy.kind={self.kind}", f"One of {', '.join(KINDS)}."
            )
        if self.accelerator not in ACCELERATORS:
            raise ConfigError(
                f"There is no accelerator {self.accelerator!r}.",
                f"strategy.accelerator={self.accelerator}",
                f"One of {', '.join(ACCELERATORS)}.",
            )
        for name, low in {"devices": 0, "num_nodes": 1, "cpu_devices": 1, "threads": 0}.items():
            require_integer(f"strategy.{name}", getattr(self, name), low)
        if self.kind == "single" and self.world_size > 1:
            raise ConfigError(
                "strategy=single is one process.",
                f"devices={self.devices}, num_nodes={self.num_nodes}",
                "Try strategy=fsdp or strategy=ddp.",
            )

    @property
    def on_gpu(self) -> bool:
        return self.accelerator == "gpu" or (self.accelerator == "auto" and num_gpus() > 0)

    @property
    def local_size(self) -> int:
        """Processes on each node."""
        if self.devices or self.kind == "single":
            return self.devices or 1
        return (num_gpus() or 1) if self.on_gpu else min(self.cpu_devices, num_cores())

    @property
    def world_size(self) -> int:
        return self.local_size * self.num_nodes

    @property
    def resolved(self) -> str:
        """single, ddp or fsdp."""
        if self.kind != "auto":
            return self.kind
        if self.world_size == 1:
            return "single"
        return "fsdp" if self.on_gpu else "ddp"

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
        """Gives torch its CPU threads: processes that had all cores each would wait for one another."""
        threads = self.threads or (0 if self.local_size == 1 or self.on_gpu else max(1, num_cores() // self.local_size))
        if threads:
            import torch

            torch.set_num_threads(threads)
            os.environ["OMP_NUM_THREADS"] = str(threads)  # for the processes Lightning starts


def num_cores() -> int:
    """CPU cores that this process may start others on; one under Slurm, which starts the processes itself."""
    if "SLURM_NTASKS" in os.environ:
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_gpus() -> int:
    """GPUs that torch can use; torch takes a second to import, and is asked only where there is a driver."""
    if not any(Path(driver).exists() for driver in DRIVERS):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def shard(policy: nn.Module, mesh) -> None:
    """FSDP2: one shard group for each transformer layer, one for the rest. In place, before the optimizer is built."""
    from torch.distributed.fsdp import fully_shard

    layer_names = set(policy.model._no_split_modules or ())
    for module in list(policy.model.modules()):
        if type(module).__name__ in layer_names:
            fully_shard(module, mesh=mesh)
    fully_shard(policy, mesh=mesh)
