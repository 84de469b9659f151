"""Function words, and the models of packages where they are installed."""

import sys
from importlib.util import find_spec

import pytest

from r1lab.errors import ConfigError
from r1lab.text.identify import ByFunctionWords, ByLangid, ByLingua
from r1lab.text.language import language_words, share_of

LANGUAGES = ("en", "de", "fr", "es", "it")
MODELS = [(ByLangid, "py3langid"), (ByLingua, "lingua")]
SENTENCES = {
    "en": "The train leaves the station two hours after the bus.",
    "de": "Der Zug verlässt den Bahnhof zwei Stunden nach dem Bus.",
    "fr": "Le train quitte la gare deux heures après le bus.",
    "es": "El tren sale de la estación dos horas después del autobús.",
    "it": "Il treno lascia la stazione due ore dopo l'autobus.",
}


def test_the_lead_is_two_words():
    tell = ByFunctionWords()
    assert tell(["die", "summe", "ist", "acht"], "en") == "de"  # die, ist: 2 to 0
    assert tell(["die", "summe", "of", "ist", "acht"], "en") == "en"  # 2 to 1
    assert tell(["die", "summe", "acht"], "en") is None  # 1 to 0 does not tell
    assert tell(["algebra"], "en") is None
    assert tell(["the", "sum", "of", "die"], "de") == "de"  # 2 to 1
    assert tell(["the", "sum", "of", "die"], "fr") == "en"  # 2 to 0


def test_strange_letters_speak_for_another_language():
    tell = ByFunctionWords()
    assert tell(["sečteme", "všechna"], "en") == "other"  # 2 to 0
    assert tell(["café", "naïve", "the"], "en") == "en"  # 2 to 1
    assert tell(["café", "naïve"], "fr") is None  # French writes both
    assert tell(["ｆｕｌｌ", "ｗｉｄｔｈ"], "en") is None  # forms of a to z are not strange


def test_lists_of_another_script_do_not_count():
    assert ByFunctionWords()(["the", "of", "and"], "ru") is None


def test_a_target_without_a_list_keeps_its_sentences():
    assert ByFunctionWords()(["the", "sum", "of", "the", "numbers"], "fi") == "fi"


@pytest.mark.parametrize("target", SENTENCES)
@pytest.mark.parametrize("written", SENTENCES)
def test_function_words_tell_all_pairs(written, target):
    share = share_of(language_words(SENTENCES[written], target, ByFunctionWords()), target)
    assert share == float(written == target)


@pytest.mark.parametrize("model, module", MODELS)
def test_a_missing_package_is_told_before_the_run(model, module, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(ConfigError, match="is not installed") as caught:
        model(languages=LANGUAGES, min_words=3)
    assert "pip install 'r1lab[language]'" in str(caught.value)


@pytest.mark.parametrize("model, module", MODELS)
def test_models_tell_all_pairs(model, module):
    if find_spec(module) is None:
        pytest.skip(f"{module} is not installed: pip install 'r1lab[language]'")
    tell = model(languages=LANGUAGES, min_words=3)
    for written, sentence in SENTENCES.items():
        assert tell(sentence.split(), "en") == written
    assert tell(["hello"], "en") is None
    assert tell(sentence.split(), "fi") == "fi"
