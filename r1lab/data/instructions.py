"""Generated general prompts that say how to answer: so long, with these words, so many of these things.

Rules can tell whether an instruction was followed, not whether the text is any good: that is for reward models and
judges. All prompts are harmless; they come in two languages and five levels, higher ones leave less room.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from r1lab.data.preferences import HELPFUL
from r1lab.data.problem import Problem
from r1lab.text.ngrams import words

SENTENCES: Mapping[str, Sequence[tuple[str, str]]] = {
    "en": (
        ("rain", "The rain taps softly on the window."),
        ("bread", "Fresh bread smells good in the morning."),
        ("river", "A river finds its way to the sea."),
        ("winter", "In winter the lake is covered with ice."),
        ("garden", "Bees hum in the garden all day."),
        ("train", "The last train leaves at midnight."),
        ("music", "Soft music helps me to sleep."),
        ("friend", "A good friend listens first."),
        ("book", "This book made me laugh out loud."),
        ("moon", "The moon shines over the quiet hills."),
        ("kitchen", "Our kitchen is warm and full of light."),
        ("letter", "She wrote a long letter to her sister."),
    ),
    "zh": (
        ("雨", "雨轻轻地敲着窗户。"),
        ("面包", "早上的新鲜面包很香。"),
        ("河", "小河慢慢流向大海。"),
        ("冬天", "冬天的湖面结了冰。"),
        ("花园", "蜜蜂整天在花园里忙。"),
        ("火车", "最后一班火车半夜开走。"),
        ("音乐", "轻轻的音乐让我入睡。"),
        ("朋友", "好朋友总是先听你说。"),
        ("书", "这本书让我笑出声来。"),
        ("月亮", "月亮照着安静的山。"),
        ("厨房", "我们的厨房又暖又亮。"),
        ("信", "她给姐姐写了一封长信。"),
    ),
}
"""A word and a sentence with it; the same place is the same in both languages."""
SETS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "days": (("days of the week", "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"),
             ("星期里的日子", "星期一 星期二 星期三 星期四 星期五 星期六 星期日")),
    "months": (("months", "January February March April May June July August September October November December"),
               ("月份", "一月 二月 三月 四月 五月 六月 七月 八月 九月 十月 十一月 十二月")),
    "planets": (("planets of the solar system", "Mercury Venus Earth Mars Jupiter Saturn Uranus Neptune"),
                ("太阳系的行星", "水星 金星 地球 火星 木星 土星 天王星 海王星")),
    "rainbow": (("colors of the rainbow", "red orange yellow green blue indigo violet"),
                ("彩虹的颜色", "红 橙 黄 绿 蓝 靛 紫")),
    "digits": (("numbers from one to nine in words", "one two three four five six seven eight nine"),
               ("从一到九的数字（用汉字）", "一 二 三 四 五 六 七 八 九")),
}  # fmt: skip
"""Closed sets with all their members, in English and in Chinese."""
NAMES = {"en": ("Ann", "Tom", "Lena", "Sam", "Mia", "Ben"), "zh": ("小明", "小红", "小刚", "小丽", "小华", "小美")}
GIFTS = {"en": ("book", "cake", "flowers", "letter", "lamp", "tea"), "zh": ("书", "蛋糕", "花", "信", "台灯", "茶")}


def sentence(rng: random.Random, level: int, language: str) -> Problem:
    """``Write a sentence with the word "rain", in at most 9 words.``"""
    number = rng.randrange(len(SENTENCES["en"]))
    word, answer = SENTENCES[language][number]
    most = len(words(answer)) + rng.randint(0, 6 - level)
    asks = {
        "en": (
            'Write a sentence with the word "{}", in at most {} words.',
            'Use "{}" in a sentence of at most {} words.',
        ),
        "zh": ("用“{}”写一句话，最多{}个字。", "写一句带有“{}”的话，不超过{}个字。"),
    }[language]
    rules = {"language": language, "least": 3, "most": most, "words": [word]}
    slips = [answer.replace(word, ""), f"{answer} {answer} {answer}", word, SENTENCES[_other(language)][number][1]]
    text = rng.choice(asks).format(word, most)
    return _problem(text, answer, [f"{len(words(answer))}<={most}"], slips, rules, f"sentence {number} {most}")


def naming(rng: random.Random, level: int, language: str) -> Problem:
    """``Name 3 planets of the solar system, but not Mars. Separate them by commas.``"""
    name, count = rng.choice(list(SETS)), 1 + level
    what, members = SETS[name][language == "zh"]
    others = members.split()
    number = rng.randrange(len(others))
    barred = others.pop(number)
    start = rng.randint(0, len(others) - count)
    named, comma = others[start : start + count], "、" if language == "zh" else ", "
    asks = {
        "en": (
            "Name {count} {what}, but not {barred}. Separate them by commas.",
            "List {count} {what} with commas between them, leaving out {barred}.",
        ),
        "zh": (
            "说出{count}个{what}，但不要说{barred}，用顿号隔开。",
            "除{barred}以外，列出{count}个{what}，用顿号分开。",
        ),
    }[language]
    rules = {"language": language, "items": {"count": count, "of": others}}
    slips = [comma.join(wrong) for wrong in (named[1:], [*named[1:], named[-1]], [*named[1:], barred])]
    text = rng.choice(asks).format(count=count, what=what, barred=barred)
    return _problem(text, comma.join(named), [f"{count}={count}"], slips, rules, f"naming {name} {number} {count}")


def note(rng: random.Random, level: int, language: str) -> Problem:
    """``Thank Ann for the cake in 6 to 12 words.``"""
    person, gift = (rng.randrange(len(table["en"])) for table in (NAMES, GIFTS))
    name, thing = NAMES[language][person], GIFTS[language][gift]
    form = {"en": "Dear {}, thank you very much for the {}.", "zh": "亲爱的{}，非常感谢你送的{}。"}
    answer = form[language].format(name, thing)
    count = len(words(answer))
    least, most = count - rng.randint(0, 6 - level), count + rng.randint(0, 6 - level)
    asks = {
        "en": ("Thank {name} for the {thing} in {least} to {most} words.",
               "Write {name} a note of {least} to {most} words with thanks for the {thing}."),
        "zh": ("用{least}到{most}个字感谢{name}送的{thing}。", "给{name}写{least}到{most}个字，感谢送来的{thing}。"),
    }[language]  # fmt: skip
    rules = {"language": language, "least": least, "most": most, "words": [name, thing]}
    other = form[_other(language)].format(NAMES[_other(language)][person], GIFTS[_other(language)][gift])
    slips = [
        answer.replace(name, ""),
        answer.replace(thing, ""),
        f"{name} {thing}",
        f"{answer} {answer} {answer}",
        other,
    ]
    text = rng.choice(asks).format(name=name, thing=thing, least=least, most=most)
    split_by = f"note {person} {gift} {least} {most}"
    return _problem(text, answer, [f"{least}<={count}<={most}"], slips, rules, split_by)


FAMILIES: Mapping[str, Callable[[random.Random, int, str], Problem]] = {
    family.__name__: family for family in (sentence, naming, note)
}


def _problem(
    text: str, answer: str, work: Sequence[str], slips: Sequence[str], rules: Mapping, split_by: str
) -> Problem:
    return Problem(text, answer, work, slips, "general", {"aspect": HELPFUL, "rules": dict(rules)}, split_by)


def _other(language: str) -> str:
    return "zh" if language == "en" else "en"
