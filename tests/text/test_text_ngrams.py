"""Words of any script, their n-grams, and the time they take."""

import time

from r1lab.text.ngrams import folded, ngrams, words


def test_words_lose_case_and_punctuation_and_han_characters_stand_alone():
    assert words("The  Cat's “hat”: 3,000.5 (x_1)!") == ["the", "cat", "s", "hat", "3", "000", "5", "x", "1"]
    assert words("小明有3个苹果, ok？") == ["小", "明", "有", "3", "个", "苹", "果", "ok"]
    assert words("ＡＢ ① カタ Straße МИР") == ["ab", "1", "カ", "タ", "strasse", "мир"]
    assert words(" ... ") == []


def test_ngrams_are_all_runs_of_n():
    # 5 items have 5 - 3 + 1 runs of three
    assert list(ngrams("abcde", 3)) == [("a", "b", "c"), ("b", "c", "d"), ("c", "d", "e")]
    assert list(ngrams("ab", 3)) == [] and list(ngrams("ab", 1)) == [("a",), ("b",)]


def test_folded_keeps_what_tells_questions_apart():
    assert folded("What is\t３＋４？") == folded("what  IS 3+4?") == "what is 3+4?"
    assert folded("3-4") != folded("3+4") and folded("12") != folded("1 2")


def test_time_grows_with_the_text_and_not_with_its_square():
    def seconds(count):
        text = "a1, 米 (b) " * count
        start = time.process_time()
        assert sum(1 for _ in ngrams(words(text), 10)) == 3 * count - 9
        return time.process_time() - start

    seconds(10_000)
    # eight times the text: 8 if linear, 64 if quadratic
    assert min(seconds(80_000) for _ in range(3)) < 24 * min(seconds(10_000) for _ in range(3))
