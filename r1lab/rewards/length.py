"""Is the completion within its length: cut or not, the soft penalty of DAPO, and length alone as a control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from r1lab.errors import ConfigError
from r1lab.rewards.rubric import Reward, Weight
from r1lab.types import Rollout, Score


@dataclass(frozen=True)
class FinishedReward(Reward):
    """1 for a completion that ended by itself, 0 for one that the length limit cut."""

    weight: Weight

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        return [
            Score(0.0, reason="cut at the length limit") if rollout.completion.truncated else Score(1.0, reason="ended")
            for rollout in rollouts
        ]


@dataclass(frozen=True)
class SoftOverlong(Reward):
    """0 up to max - cache tokens, then falling in a straight line to -1 at max. Source: DAPO (2025), Eq. 13.

    A completion that any limit cut gets -1: in DAPO the limit of sampling is max_tokens, so that it is the same there.

    Example: with 20,480 and 4,096 tokens, 16,384 tokens get 0, 18,432 get -0.5, 20,480 and more get -1.
    """

    weight: Weight
    max_tokens: int
    """Tokens of a completion, end token included, from which the penalty is whole."""
    cache_tokens: int
    """Tokens before that over which it grows."""
    maximum: ClassVar[float] = 0.0

    def __post_init__(self):
        if not 0 < self.cache_tokens <= self.max_tokens:
            raise ConfigError(
                "The soft penalty grows over the last cache_tokens of max_tokens.",
                f"cache_tokens={self.cache_tokens}, max_tokens={self.max_tokens}",
                "Try cache_tokens a fifth of max_tokens, as DAPO does.",
            )

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        return [self._score(rollout) for rollout in rollouts]

    def _score(self, rollout: Rollout) -> Score:
        num_tokens, free = len(rollout.completion), self.max_tokens - self.cache_tokens
        if rollout.completion.truncated:
            return Score(-1.0, reason="cut at the length limit")
        if num_tokens <= free:
            return Score(0.0, reason=f"{num_tokens} tokens, {free} are free")
        over = (num_tokens - free) / self.cache_tokens
        return Score(max(-over, -1.0), reason=f"{num_tokens} tokens, {num_tokens - free} more than {free}")


@dataclass(frozen=True)
class LengthOnly(Reward):
    """Control: the longer the better, 1 from full_tokens on; with a negative weight the shorter.

    Example: 16 tokens of full_tokens = 64 get 0.25.
    """

    weight: Weight
    full_tokens: int
    """Tokens of a completion, end token included, that get 1."""
    knows_gold: ClassVar[bool] = False

    def __post_init__(self):
        if self.full_tokens < 1:
            raise ConfigError(
                "Full marks need at least one token.", f"full_tokens={self.full_tokens}", "full_tokens=64"
            )

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        lengths = [len(rollout.completion) for rollout in rollouts]
        return [Score(min(length / self.full_tokens, 1.0), reason=f"{length} tokens") for length in lengths]
