"""The pretraining corpus: shares as asked for, form that says nothing about correctness."""

import re

import pytest

from r1lab.data.code_tasks import CODE_FAMILIES, CodeSource
from r1lab.data.corpus import FORMS, Corpus, example
from r1lab.data.mix import GeneratedSource
from r1lab.data.problem import SLIPS
from r1lab.data.puzzles import FAMILIES as PUZZLES
from r1lab.data.stem import FAMILIES as STEM
from r1lab.data.tasks import FAMILIES, LANGUAGES, LEVELS, generate, split_of
from r1lab.errors import ConfigError

MATH = GeneratedSource(tuple(FAMILIES), LEVELS, LANGUAGES)
EVEN = {form: 1.0 for form in FORMS}
SHARES = {"worked": 0.4, "hasty": 0.3, "worked_slips": 0.25, "hasty_slips": 0.5, "noticed": 0.4, "lucky": 0.2}


def corpus(**changes):
    settings = {
        "seed": 1,
        "textbook": 0,
        "sources": {"math": MATH},
        "weights": {"math": 1.0},
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


ALL_SOURCES = {
    "math": MATH,
    "stem": GeneratedSource(tuple(STEM), LEVELS, LANGUAGES),
    "logic": GeneratedSource(tuple(PUZZLES), LEVELS, LANGUAGES),
    "code": CodeSource(tuple(CODE_FAMILIES), LEVELS, LANGUAGES),
}


def of_all_domains(**changes):
    weights = {"math": 1.0, "stem": 2.0, "logic": 3.0, "code": 4.0}
    return corpus(sources=ALL_SOURCES, weights=weights, other_language=0.0, **changes)


def test_sources_have_their_shares():
    domains = [question.domain for question, _ in map(of_all_domains().text, range(2000))]
    for part, domain in enumerate(("math", "stem", "logic", "code"), start=1):
        # three standard errors at most: 3 * sqrt(.4*.6/2000) = 0.033
        assert domains.count(domain) / 2000 == pytest.approx(part / 10, abs=0.033)


TAGGED = {"forms": {"tagged": 1.0}}


def written(text):
    """Reasoning and answer of a tagged text."""
    return re.fullmatch(r" <think> (.*) </think> <answer> (.*) </answer>", text, re.DOTALL).groups()


def test_worked_texts_of_all_domains_end_in_the_gold_answer():
    clean = of_all_domains(worked=1.0, hasty=0.0, worked_slips=0.0, **TAGGED)
    for question, text in map(clean.text, range(300)):
        reasoning, answer = written(text)
        assert answer == question.answer
        assert all(step in reasoning for step in question.solution.split(", "))


def test_slips_of_all_domains_are_wrong_answers_that_end_the_reasoning():
    wrong = of_all_domains(worked=1.0, hasty=0.0, worked_slips=1.0, noticed=0.0, **TAGGED)
    for question, text in map(wrong.text, range(300)):
        reasoning, answer = written(text)
        # in mathematics a later step may hide the slip: min(7, 9) after min(8, 6)=7
        if question.domain != "math":
            assert answer != question.answer and answer in question.details[SLIPS]
        if question.domain == "stem":
            # the letter with what stands behind it in the question, and no word of options behind it
            last = re.split(", then |，再算|First |先算", reasoning)[-1]
            option = question.details["choices"]["ABCDEFGH".index(answer)]
            assert last in (f"{answer}: {option} ok", f"{answer}: {option} 对")


def test_noticed_slips_of_all_domains_are_mended():
    mended = of_all_domains(worked=1.0, hasty=0.0, worked_slips=1.0, noticed=1.0, **TAGGED)
    for question, text in map(mended.text, range(200)):
        reasoning, answer = written(text)
        assert answer == question.answer
        before, after = re.split(", wait, |，不对，", reasoning)
        # what is taken back differs from what stands in its place
        assert re.split(", then |，再算|First |先算", before)[-1] != re.split(", then |，再算", after)[0]


def test_a_source_without_weight_is_refused():
    with pytest.raises(ConfigError, match="weights of math"):
        corpus(sources=ALL_SOURCES)


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="tagged, trailing"):
        corpus(forms={"boxed": 1.0})
    with pytest.raises(ConfigError, match="exceed 1"):
        corpus(worked=0.8, hasty=0.3)
