"""How much of a text is in a language: words of that language over all words.

Words are those of ``text/words.py``. A word in a script that the target is not written in is not in the target. Where
several languages share the script the whole sentence is judged, by an ``Identifier``; a sentence that does not tell
goes with the one before it, the first with the target. Chinese characters are Japanese in a sentence of which a fifth
or more is kana, otherwise Chinese, simplified or traditional; a title of few characters without kana may be either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from r1lab.text.identify import Identifier
from r1lab.text.words import Word, sentences

KANA_SHARE = 0.2
"""Japanese has about a half of kana; a Chinese sentence that quotes a Japanese word has less than this."""
MAX_TITLE_CHARACTERS = 8
_EAST_ASIAN = ("han", "kana")

SCRIPTS: Mapping[str, frozenset[str]] = {
    language: frozenset(scripts.split())
    for scripts, languages in {
        "latin": "en de fr es it pt nl sv da no nb nn is fi et lv lt pl cs sk sl hr bs ro hu sq tr az uz tk vi id ms "
        "tl jv su sw ha yo ig zu xh so rw af eu ca gl cy ga gd br mt la eo lb ht mg",
        "cyrillic": "ru uk be bg mk kk ky tg mn",
        "latin cyrillic": "sr",
        "greek": "el",
        "hebrew": "he yi",
        "arabic": "ar fa ur ps sd ug ku",
        "devanagari": "hi mr ne sa",
        "bengali": "bn as",
        "gurmukhi": "pa",
        "gujarati": "gu",
        "oriya": "or",
        "tamil": "ta",
        "telugu": "te",
        "kannada": "kn",
        "malayalam": "ml",
        "sinhala": "si",
        "thai": "th",
        "lao": "lo",
        "tibetan": "bo dz",
        "burmese": "my",
        "khmer": "km",
        "georgian": "ka",
        "armenian": "hy",
        "ethiopic": "am ti",
        "hangul": "ko",
        "han": "zh yue",
        "han kana": "ja",
    }.items()
    for language in languages.split()
}
"""ISO 639-1 code (yue: Cantonese) -> the scripts it is written in."""


def primary(code: str) -> str:
    """The language of a code with region or script.

    >>> primary("zh-TW"), primary("en_US")
    ('zh', 'en')
    """
    return code.lower().replace("_", "-").partition("-")[0]


def language_words(text: str, target: str, identify: Identifier) -> dict[str, float]:
    """Number of words of each language, ``target`` first; a foreign script stands under its own name, "latin".

    Errors: KeyError for a target that ``SCRIPTS`` does not know.

    >>> from r1lab.text.identify import ByScript
    >>> language_words("Let us add: 六加三等于九。 So 9.", "en", ByScript())
    {'en': 4.0, 'zh': 4.0}
    """
    words: dict[str, float] = defaultdict(float, {target: 0.0})
    before = target
    for sentence in sentences(text):
        east_asian = [word for word in sentence if word.script in _EAST_ASIAN]
        spaced = [word for word in sentence if word.script not in _EAST_ASIAN]
        own = [word for word in spaced if word.script in SCRIPTS[target]]
        if own:
            before = identify([word.text for word in own], target) or before
        han = _language_of_han(east_asian, target) if east_asian else ""
        for word in east_asian:
            words[han if word.script == "han" else "ja"] += word.count
        for word in spaced:
            words[before if word.script in SCRIPTS[target] else word.script] += word.count
    return dict(words)


def share_of(words: Mapping[str, float], target: str) -> float | None:
    """Words of the target over all words (Nature, Eq. 7); None where there is no word.

    >>> share_of({"en": 3.0, "zh": 1.0}, "en")
    0.75
    """
    total = sum(words.values())
    return words[target] / total if total else None


def _language_of_han(words: list[Word], target: str) -> str:
    """What the Chinese characters among han and kana are: zh, ja, or yue where that is the target."""
    num_han = sum(len(word.text) for word in words if word.script == "han")
    num_kana = sum(len(word.text) for word in words) - num_han
    if num_kana >= KANA_SHARE * (num_han + num_kana):
        return "ja"
    title = num_kana == 0 and num_han <= MAX_TITLE_CHARACTERS
    return target if target == "yue" or (target == "ja" and title) else "zh"
