"""What filters drop, what they leave, and the reason they give for each question."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.filters import Decontaminate, Dropped, Duplicates, Language, Length, sift
from r1lab.data.mix import FileSource, GeneratedSource, Mix
from r1lab.data.questions import Fields
from r1lab.errors import ConfigError, DataError
from r1lab.types import LabeledResponse, PreferencePair, Question

CONF = Path(__file__).parents[2] / "conf"


def question(text, name="q", answer="7", **more):
    return Question(name, text, answer, **more)


@dataclass
class Held:
    """Benchmarks of given questions."""

    questions: list

    def heldout(self, count):
        return self.questions[:count]


BENCHMARK = question("One two three, four five six seven eight nine ten: eleven?", "bench/1")


def contaminated(text, benchmark=BENCHMARK, ngram=10, solution=None):
    return Decontaminate(Held([benchmark]), ngram)([question(text, solution=solution)])[0]


def test_ten_shared_words_are_found_over_punctuation_and_case():
    why = contaminated("Zero. ONE two; three four (five) six\nseven, eight - nine TEN! And so on")
    assert why == "shares 'one two three four five six seven eight nine ten' with bench/1"
    # the other run of ten: two ... eleven
    assert "two three four five six seven eight nine ten eleven" in contaminated(
        "two three four five six seven eight nine ten eleven"
    )


def test_nine_shared_words_stay():
    assert contaminated("one two three four five six seven eight nine, not ten") is None
    # twice nine, and all eleven words in another order
    assert contaminated("one two three four five six seven eight nine. three four five six seven eight nine") is None
    assert contaminated("eleven ten nine eight seven six five four three two one") is None
    assert contaminated("one two three four five six seven eight nine, not ten", ngram=9) is not None


def test_solutions_are_compared_too():
    solved = question("Short?", "bench/2", solution="a b c d e f g h i j k")
    assert contaminated("x a b c d e f g h i j", solved) is not None
    assert contaminated("clean", BENCHMARK, solution="first " + BENCHMARK.text) is not None
    assert contaminated("clean", BENCHMARK, solution="nothing of it") is None
    assert contaminated("x", question("Other?", "bench/3", solution="x")) is None  # a short solution tells nothing


def test_a_short_benchmark_question_counts_as_a_whole_with_its_signs():
    short = question("What is 3+4?", "bench/4")
    assert contaminated(" what  is 3+4?", short) == "shares 'what is 3+4?' with bench/4"
    assert contaminated("What is 3-4?", short) is None
    assert contaminated("I ask: What is 3+4?", short) is None


def test_han_characters_are_words_of_the_ngram():
    chinese = question("小明有三个苹果，又买了四个。", "bench/5")  # 7 + 5 characters
    assert contaminated("小明有三个苹果。又买了", chinese) is not None  # 7 + 3 of them
    assert contaminated("小明有三个苹果。又买", chinese) is None  # 7 + 2


def test_decontamination_needs_its_benchmarks():
    unset = Mix({"aime": FileSource(None, None, "test.jsonl", Fields("q", "a"))}, {"aime": 1}, seed=0)
    # the run's address is asked first, and must not send its reader to the path of the training data
    for use in (lambda: Decontaminate(unset, 10)([question("x")]), Decontaminate(unset, 10).digests):
        with pytest.raises(DataError) as caught:
            use()
        assert "mix.filters.NAME.against.path=FOLDER" in str(caught.value) and "mix.path" not in str(caught.value)
    with pytest.raises(ConfigError):
        Decontaminate(unset, 0)


def test_duplicates_leave_the_first_and_name_it():
    questions = [
        question("What is 3+4?", "a"),
        question("what  is ３+4?", "b"),
        question("What is 3-4?", "c", "-1"),
        question("What is 3+4?", "d", "8"),
    ]
    assert Duplicates()(questions) == [None, "same text as a", None, "same text as a, with the answer 8, not 7"]


def test_length_counts_words_and_han_characters():
    texts = ["3+4?", "one two three", "a b c d", "一二三四五"]  # 2, 3, 4 and 5 words
    assert Length(3, 4)([question(text) for text in texts]) == [
        "2 words, not 3 to 4",
        None,
        None,
        "5 words, not 3 to 4",
    ]


def test_language_is_seen_by_its_script():
    keep = Language(["en", "zh"], min_share=0.5)

    def reason(text, language):
        return keep([question(text, language=language)])[0]

    assert reason("How many apples?", "en") is None and reason("多少个苹果？", "zh") is None
    assert reason("3+4*x=?", "zh") is None and reason(r"\frac{x}{2} = 求 x", "zh") is None
    # two words beside six characters, which count two thirds each: 2 of 6
    assert reason("How many 个苹果多少个", "en") == "33% of its words are in a script of en, not at least 50%"
    assert reason("How many 三个苹果", "zh") is None  # 2 and 4 / 1.5: 57 %
    assert reason("How many 苹果", "zh") is not None  # 2 and 2 / 1.5: 40 %
    assert reason("How many apples?", "zh") == "0% of its words are in a script of zh, not at least 50%"
    assert reason("Сколько яблок?", "en") is not None
    assert reason("Wie viele?", "de") == "its language is de, not en or zh"
    with pytest.raises(ConfigError, match="scripts of a language"):
        Language(["en", "xx"], 0.5)


def test_pairs_and_labeled_responses_are_filtered_by_their_prompts():
    asked, again = question(BENCHMARK.text, "a", language="de"), question(BENCHMARK.text, "b")
    pairs = [PreferencePair(asked, "x", "y"), PreferencePair(again, "X ", "y"), PreferencePair(again, "y", "x")]
    points = [LabeledResponse(asked, "x", 1.0), LabeledResponse(again, "y", 0.0), LabeledResponse(again, "x", 0.0)]
    # eleven words each; the second pair is the first but for case, the third turned round
    assert Duplicates()(pairs) == [None, "same text as a", None]
    assert Duplicates()(points) == [None, None, "same text as a"]
    for items in (pairs, points):
        assert all(why.endswith("with bench/1") for why in Decontaminate(Held([BENCHMARK]), 10)(items))
        assert Length(3, 11)(items) == [None] * 3 and Length(3, 10)(items) == ["11 words, not 3 to 10"] * 3
        assert Language(["en"], 0.5)(items) == ["its language is de, not en", None, None]


def test_filters_work_in_turn_and_say_what_they_dropped():
    listed = {"a": [question("one two", "a/1"), question("one", "a/2")], "b": [question("one two", "b/1"),
              question("three four", "b/2")]}  # fmt: skip
    kept, dropped = sift(listed, {"length": Length(2, 9), "duplicates": Duplicates()})
    assert {name: [q.id for q in questions] for name, questions in kept.items()} == {"a": ["a/1"], "b": ["b/2"]}
    assert dropped == [
        Dropped("a", "a/2", "length", "1 words, not 2 to 9"),
        Dropped("b", "b/1", "duplicates", "same text as a/1"),
    ]
    assert sift(listed, {}) == (listed, [])
    with pytest.raises(DataError, match="no training question of a, b") as caught:
        sift(listed, {"length": Length(3, 9)})
    assert "a/1: length: 2 words" in str(caught.value)


def filtered_mix(tmp_path, **filters):
    rows = {"train": ["What is 1+1?", "What is 2+2?", "what is 1+1?", "Held out?"], "test": ["Held out?", "Held out?"]}
    for name, texts in rows.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"q": t, "a": "2"}) + "\n" for t in texts))
    source = FileSource(str(tmp_path), "train.jsonl", "test.jsonl", Fields("q", "a"))
    made = GeneratedSource(["sums"], [1], ["en"])
    return Mix({"file": source, "made": made}, {"file": 1, "made": 0}, seed=1, filters=filters)


def test_a_mix_draws_only_what_its_filters_leave(tmp_path):
    mix = filtered_mix(tmp_path, duplicates=Duplicates(), clean=Decontaminate(filtered_mix(tmp_path), 10))
    assert mix.check() == {"file": 2, "made": None} and mix.unfiltered == ["made"]
    drawn, _ = mix.draw(mix.start(), 4, 0)
    assert sorted(q.text for q in drawn) == ["What is 1+1?", "What is 1+1?", "What is 2+2?", "What is 2+2?"]
    assert [(d.question_id, d.filter) for d in mix.dropped] == [
        ("file/train:3", "duplicates"),
        ("file/train:4", "clean"),
    ]
    assert [q.text for q in mix.heldout(9)] == ["Held out?", "Held out?"]  # a benchmark is never edited
    assert filtered_mix(tmp_path).check()["file"] == 4


@pytest.mark.parametrize(
    "name, dropped",
    # ASDiv took over a part of MAWPS; "the sum of the digits of a two digit number" is in MATH-500 too, three times
    [("gsm8k", {}), ("word_problems", {"duplicates": 245, "decontaminate": 3})],
)
def test_filters_of_conf_sift_the_real_data(name, dropped, shared_data):
    names = sorted((path.stem for path in (CONF / "filter").glob("*.yaml")), reverse=True)
    assert names == ["length", "language", "duplicates", "decontaminate"]
    path = shared_data / name if name == "gsm8k" else shared_data
    with initialize_config_dir(str(CONF), version_base=None):
        overrides = [f"+mix={name}", "+run.seed=1", f"mix.path={path}"]
        overrides += [f"+filter@mix.filters.{filter}={filter}" for filter in names]
        mix = instantiate(compose(overrides=[*overrides, f"mix.filters.decontaminate.against.path={shared_data}"]).mix)
    left = sum(mix.check().values())
    assert Counter(row.filter for row in mix.dropped) == dropped
    assert left + len(mix.dropped) == {"gsm8k": 7473, "word_problems": 1649 + 1649 + 801}[name]


@pytest.mark.parametrize(
    "make",
    [lambda: Length("abc", 9), lambda: Length(50, 10), lambda: Length(-1, 10), lambda: Language([], 0.5),
     lambda: Language(["en"], 5), lambda: Language(["en"], "half"), lambda: Decontaminate({}, 2.5)],
)  # fmt: skip
def test_values_that_no_filter_can_use_are_refused(make):
    with pytest.raises((ConfigError, ValueError)):
        make()


def turns(*texts, system=None):
    """Turns of user and assistant in their order, behind a system prompt."""
    roles = [("user", "assistant")[place % 2] for place in range(len(texts))]
    head = [{"role": "system", "content": system}] if system else []
    return {"turns": head + [{"role": role, "content": text} for role, text in zip(roles, texts)]}


TEN = "one two three four five six seven eight nine ten"
SHORT = question("What is 3+4?", "bench/4")
LATER = question("And twice that?", "bench/6", details=turns("What is 3+4?", "7"))


@pytest.mark.parametrize(
    "details, benchmark, found",
    [
        (turns(TEN, "yes"), BENCHMARK, True),
        (turns("Tell me.", f"Well: {TEN}"), BENCHMARK, True),
        (turns("one two three four five", "six seven eight nine ten"), BENCHMARK, False),
        (turns("Hi", "Hello", system=TEN), BENCHMARK, False),
        (turns(system=f"Think. {TEN}"), question("Other?", "b", details=turns(system=TEN)), False),
        (turns("what is  3+4?", "7"), SHORT, True),
        (turns("Tell me.", "What is 3+4?"), SHORT, False),
        (turns("What is 3-4?", "-1"), SHORT, False),
        (turns("Hi", "Hello"), question("Go on, please", "b", details=turns("Hi", TEN)), False),
        (turns("Hi", f"{TEN} eleven"), question("Go on, please", "b", details=turns("Hi", TEN)), True),
    ],
)
def test_earlier_turns_are_compared_with_benchmarks(details, benchmark, found):
    asked = question("And then?", details=details)
    for item in (asked, PreferencePair(asked, "x", "y")):
        assert (Decontaminate(Held([benchmark]), 10)([item])[0] is not None) == found


def test_a_short_benchmark_question_with_earlier_turns_counts_with_them():
    keep = Decontaminate(Held([LATER]), 10)
    same = question("And twice that?", details=turns("what is 3+4?", "7", system="Be brief."))
    other, alone = question("And twice that?", details=turns("What is 5+4?", "9")), question("And twice that?")
    assert [why is not None for why in keep([same, other, alone])] == [True, False, False]
