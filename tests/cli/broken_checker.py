"""A checker that breaks in every way a verifier can break; the tests give it to real runs."""

import os
import time
from dataclasses import dataclass
from typing import ClassVar
from zlib import crc32

from r1lab.types import Question, Score


@dataclass(frozen=True)
class BrokenChecker:
    """By the answer's hash: hangs, dies, eats memory, raises, or says wrong."""

    percent: str
    degrees: str
    significant_digits: int
    preload: ClassVar[str] = "r1lab.types"

    def cheap(self, answer: str, question: Question) -> Score | None:
        return Score(1.0, reason="gold") if answer == question.answer else None

    def __call__(self, answer: str, question: Question) -> Score:
        match crc32(answer.encode()) % 8:
            case 0:
                time.sleep(3600)
            case 1:
                os._exit(3)
            case 2:
                bytearray(1 << 34)
            case 3:
                raise ValueError("a verifier with a fault")
        return Score(0.0, reason="wrong")
