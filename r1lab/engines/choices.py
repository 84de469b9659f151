"""The engines of conf/engine, one class each: what a command says of them, without the library that samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from r1lab.errors import ConfigError

if TYPE_CHECKING:
    from r1lab.engines.torch_engine import TorchEngine
    from r1lab.models.causal import CausalPolicy


@dataclass(frozen=True)
class TorchSampler:
    """Sampling in plain torch from the policy that trains; torch is imported when the engine is made."""

    max_rows: int
    """Completions in one batch; more requests are done in turns."""

    def __post_init__(self):
        if self.max_rows < 1:
            raise ConfigError(
                "The engine needs room for a completion.", f"max_rows={self.max_rows}", "engine.max_rows=512"
            )

    def __call__(self, policy: CausalPolicy, pad_id: int) -> TorchEngine:
        """The engine over a policy; `pad_id` fills what is shorter than its neighbors."""
        from r1lab.engines.torch_engine import TorchEngine

        return TorchEngine(policy, pad_id, self.max_rows)
