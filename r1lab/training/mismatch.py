"""How far the sampler's logprobs may be from the trainer's before something is broken."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from r1lab.errors import ConfigError, TrainingError

TYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class MismatchLevels:
    """Levels of `mismatch_mean`, the mean |difference| in nats, by the type that matrix products are computed in.

    Only the first update of a phase is compared, before which the weights are those that sampled: an older sampler, or
    later updates, raise no alarm.
    """

    warn: Mapping[str, float]
    """A phase above it is told on the terminal and in run.json."""
    stop: Mapping[str, float]
    """A phase above it ends the run; the last checkpoint stays."""

    def __post_init__(self):
        for name, levels in (("warn", self.warn), ("stop", self.stop)):
            if set(levels) != set(TYPES) or not all(map(_is_level, levels.values())):
                raise ConfigError(
                    "A mismatch level is a number of nats above 0 for each type.",
                    f"stage.mismatch.{name}={dict(levels)}",
                    f"stage.mismatch.{name}.float32=0.05, and so {', '.join(TYPES[1:])}; .inf switches one off",
                )

    def __call__(self, mean: float, dtype: str, phase: int) -> str | None:
        """What to tell of a phase; None where all is well. Raises TrainingError above the stop level.

        >>> levels = MismatchLevels(dict.fromkeys(TYPES, 0.05), dict.fromkeys(TYPES, 0.2))
        >>> levels(0.01, "float32", 3)
        >>> levels(0.1, "float32", 3)[:67]
        'Mismatch of phase 3: sampler and trainer differ by 0.1 nats a token'
        """
        dtype = dtype if dtype in TYPES else "float32"
        told = f"Mismatch of phase {phase}: sampler and trainer differ by {mean:.2g} nats a token on average in {dtype}"
        if not math.isfinite(mean) or mean > self.stop[dtype]:
            raise TrainingError(
                "The sampler computes other probabilities than the trainer: no ratio of the two means anything.",
                f"{told}, more than {self.stop[dtype]:g}",
                "Look for old weights or another precision in the engine; model.published.attn_implementation=eager "
                f"and model.compute_dtype=float32 are exact. stage.mismatch.stop.{dtype}={mean:.1g} would go on.",
            )
        return f"{told}, more than {self.warn[dtype]:g}" if mean > self.warn[dtype] else None


def _is_level(value: object) -> bool:
    return isinstance(value, int | float) and value > 0
