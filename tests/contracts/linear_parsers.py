"""Everything that reads a completion in the trainer's own process, each as a function of the text alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from r1lab.data.parsing import NUMBER, read_answer
from r1lab.data.template import ChatTemplate, PlainTemplate, R1ZeroTemplate
from r1lab.rewards.controls import MajorityVote
from r1lab.rewards.format import FormatReward
from r1lab.rollouts import screening
from r1lab.text import language, markup, ngrams, repetition, spans, verdicts
from r1lab.text.identify import ByFunctionWords, ByScript
from r1lab.types import Completion, Finish, Question, Response, Rollout
from r1lab.verifiers import arithmetic, assignment, choice, code_answer, math_answer, quantity
from r1lab.verifiers.choice import ChoiceChecker
from r1lab.verifiers.code_tests import CodeChecker
from r1lab.verifiers.instructions import InstructionChecker
from r1lab.verifiers.math_answer import MathChecker
from r1lab.verifiers.puzzle import PuzzleChecker
from r1lab.verifiers.reasoning_gym import ReasoningGymChecker

Parser = Callable[[str], object]

RULES = ("tags", "boxed", "code", "last_number", "whole", "marker:The answer is", "marker:####", "marker:答案")
PUZZLES = {
    "roles": Question("q", "", "Tom is a knight, and Ann is a knave.", details={"kind": "roles"}),
    "table": Question("q", "", "Tom: red, cat; Ann: blue, dog", details={"kind": "table"}),
    "name": Question("q", "", "Tom", details={"kind": "name", "candidates": ["Tom", "Ann", "安"]}),
    "expression": Question("q", "", "(3+1)*6", details={"kind": "expression"}),
    "number": Question("q", "", "24", details={"kind": "number"}),
    "text": Question("q", "", "attack at dawn", details={"kind": "text"}),
    "output": Question("q", "", "1\n2", details={"kind": "output"}),
    "choice": Question("q", "", "B", details={"kind": "choice", "choices": ["3 m", "5 m", "7 m"]}),
}
ORDERS = {
    "least": 3, "most": 5, "words": ["rain", "雨"], "items": {"count": 2, "of": ["red", "blue"]},
    "refuses": True,
}  # fmt: skip
FILTERS = {
    "well_formed": screening.WellFormed(),
    "short_paragraphs": screening.ShortParagraphs(100),
    "no_code": screening.NoCodeInReasoning(),
}
GOLDS = ("7", r"\frac{1}{2}", "apples", "3x+1", "")


def rollout(text: str) -> Rollout:
    """A completion that says the text, which is its reasoning and its answer too."""
    nothing = Completion(torch.zeros(1, dtype=torch.long), torch.zeros(1), Finish.STOP)
    return Rollout(Question("q", "?", "7"), nothing.ids, nothing, Response(text, text, text, False), 0)


def parsers() -> dict[str, Parser]:
    """By name, each with what a run gives it besides the text."""
    found: dict[str, Parser] = {f"template {rule}": ChatTemplate(answer_rule=rule).parse for rule in RULES}
    found |= {f"read_answer {rule}": partial(read_answer, rule=rule) for rule in RULES[2:]}
    found |= {
        "template stop": PlainTemplate(text="{question}", stop=["\nQ:", " =", "="], answer_rule="whole").parse,
        "template completion": R1ZeroTemplate(prefill="So: ").completion,
        "numbers": NUMBER.findall,
        "parse_response": spans.parse_response,
        "summary": spans.summary,
        "format_fault": spans.format_fault,
        "last_boxed": spans.last_boxed,
        "behind_reasoning": spans.behind_reasoning,
        "markup_spans": markup.markup_spans,
        "language en": lambda text: language.language_words(text, "en", ByFunctionWords()),
        "language ja": lambda text: language.language_words(text, "ja", ByScript()),
        "repetition": partial(repetition.repetition, n=20),
        "folded": ngrams.folded,
        "words": ngrams.words,
        "ngrams": lambda text: list(ngrams.ngrams(ngrams.words(text), 10)),
        "read_verdict": lambda text: verdicts.read_verdict(text, "c0de", list(verdicts.PAIR_VALUES)),
        "is_label": verdicts.is_label,
        "defused": lambda text: verdicts.defused(text, ["<|end|>", "<|user|>", "<think>"]),
        "extract_code": partial(code_answer.extract_code, entry_point="f"),
        "fenced_blocks": code_answer.fenced_blocks,
        "defines": partial(code_answer.defines, entry_point="f"),
        "completed": lambda text: code_answer.completed(text, "def f(x):", "f"),
        "same_text": lambda text: code_answer.same_text(text, text + "1", 1e-6),
        "clean": quantity.clean.__wrapped__,
        "exact_key": quantity.exact_key.__wrapped__,
        "read_quantity": quantity.read_quantity.__wrapped__,
        "vote_key": math_answer.vote_key,
        "read_expression": arithmetic.read_expression,
        "read_assignment": lambda text: assignment.read_assignment(text, ["Tom", "Ann"], assignment.ROLES),
        "read_choice": lambda text: choice.read_choice(text, ["3 m", "5 m", "7 m"]),
        "option_of": lambda text: choice.option_of(text, ["3 m", "5 m", "7 m"]),
    }
    math = MathChecker("either", "unit", 6)
    found |= {f"math {gold!r}": lambda text, gold=gold: math.cheap(text, Question("q", "", gold)) for gold in GOLDS}
    found |= {f"puzzle {kind}": partial(PuzzleChecker().cheap, question=q) for kind, q in PUZZLES.items()}
    for name, value in ORDERS.items():
        order = Question("q", "", "", "general", details={"rules": {name: value}})
        found[f"instruction {name}"] = partial(InstructionChecker(0.8).cheap, question=order)
    gym = Question("q", "", "7", "logic", details={"kind": "reasoning_gym", "metadata": {"source_dataset": "x"}})
    tests = Question("q", "", "", "code", details={"entry_point": "f", "tests": [{"args": [1], "expected": 1}]})
    found |= {
        "choice": partial(ChoiceChecker().cheap, question=PUZZLES["choice"]),
        "reasoning gym": partial(ReasoningGymChecker(PuzzleChecker(), {}).cheap, question=gym),
        "code": partial(CodeChecker(None, None, 1.0, False, 1e-6).cheap, question=tests),
    }
    rewards = {"format": FormatReward(1.0), "majority": MajorityVote(1.0)}
    found |= {f"reward {name}": lambda text, reward=reward: reward([rollout(text)]) for name, reward in rewards.items()}
    found |= {f"filter {name}": lambda text, judge=judge: judge(rollout(text)) for name, judge in FILTERS.items()}
    return found
