r"""The words of a text, sentence by sentence, as a measure of language counts them.

A word is a run of letters of one script. In scripts without spaces between words it is a share of one: a Chinese
character counts two thirds of a word, so that a text weighs about the same in either language and translating half of
it leaves a share of about one half.

Neutral, of no language, are: numbers; Latin or Greek names of one letter; Latin names of two letters, unless one has
an accent or they are a function word of some language ("ab", "kg"; not "is"); words of capitals only ("GCD", "ABC");
units and functions ("mph", "sin"); and whatever ``markup_spans`` finds: formulas, code, links, tags, identifiers. Only
Latin letters are neutral there: Chinese in a formula or in a comment is Chinese. So that prose cannot hide,
``PROSE_WORDS`` neutral words in a row, parted by little but spaces and commas, do count, and so do s p a c e d letters.
What still hides is fewer than that at a time, with something else in between, and words written as LaTeX commands.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from r1lab.text.function_words import SHORT_WORDS
from r1lab.text.markup import Span, markup_spans

PROSE_WORDS = 6
"""So many words in a row are prose wherever they stand; `import numpy as np` has fewer, a sentence more."""
CHARACTERS_PER_WORD = {"han": 1.5, "kana": 4.0, "thai": 5.0, "lao": 5.0, "tibetan": 5.0, "burmese": 5.0, "khmer": 5.0}
"""Characters that say as much as an English word. Han: 1.36 in the mathematical sentence pairs of our tests, 1.73 in
5,000 translated messages of free software; kana and Thai after such messages; the others after Thai."""
MAX_LETTERS = 30
"""A longer run of letters is words without spaces, of ``GLUED_LETTERS`` each."""
GLUED_LETTERS = 5

_LATIN = "A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1d00-\u1dbf\u1e00-\u1eff\u2c60-\u2c7f\ua722-\ua7ff"
_LATIN += "\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d7cb"
_HAN = "\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_KANA = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7a3\uffa1-\uffdc"
_CYRILLIC = "\u0400-\u052f\u1c80-\u1c88\u2de0-\u2dff\ua640-\ua69f"
_GREEK = "\u0370-\u03ff\u1f00-\u1ffc"
# Vowel signs are no letters to Python, so words of these blocks are whatever is neither digit nor punctuation.
_BLOCKS = "\u0531-\u10ff\u1200-\u1cff\ua840-\ua95f\ua980-\uabff\ufb13-\ufdff\ufe70-\ufefc"
_MARKS = "\u0589\u058a\u05be\u05c0\u05c3\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u0e3f\u0e4f\u0e5a\u0e5b"
_MARKS += "\u0f0b-\u0f14\u104a-\u104f\u10fb\u1361-\u1368\u17d4-\u17db"
_END = r"(?:[.!?…](?=\s)|[\n。！？\u061f\u06d4\u0964])"
_PIECE = re.compile(
    rf"(?=[^\W\d_]|{_END})(?:"  # most characters begin nothing: one look instead of ten
    rf"(?P<spaced>(?<![{_LATIN}])(?:[{_LATIN}] ){{7,}}[{_LATIN}](?![{_LATIN}]))"
    rf"|(?P<latin>[{_LATIN}]+)|(?P<han>[{_HAN}]+)|(?P<kana>[{_KANA}]+)"
    rf"|(?P<end>{_END})"
    rf"|(?P<cyrillic>[{_CYRILLIC}]+)|(?P<greek>[{_GREEK}]+)|(?P<hangul>[{_HANGUL}]+)"
    rf"|(?P<block>(?:(?![\d\s{_MARKS}])[{_BLOCKS}])+)|(?P<other>[^\W\d_\u0000-\u052f\u1e00-\u2bff\u3000-\u33ff]+))"
)
_BLOCK_STARTS = (
    (0x0531, "armenian"), (0x0590, "hebrew"), (0x0600, "arabic"), (0x0700, "other"), (0x0750, "arabic"),
    (0x0780, "other"), (0x08A0, "arabic"), (0x0900, "devanagari"), (0x0980, "bengali"), (0x0A00, "gurmukhi"),
    (0x0A80, "gujarati"), (0x0B00, "oriya"), (0x0B80, "tamil"), (0x0C00, "telugu"), (0x0C80, "kannada"),
    (0x0D00, "malayalam"), (0x0D80, "sinhala"), (0x0E00, "thai"), (0x0E80, "lao"), (0x0F00, "tibetan"),
    (0x1000, "burmese"), (0x10A0, "georgian"), (0x1200, "ethiopic"), (0x13A0, "other"), (0x1780, "khmer"),
    (0x1800, "mongolian"), (0x18B0, "other"), (0x1C90, "georgian"), (0x1CC0, "other"), (0xFB13, "armenian"),
    (0xFB1D, "hebrew"), (0xFB50, "arabic"),
)  # fmt: skip
_STARTS = [start for start, _ in _BLOCK_STARTS]
# Marks above letters and signs without width: with one between every two letters no word would be left.
_UNSEEN = re.compile("[\u00ad\u0300-\u036f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]+")
_BETWEEN = " \t,~'’‘`$_{}\\-"
"""What may part two words of one stretch of prose; a line break may not."""
_FUNCTIONS_AND_UNITS = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log exp lim max min mod gcd lcm det sqrt deg rad "
    "mph kmh rpm usd eur cny rmb lbs hrs sec mol kwh mhz ghz"
)
_NEUTRAL = frozenset(_FUNCTIONS_AND_UNITS.split())


class Word(NamedTuple):
    """A run of letters and how many words it counts.

    Example: ``Word("han", "三角形", 2.0)``
    """

    script: str
    text: str
    count: float


def sentences(text: str) -> Iterator[list[Word]]:
    """The words that are of some language, in sentences that end at a full stop or a line break.

    >>> [[word.text for word in sentence] for sentence in sentences("Let x be 3 km. 所以 GCD(4, 6) = 2.")]
    [['Let', 'be'], ['所以']]
    """
    text = _UNSEEN.sub("", text) if not text.isascii() else text
    markup = _Reach(markup_spans(text))
    sentence: list[Word] = []
    stretch: list[Word] = []  # neutral words in a row, which count if there are enough of them
    end = 0
    for match in _PIECE.finditer(text):
        kind, start = match.lastgroup, match.start()
        if kind == "latin" and text[start - 1 : start] == "\\":
            continue  # a LaTeX command
        hidden = kind == "latin" and (markup.covers(start) or match[0].isupper())
        if stretch and not (hidden and not text[end:start].strip(_BETWEEN)):
            sentence += stretch if len(stretch) >= PROSE_WORDS else []
            stretch = []
        end = match.end()
        if kind == "end":
            if sentence:
                yield sentence
            sentence = []
        elif _is_word(kind, match[0]):
            (stretch if hidden else sentence).append(_word(kind, match[0]))
    sentence += stretch if len(stretch) >= PROSE_WORDS else []
    if sentence:
        yield sentence


class _Reach:
    """Whether a place is inside any of some spans, for places that only go up."""

    def __init__(self, spans: list[Span]):
        self._spans, self._next, self._end = spans, 0, 0

    def covers(self, place: int) -> bool:
        while self._next < len(self._spans) and self._spans[self._next][0] <= place:
            self._end = max(self._end, self._spans[self._next][1])
            self._next += 1
        return place < self._end


def _is_word(script: str, run: str) -> bool:
    if script == "latin" and len(run) <= 2:
        accented = len(run) == 2 and not run.isascii() and run[0] < "\uff00"
        return accented or run.lower() in SHORT_WORDS
    if script == "greek":
        return len(run) > 1
    return script != "latin" or len(run) > 7 or run.lower() not in _NEUTRAL


def _word(script: str, run: str) -> Word:
    if script == "spaced":
        return Word("latin", run, run.count(" ") / GLUED_LETTERS)
    if script == "block":
        script = _BLOCK_STARTS[bisect_right(_STARTS, ord(run[0])) - 1][1]
    if script in CHARACTERS_PER_WORD:
        return Word(script, run, len(run) / CHARACTERS_PER_WORD[script])
    return Word(script, run, 1.0 if len(run) <= MAX_LETTERS else len(run) / GLUED_LETTERS)
