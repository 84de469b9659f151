"""The mathematics checker with faults on request; light, because workers import it."""

import ctypes
import os
from dataclasses import asdict, dataclass

from r1lab.verifiers.math_answer import MathChecker

BLOCK = b"x" * 4_000_000


def hang():
    while True:
        pass


def crash():
    os._exit(3)


def segfault():
    ctypes.string_at(0)


def memory_bomb():
    hoard = []
    while True:
        hoard.append(BLOCK + b"x")  # a copy: every page of it is written to


FAULTS = {"hang": hang, "crash": crash, "segfault": segfault, "memory bomb": memory_bomb}


@dataclass(frozen=True)
class WorkerOnly(MathChecker):
    """The mathematics checker with every answer judged in a worker; an answer that names a fault has it there."""

    def cheap(self, answer, question):
        return None

    def __call__(self, answer, question):
        FAULTS.get(answer, int)()
        return MathChecker(**asdict(self))(answer, question)
