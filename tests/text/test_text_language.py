"""The corpus of languages, translations that weigh the same, and who a sentence belongs to."""

import json
from pathlib import Path

import pytest

from r1lab.text.function_words import FUNCTION_WORDS
from r1lab.text.identify import ByFunctionWords, ByScript
from r1lab.text.language import SCRIPTS, language_words, primary, share_of
from r1lab.text.words import sentences

CORPORA = Path(__file__).parents[1] / "corpora"
CASES = [json.loads(line) for line in (CORPORA / "language.jsonl").open()]
PAIRS = [json.loads(line) for line in (CORPORA / "translations.jsonl").open()]
CHARACTERS = {"h": 1.5, "k": 4.0, "t": 5.0}


def number_of_words(written):
    """5, or "3h+8k": three Chinese characters at 1.5 to a word and eight of kana at 4."""
    if not isinstance(written, str):
        return written
    return sum(int(part[:-1]) / CHARACTERS[part[-1]] for part in written.split("+"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['target']} {case['why'][:50]}")
def test_corpus(case):
    expected = {language: number_of_words(written) for language, written in case["words"].items()}
    target = primary(case["target"])
    words = language_words(case["text"], target, ByFunctionWords())
    assert words == pytest.approx(expected)
    total = sum(expected.values())
    assert share_of(words, target) == (pytest.approx(expected[target] / total) if total else None)


def test_corpus_is_large():
    assert len(CASES) >= 80
    assert {case["target"] for case in CASES} >= {"en", "zh", "ja", "ko", "ru", "ar", "hi", "th", "de", "fr"}


def test_half_a_translation_is_about_one_half():
    """Every other sentence in Chinese: the share of either language is near a half, from whichever one starts."""
    for start in (0, 1):
        mixed = "\n".join(pair[("en", "zh")[(place + start) % 2]] for place, pair in enumerate(PAIRS))
        for target in ("en", "zh"):
            assert 0.42 < share_of(language_words(mixed, target, ByFunctionWords()), target) < 0.58
    counts = {
        language: sum(word.count for pair in PAIRS for sentence in sentences(pair[language]) for word in sentence)
        for language in ("en", "zh")
    }
    assert counts["en"] == 264  # counted words, a and I left out
    assert counts["zh"] == pytest.approx(358 / 1.5)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["en"][:30])
def test_translations_are_wholly_in_their_language(pair):
    for language in ("en", "zh"):
        words = language_words(pair[language], language, ByFunctionWords())
        assert share_of(words, language) == 1.0
        assert share_of(language_words(pair[language], "ru", ByFunctionWords()), "ru") == 0.0


def test_gold_solutions_are_english(shared_data):
    """Texts of the real data sets: words in their formulas or names of people do not make them foreign."""
    shares, wordless = [], 0
    for name, key in (("gsm8k", "answer"), ("math500", "solution")):
        for line in (shared_data / name / "test.jsonl").open():
            share = share_of(language_words(json.loads(line)[key], "en", ByFunctionWords()), "en")
            wordless += share is None
            shares += [] if share is None else [share]
    assert len(shares) > 1800 and wordless <= 5
    assert min(shares) > 0.9 and sum(share == 1.0 for share in shares) >= 0.999 * len(shares)


def test_by_script_does_not_tell_latin_languages_apart():
    german = "Wir addieren die Zahlen und teilen dann durch drei."
    assert language_words(german, "en", ByScript()) == {"en": 9}
    assert language_words(german, "zh", ByScript()) == {"zh": 0, "latin": 9}


def test_every_list_belongs_to_a_language_with_a_script():
    assert FUNCTION_WORDS.keys() <= SCRIPTS.keys()
    for language, words in FUNCTION_WORDS.items():
        assert len(words) >= 35, language
        assert all(len(word) >= 2 and word == word.lower() and word.isalpha() for word in words), language


def test_an_unknown_language_is_a_key_error():
    with pytest.raises(KeyError):
        language_words("So it is", "xx", ByScript())


def test_share_of_nothing_is_none():
    assert share_of({"en": 0.0}, "en") is None
    assert share_of({"en": 0.0, "zh": 2.0}, "en") == 0.0
