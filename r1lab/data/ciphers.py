"""Ciphers: a made-up word read backwards, moved along the alphabet, or written with a key."""

from __future__ import annotations

import random
from collections.abc import Callable
from string import ascii_lowercase

from r1lab.data.problem import Problem


def backwards(rng: random.Random, level: int, language: str) -> Problem:
    """The word is written from its end: ``Read backwards: amok``."""
    word = _word(rng, level)
    wordings = {"en": ("Read backwards: {}", "Reverse the letters of {}"), "zh": ("倒着读：{}", "把{}的字母倒过来")}
    steps = (" ".join(word[::-1]), " ".join(word))
    return _problem(rng.choice(wordings[language]).format(word[::-1]), word, steps, rng)


def caesar(rng: random.Random, level: int, language: str) -> Problem:
    """Each letter was moved along the alphabet: ``Each letter was moved 3 forward. Decode: khoor``."""
    word, shift = _word(rng, level), rng.randint(1, (2, 4, 8, 13, 25)[level - 1])
    wordings = {
        "en": "Each letter was moved {} forward in the alphabet. Decode: {}",
        "zh": "每个字母在字母表中后移了{}位。解码：{}",
    }
    return _decode(wordings[language].format(shift, "{}"), word, lambda letter: _moved(letter, shift), f"-{shift}", rng)


def substitution(rng: random.Random, level: int, language: str) -> Problem:
    """Each letter stands for another by a key: ``Key: a=q b=t o=x. Decode: txq``."""
    word = _word(rng, level)
    letters = sorted(set(word) | set(rng.sample(ascii_lowercase, level)))
    key = dict(zip(letters, rng.sample(ascii_lowercase, len(letters))))
    shown = " ".join(f"{plain}={cipher}" for plain, cipher in key.items())
    wordings = {"en": "Key: {}. Decode: {}", "zh": "密钥：{}。解码：{}"}
    return _decode(wordings[language].format(shown, "{}"), word, key.__getitem__, "", rng)


def _decode(text: str, word: str, encode: Callable[[str], str], undo: str, rng: random.Random) -> Problem:
    steps = tuple(f"{encode(letter)}{undo}={letter}" for letter in word)
    return _problem(text.format("".join(map(encode, word))), word, steps, rng)


def _problem(text: str, word: str, steps: tuple[str, ...], rng: random.Random) -> Problem:
    place = rng.randrange(len(word))
    slips = [word[:place] + _moved(word[place], step) + word[place + 1 :] for step in (1, -1)]
    return Problem(text, word, steps, slips, "logic", {"kind": "text"}, split_by=word)


def _word(rng: random.Random, level: int) -> str:
    """A word that can be spoken, of three letters at level 1 to seven at level 5; not the same from both ends."""
    word = ""
    while word == word[::-1]:
        word = "".join(rng.choice(("bdfgklmnprstvz", "aeiou")[place % 2]) for place in range(level + 2))
    return word


def _moved(letter: str, steps: int) -> str:
    return ascii_lowercase[(ascii_lowercase.index(letter) + steps) % 26]
