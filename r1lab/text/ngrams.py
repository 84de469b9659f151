"""Words of any script and their n-grams: what two texts share, whatever their case and punctuation.

Every function is one pass over the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Kana and Han: written without spaces, so that each character counts as a word."""
_WORD = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")


def folded(text: str) -> str:
    """The text without what does not tell two texts apart: letter case, width and kind of spaces and characters.

    >>> folded("  What is\\n３＋４? ")
    'what is 3+4?'
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def words(text: str) -> list[str]:
    """Runs of letters and digits, and each Han character by itself; case and punctuation are gone.

    >>> words("It's 3,000 米")
    ['it', 's', '3', '000', '米']
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def ngrams(items: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    """All runs of n neighbors, in order; none where there are fewer items.

    >>> list(ngrams(["a", "b", "c"], 2))
    [('a', 'b'), ('b', 'c')]
    """
    assert n >= 1
    return zip(*(items[start:] for start in range(n)))
