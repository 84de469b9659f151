"""Is the answer to a puzzle right: one rule for each kind of answer, named by the question's ``details["kind"]``.

- ``roles``: who is a knight and who a knave; everybody named once, nobody as both.
- ``table``: who has what; exactly the pairs of the gold answer.
- ``name``: one of ``details["candidates"]``, and no other of them beside it.
- ``expression``: uses the numbers of the gold expression, each once, and has its value; any way there is right.
- ``number``: the same number, exactly.
- ``text``: the same words, letter case, quotes and the full stop behind them aside.
- ``output``: what a program prints, character by character; spaces at the ends of lines and a code fence aside.
- ``choice``: one letter, by the rules of verifiers/choice.py.

A gold answer that its own rule cannot read is a fault of the question.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from r1lab.types import Question, Score, Status
from r1lab.verifiers.arithmetic import Reading, read_expression
from r1lab.verifiers.assignment import ROLES, UNPLAIN, Assignment, gold_roles, gold_table, read_assignment
from r1lab.verifiers.choice import ChoiceChecker
from r1lab.verifiers.quantity import clean, read_quantity
from r1lab.verifiers.units import units_agree

MAX_CHARS = 4000
"""Longer answers are not read."""

_LEAD = re.compile(
    r"(?:(?:so|thus|therefore),?\s+)?(?:the\s+)?(?:(?:final\s+)?answer|output|result"
    r"|(?:original |decoded |plain ?)?(?:text|message|word))\s*(?:is|:)[\s:]*"
    r"|(?:答案|明文|原文|输出|结果)\s*(?:是|为|:)[\s:]*",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\\(?:boxed|text\w*|math\w+)\s?\{([^{}]*)\}")
_DECORATION = " \t\n*_`$\"'“”‘’.。"
_FENCE = re.compile(r"\s*```[a-z]*\n(.*?)\n?```\s*", re.DOTALL)


class _BadGold(Exception):
    """The gold answer does not fit its kind."""


@dataclass(frozen=True)
class PuzzleChecker:
    """Checks answers to logic puzzles by the rule of ``question.details["kind"]``.

    Example: "6*(1+3)" to a question of the kind expression with the gold answer "(3+1)*6" gets 1, "24 = 24".
    """

    preload: ClassVar[str] = "r1lab.verifiers.puzzle"
    """Nothing heavy: no verdict needs a worker."""

    def cheap(self, answer: str, question: Question) -> Score:
        """Always the verdict; BAD_GOLD where the kind is unknown or the gold answer does not fit it."""
        kind = question.details.get("kind")
        if kind == "choice":
            return ChoiceChecker().cheap(answer, question)
        if kind not in RULES:
            return Score(0.0, Status.BAD_GOLD, f"kind {kind!r} is none of choice, {', '.join(RULES)}")
        try:
            fault = RULES[kind](answer[: MAX_CHARS + 1], question)
        except _BadGold as error:
            return Score(0.0, Status.BAD_GOLD, f"the gold answer {error}")
        if len(answer) > MAX_CHARS:
            fault = "no readable answer: too long"
        return Score(float(not fault), reason=fault or "right", extracted=answer[:200])

    def __call__(self, answer: str, question: Question) -> Score:
        return self.cheap(answer, question)


def _roles(answer: str, question: Question) -> str:
    gold = gold_roles(question.answer)
    return _compared(read_assignment(answer, gold, ROLES), gold) if gold else _refuse("says of nobody what he is")


def _table(answer: str, question: Question) -> str:
    gold = gold_table(question.answer)
    values = {value: value for values in gold.values() for value in values}
    return _compared(read_assignment(answer, gold, values), gold) if gold else _refuse("is no table")


def _compared(said: Assignment | None, gold: Assignment) -> str:
    if not said:
        return "no readable answer: not plain who is what"
    if missing := [name for name in gold if not said.get(name)]:
        return f"{missing[0]} is left out"
    return next((f"{name} is something else" for name in gold if said[name] != gold[name]), "")


def _name(answer: str, question: Question) -> str:
    candidates, gold = tuple(question.details.get("candidates") or ()), question.answer.strip()
    if gold not in candidates:
        _refuse("is none of the candidates")
    text, found = unicodedata.normalize("NFKC", answer), set()
    for candidate in candidates:
        bound = (r"(?<![A-Za-z0-9])", r"(?![A-Za-z0-9])") if candidate.isascii() else ("", "")
        pattern = re.compile(bound[0] + re.escape(candidate) + bound[1], re.IGNORECASE if len(candidate) > 1 else 0)
        found |= {candidate} if pattern.search(text) else set()
        text = pattern.sub(" ", text)
    if len(found) != 1:
        return f"no readable answer: {len(found)} names"
    if UNPLAIN.search(text) or re.search(r"\bbut\b", text):
        return "no readable answer: not plain"
    return "" if found == {gold} else "another name"


def _expression(answer: str, question: Question) -> str:
    gold = _gold_expression(question.answer)
    readings = [read_expression(part) for part in clean(answer).split("=")]
    if not all(readings) or len(readings) > 2:
        return "no readable answer: not one expression of + - * / and brackets"
    # "(1+2+3)*4 = 24" and "24 = (1+2+3)*4" say the target beside the expression
    readings.sort(key=lambda reading: reading.numbers == (gold.value,))
    if len(readings) == 2 and readings[1].numbers != (gold.value,):
        return "no readable answer: more than one expression"
    if any(reading.value != gold.value for reading in readings):
        return f"{readings[0].value} is not {gold.value}"
    if readings[0].numbers != gold.numbers:
        return f"numbers {readings[0].numbers}, not {gold.numbers}"
    return ""


@lru_cache(maxsize=1024)
def _gold_expression(text: str) -> Reading:
    return read_expression(text) or _refuse("is no expression")


def _number(answer: str, question: Question) -> str:
    gold, found = read_quantity(clean(question.answer)), read_quantity(clean(answer))
    if gold is None:
        _refuse("is no number")
    if found is None:
        return "no readable answer: not a number"
    same = (found.value, found.percent) == (gold.value, gold.percent) and units_agree(found.unit, gold.unit)
    return "" if same else "another number"


def _text(answer: str, question: Question) -> str:
    gold = _bare(question.answer)
    if not gold:
        _refuse("is empty")
    return "" if _bare(answer) == gold else "other words"


def _output(answer: str, question: Question) -> str:
    gold = _lines(question.answer)
    if not any(gold):
        _refuse("is empty")
    return "" if _lines(answer) == gold else "another output"


def undecorated(text: str) -> str:
    r"""The text without bold, boxes, quotes, a lead or a full stop around it.

    >>> undecorated("The answer is **Ava**."), undecorated("\\boxed{1 0}")
    ('Ava', '1 0')
    """
    text = _BOXED.sub(r"\1", text).strip(_DECORATION)
    lead = _LEAD.match(text)
    return text[lead.end() if lead else 0 :].strip(_DECORATION)


def _bare(text: str) -> str:
    """Words as they are compared: small letters, no decoration or lead around them, one space between."""
    return " ".join(undecorated(unicodedata.normalize("NFKC", text)).casefold().split())


def _lines(text: str) -> list[str]:
    """The lines of a program's output: a fence, single backticks and a lead in front of it off."""
    text = text.replace("\r\n", "\n")
    fence = _FENCE.fullmatch(text)
    if fence:
        text = fence[1]
    else:
        lead = _LEAD.match(text.lstrip())
        text = text.strip()[lead.end() if lead else 0 :]
        text = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "`" and "`" not in text[1:-1] else text
    return [line.rstrip() for line in text.strip("\n").rstrip().split("\n")]


def _refuse(reason: str):
    raise _BadGold(reason)


RULES: Mapping[str, Callable[[str, Question], str]] = {
    "roles": _roles,
    "table": _table,
    "name": _name,
    "expression": _expression,
    "number": _number,
    "text": _text,
    "output": _output,
}
"""Each gives what is wrong with an answer, "" where it is right."""
