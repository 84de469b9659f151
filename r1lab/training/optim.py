"""The optimizer and its learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from r1lab.errors import TrainingError
from r1lab.functional.schedules import Points, is_number, require

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class AdamW:
    """AdamW with gradient clipping; the paper names neither optimizer nor betas, so all but lr is ours."""

    lr: float | Points | Any
    """Learning rate, or its schedule over steps."""
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    max_grad_norm: float
    """Gradients are scaled down to this norm."""

    def __post_init__(self):
        for name in ("beta1", "beta2", "eps", "weight_decay"):
            if not is_number(value := getattr(self, name)):
                raise ValueError(f"{name} must be a number, the same at every step, found {value}")
        for name in ("lr", "beta1", "beta2", "eps", "weight_decay"):
            require(name, getattr(self, name), 0)
        require("max_grad_norm", self.max_grad_norm, 0, above=True)

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The torch optimizer over the parameters that train; its learning rate is set before every step."""
        import torch

        return torch.optim.AdamW(
            [p for p in parameters if p.requires_grad],
            lr=0.0,
            betas=(self.beta1, self.beta2),
            eps=self.eps,
            weight_decay=self.weight_decay,
            fused=True,
        )


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> float:
    """Scales gradients to at most `max_norm` and returns the norm before; sharded gradients count as a whole.

    Raises TrainingError when the norm is not finite: a step on it would destroy the weights.
    """
    import torch

    norm = torch.nn.utils.clip_grad_norm_([p for p in parameters if p.grad is not None], max_norm)
    norm = norm.full_tensor() if hasattr(norm, "full_tensor") else norm
    if not torch.isfinite(norm):
        raise TrainingError(
            "The gradient is not finite; the weights were left as they are.",
            f"gradient norm {float(norm)}",
            "Lower optim.lr or objective.surrogate.clip_high. The last checkpoint is whole.",
        )
    return float(norm)


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The same learning rate for all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
