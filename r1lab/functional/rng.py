"""Counter-based randomness: a draw is a function of (seed, place), so a resumed or re-sharded run draws the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 / golden ratio: steps that never meet, as in splitmix64."""
_FEISTEL_ROUNDS = 8


def seed_of(*parts: int | str) -> int:
    """Return a 63-bit seed of the parts, the same in every process and on every platform.

    Types and borders count: ``seed_of(1, "2")``, ``seed_of("1", 2)`` and ``seed_of(12)`` differ.
    Example: ``seed_of("run", step, question.id, sample)``. Raises TypeError on any other type.
    """
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        if type(part) not in (int, str):
            raise TypeError(f"seed_of takes int and str, not {type(part).__name__}: {part!r}")
        payload = str(part).encode()
        # The length makes borders unambiguous, the letter keeps 1 and "1" apart.
        digest.update(f"{type(part).__name__[0]}{len(payload)}:".encode() + payload)
    return int.from_bytes(digest.digest(), "little") >> 1


def _mix(bits: int | np.ndarray) -> int | np.ndarray:
    """Scramble 64 bits (the finalizer of splitmix64, Steele et al. 2014), for one int or an array of uint64."""
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def _hashes(seeds: Sequence[int], start: int, count: int) -> np.ndarray:
    """Return [N, count] uint64, entry (n, i) a hash of (seeds[n], start + i)."""
    keys = _mix(np.array(seeds, dtype=np.uint64))[:, None]
    places = np.arange(start, start + count, dtype=np.uint64)[None]
    # The key enters twice: streams whose counters happen to meet still differ afterwards.
    return _mix(_mix(keys + places * _GOLDEN) ^ keys)


def uniform_array(seeds: Sequence[int], start: int, count: int) -> np.ndarray:
    """Return [N, count] float64 in [0, 1), one stream per seed; entry (n, i) depends on (seeds[n], start + i) alone.

    Example: ``uniform_array(seeds, 0, 8)[:, 4:]`` equals ``uniform_array(seeds, 4, 4)`` bit for bit.
    """
    assert start >= 0 and count >= 0
    return (_hashes(seeds, start, count) >> 11) * 2.0**-53


def uniforms(seeds: Sequence[int], start: int, count: int) -> Tensor:
    """Return ``uniform_array`` as a tensor: [N, count] float64 in [0, 1)."""
    import torch

    return torch.from_numpy(uniform_array(seeds, start, count))


def permutation(n: int, seed: int) -> list[int]:
    """Return range(n) in an order that depends on the seed alone, not on the platform or the version of a library."""
    return np.argsort(_hashes([seed], 0, n)[0], kind="stable").tolist()


def hashed_index(cursor: int, n: int, seed: int) -> int:
    """Return the element of range(n) at place ``cursor`` of an endless sequence of epochs, each its own permutation.

    Needs no memory: a Feistel network permutes the next power of four, and places outside range(n) walk on.
    Example: for n=3, cursors 0, 1, 2 visit 0, 1, 2 in some order, cursors 3, 4, 5 again in another.
    """
    assert cursor >= 0 and n >= 1
    epoch, place = divmod(cursor, n)
    key = seed_of(seed, epoch)
    while (place := _feistel(place, half=max(1, ((n - 1).bit_length() + 1) // 2), key=key)) >= n:
        pass
    return place


def _feistel(place: int, half: int, key: int) -> int:
    """Permute the numbers of ``2 * half`` bits."""
    left, right = place >> half, place & ((1 << half) - 1)
    for number in range(1, _FEISTEL_ROUNDS + 1):
        scrambled = _mix((key + number * _GOLDEN + right) & _MASK)
        left, right = right, left ^ (scrambled & ((1 << half) - 1))
    return left << half | right
