"""The contract between a policy that trains and whatever samples from it: prompt ids in, completions out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from r1lab.types import Completion

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SamplingParams:
    """How to draw: temperature 0 is greedy, top_p 1 and top_k 0 leave the distribution whole."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    stop_ids: tuple[int, ...] = ()
    """Any of these ends a completion and is its last id."""

    def __post_init__(self):
        if self.max_new_tokens < 1 or self.temperature < 0 or not 0 < self.top_p <= 1 or self.top_k < 0:
            raise ValueError(
                f"max_new_tokens >= 1, temperature >= 0, 0 < top_p <= 1 and top_k >= 0 are needed, found {self}"
            )


@dataclass(frozen=True, eq=False)
class Request:
    """One prompt and the seeds of the completions wanted: one completion a seed, so a group is one request."""

    prompt_ids: Tensor
    """[L] int64."""
    seeds: tuple[int, ...]
    """[G] the random stream of each completion; the same seed draws the same numbers wherever it runs."""
    max_new_tokens: tuple[int, ...] | None = None
    """[G] a limit for each completion, where it is below the one of SamplingParams."""


class Engine(Protocol):
    """Anything that samples. It knows nothing of text, rewards or gradients."""

    version: int
    """Number of optimizer steps behind the weights it samples with; every completion is tagged with it."""

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Ids with which the model itself ends a text."""
        ...

    def generate(self, requests: Sequence[Request], params: SamplingParams) -> Iterator[tuple[int, list[Completion]]]:
        """Yields (index of the request, its completions in the order of its seeds), whole groups, as they finish."""
        ...
