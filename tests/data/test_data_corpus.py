"""The pretraining corpus: shares as asked for, form that says nothing about correctness."""

import re

import pytest

from r1lab.data.corpus import FORMS, Corpus, example
from r1lab.data.tasks import FAMILIES, LANGUAGES, LEVELS, generate, split_of
from r1lab.errors import ConfigError

EVEN = {form: 1.0 for form in FORMS}
SHARES = {"worked": 0.4, "hasty": 0.3, "worked_slips": 0.25, "hasty_slips": 0.5, "noticed": 0.4, "lucky": 0.2}


def corpus(**changes):
    settings = {
        "seed": 1,
        "textbook": 0,
        "families": tuple(FAMILIES),
        "levels": LEVELS,
        "languages": LANGUAGES,
        "forms": EVEN,
    }
    return Corpus(**{**settings, **SHARES, "other_language": 0.2, **changes})


def answer_of(text):
    found = re.findall(r"(?:<answer> |answer is |答案是)(-?\d+)", text)
    return found[-1]


def test_texts_are_the_same_in_every_run_and_of_the_train_split():
    texts = [corpus().text(i) for i in range(200)]
    assert texts == [corpus().text(i) for i in range(200)]
    assert texts != [corpus(seed=2).text(i) for i in range(200)]
    assert all(split_of(question.text) == "train" for question, _ in texts)


def test_kinds_of_reasoning_have_their_shares():
    texts = [text for _, text in map(corpus().text, range(3000))]
    worked = sum("First" in text or "先算" in text for text in texts) / 3000
    guessed = sum("I guess" in text or "我猜" in text for text in texts) / 3000
    assert worked == pytest.approx(0.4, abs=0.03)  # three standard errors: 3 * sqrt(.4*.6/3000) = 0.027
    assert guessed == pytest.approx(0.3, abs=0.03)


def test_form_does_not_predict_correctness():
    right = {"tagged": [], "other": []}
    for question, text in map(corpus().text, range(6000)):
        form = "tagged" if re.fullmatch(r" <think> [^<]* </think> <answer> [^<]* </answer>", text) else "other"
        right[form].append(answer_of(text) == question.answer)
    tagged, other = (sum(values) / len(values) for values in right.values())
    # both: worked .4*(1-.25*.6)=.34, hasty .3*.5=.15, guesses .3*.2=.06, together .55
    assert tagged == pytest.approx(other, abs=0.05)
    assert other == pytest.approx(0.55, abs=0.05)


def test_the_textbook_comes_first():
    texts = [corpus(textbook=50).text(i) for i in range(300)]
    assert all("First" in text or "先算" in text for _, text in texts[:50])
    assert all(answer_of(text) == question.answer for question, text in texts[:50])
    assert texts[50:] == [corpus().text(i) for i in range(50, 300)]


def test_a_clean_worked_text_is_right_and_a_noticed_slip_is_mended():
    clean = corpus(worked=1.0, hasty=0.0, worked_slips=0.0)
    assert all(answer_of(text) == question.answer for question, text in map(clean.text, range(100)))
    mended = [corpus(worked=1.0, hasty=0.0, worked_slips=1.0, noticed=1.0).text(i) for i in range(100)]
    assert all(answer_of(text) == question.answer for question, text in mended)
    assert all("wait" in text or "不对" in text for _, text in mended)
    wrong = corpus(worked=0.0, hasty=0.0, lucky=0.0)
    assert not any(answer_of(text) == question.answer for question, text in map(wrong.text, range(100)))


def test_languages_mix():
    other = 0
    for question, text in map(corpus(other_language=0.25).text, range(2000)):
        words = re.search(r"First|guess|So|先算|猜|所以", text)
        other += bool(words) and (words[0].isascii() != (question.language == "en"))
    assert 0.1 < other / 2000 < 0.3


def test_the_gold_completion_is_tagged_worked_and_right():
    question = generate(0, 1, ("sums",), (3,), ("en",))
    steps = question.solution.replace(", ", ", then ")
    gold = f" <think> First {steps} </think> <answer> {question.answer} </answer>"
    assert example(question) == gold
    assert question.solution.endswith(f"={question.answer}")


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="tagged, trailing"):
        corpus(forms={"boxed": 1.0})
    with pytest.raises(ConfigError, match="exceed 1"):
        corpus(worked=0.8, hasty=0.3)
