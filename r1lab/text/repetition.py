"""How much of a text has been said before in the same words: the share of its n-grams that occurred earlier in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

_PIECE = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]|[^\W_]{1,20}|[^\w\s]|_"
)
"""A Chinese or Japanese character, a word or number (of twenty characters at most, so that "hahaha..." is many), or a
sign."""


@dataclass(frozen=True)
class Repetition:
    """What ``repetition`` found.

    Example: ``Repetition(share=0.5, first="so the answer is 12")``
    """

    share: float
    """N-grams that occurred before over all n-grams; 0 where the text is shorter than one."""
    first: str
    """The text of the first n-gram that did; "" where there is none."""


def repetition(text: str, n: int) -> Repetition:
    """Share of repeated n-grams over words, numbers, Chinese characters and signs, letter case aside; linear time.

    A text that says everything twice has a share of about one half; one that repeats a short phrase for ever nears 1.

    >>> repetition("no no no no no", n=2)
    Repetition(share=0.75, first='no no')
    """
    words = [word.casefold() for word in _PIECE.findall(text)]
    num_grams = len(words) - n + 1
    if num_grams < 2:
        return Repetition(0.0, "")
    grams = [hash(gram) for gram in zip(*(islice(words, start, None) for start in range(n)))]
    num_repeated = num_grams - len(set(grams))
    if num_repeated == 0:
        return Repetition(0.0, "")
    place = _first_repeated(grams)
    pieces = list(islice(_PIECE.finditer(text), place, place + n))
    return Repetition(num_repeated / num_grams, text[pieces[0].start() : pieces[-1].end()])


def _first_repeated(grams: list[int]) -> int:
    seen: set[int] = set()
    for place, gram in enumerate(grams):
        if gram in seen:
            return place
        seen.add(gram)
    raise AssertionError("no n-gram is repeated")
