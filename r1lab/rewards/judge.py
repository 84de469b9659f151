"""A model as judge: asked over any engine, answers in words, and its verdict is read strictly (paper v2, B.2).

A judge has favorites among positions, so each comparison is asked in both orders, and a verdict on one response with
its labels in both orders. Verdicts that contradict each other are DISAGREED, what is no verdict is UNREADABLE, and an
engine that fails is a CRASH: none of them trains. What text/verdicts.py cannot keep out: a response that persuades.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import multimode
from typing import TYPE_CHECKING

from r1lab.characters import valid
from r1lab.data.chat import DAY, chat_text
from r1lab.data.digests import model_digests
from r1lab.engines.base import Engine, Request, SamplingParams
from r1lab.errors import ConfigError, R1LabError
from r1lab.functional.rng import seed_of
from r1lab.functional.schedules import is_number, require_choice, require_integer
from r1lab.rewards.preference import SHOWN_CHARS, check_weights, control_tokens, loading_faults
from r1lab.text.verdicts import PAIR_VALUES, PAIR_VERDICTS, defused, is_label, judge_prompt, read_verdict
from r1lab.types import Completion, Finish, Question, Score, Status

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

COMPARED = 256
"""Tokens of the longest text that a judge is compared with itself on."""
ANSWER_VERDICTS: Mapping[str, float] = {"correct": 1.0, "incorrect": 0.0}
"""The two verdicts on an answer (paper v2, Listing 4) with their values."""


@dataclass(frozen=True)
class Query:
    """One question to a judge: what it is to do, the material by name, and the verdicts it may give."""

    task: str
    material: Mapping[str, str]
    verdicts: Mapping[str, str]
    """With what they mean."""
    values: Mapping[str, float]
    turn: int
    """Number of the asking: another random stream."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A model that is asked in words and answers in words, over any engine; loaded when first asked."""

    load: Callable[[], tuple[Engine, PreTrainedTokenizerBase]]
    max_prompt_tokens: int
    """A longer question is not asked: nothing is cut."""
    max_new_tokens: int
    """Of reasons and verdict."""
    temperature: float
    top_p: float
    seed: int
    """Of the random streams and of the codes, which no judged text can know."""

    def __post_init__(self):
        require_integer("max_prompt_tokens", self.max_prompt_tokens, 1)
        SamplingParams(self.max_new_tokens, self.temperature, self.top_p)

    @cached_property
    def loaded(self) -> tuple[Engine, PreTrainedTokenizerBase]:
        """The engine and its tokenizer. Raises what loading raises."""
        return self.load()

    def __call__(self, queries: Sequence[Query]) -> list[Score]:
        """The value of the verdict on each query, in order; UNREADABLE or CRASH where there is none."""
        engine, tokenizer = self.loaded
        codes = [
            f"{seed_of(self.seed, query.task, *query.material.values(), query.turn):016x}"[-8:] for query in queries
        ]
        prompts = [self._ids(query, code) for query, code in zip(queries, codes)]
        asked = [place for place, ids in enumerate(prompts) if len(ids) <= self.max_prompt_tokens]
        scores = [
            Score(0.0, Status.UNREADABLE, f"not asked: {len(ids)} tokens are more than {self.max_prompt_tokens}")
            for ids in prompts
        ]
        requests = [
            Request(prompts[place], (seed_of(self.seed, codes[place], queries[place].turn),)) for place in asked
        ]
        ends = (tokenizer.eos_token_id, *engine.end_ids)
        params = SamplingParams(self.max_new_tokens, self.temperature, self.top_p, stop_ids=ends)
        start, unheard = time.perf_counter(), set(asked)
        try:
            for index, (completion,) in engine.generate(requests, params):
                place = asked[index]
                scores[place] = self._verdict(completion, queries[place], codes[place])
                unheard.discard(place)
        except R1LabError:
            raise
        except Exception as error:
            for place in unheard:
                scores[place] = Score(0.0, Status.CRASH, f"{type(error).__name__}: {error}"[:SHOWN_CHARS])
        ms = 1000 * (time.perf_counter() - start) / max(len(asked), 1)
        return [replace(score, ms=ms) for score in scores]

    def _ids(self, query: Query, code: str):
        import torch

        tokenizer = self.loaded[1]
        tokens = control_tokens(tokenizer)
        material = {name: defused(text, tokens) for name, text in query.material.items()}
        text = judge_prompt(query.task, material, query.verdicts, code)
        if not tokenizer.chat_template:
            return torch.tensor(tokenizer.encode(text), dtype=torch.int64)
        turns = [{"role": "user", "content": text}]
        text = chat_text(tokenizer, turns, True, DAY)
        return torch.tensor(tokenizer.encode(text, add_special_tokens=False), dtype=torch.int64)

    def _verdict(self, completion: Completion, query: Query, code: str) -> Score:
        if completion.finish is Finish.LENGTH:
            return Score(0.0, Status.UNREADABLE, f"cut at {len(completion)} tokens")
        text = valid(self.loaded[1].decode(completion.ids[:-1], skip_special_tokens=False))
        label, fault = read_verdict(text, code, list(query.verdicts))
        if label is None:
            return Score(0.0, Status.UNREADABLE, fault, extracted=text[-SHOWN_CHARS:])
        return Score(query.values[label], reason=label, extracted=label)


@dataclass(frozen=True)
class TorchJudge:
    """Loads a transformers model as a judge in this process: its own weights, not those that train."""

    source: str
    """A folder or a hub id."""
    dtype: str
    """float32, bfloat16 or float16."""
    attn_implementation: str
    max_rows: int
    """Judgements in one batch."""
    trust_remote_code: bool = False
    """Whether Python code that comes with the model may run; else a model that needs such code is refused."""

    def __post_init__(self):
        require_integer("max_rows", self.max_rows, 1)
        require_choice("trust_remote_code", self.trust_remote_code, (True, False))

    def check(self) -> None:
        """Find what can be known without loading weights. Raises ModelError."""
        check_weights(self.source, self.dtype, "policy", self.trust_remote_code)

    def digests(self) -> dict[str, str]:
        """Its files by content: part of a run's address."""
        return model_digests(self.source, self.trust_remote_code)

    def __call__(self) -> tuple[Engine, PreTrainedTokenizerBase]:
        """The engine and its tokenizer. Raises ModelError, also where it samples by other numbers than transformers."""
        import torch

        from r1lab.engines.agreement import compare, drawable
        from r1lab.engines.torch_engine import TorchEngine
        from r1lab.models.causal import CausalPolicy
        from r1lab.models.policy import load_model

        model, tokenizer = load_model(
            self.source, self.dtype, self.attn_implementation, trust_remote_code=self.trust_remote_code
        )
        model = model.requires_grad_(False).to("cuda" if torch.cuda.is_available() else "cpu")
        policy, pad_id = CausalPolicy(model, None), tokenizer.pad_token_id
        compare(policy, lambda one: TorchEngine(one, pad_id, self.max_rows), drawable(tokenizer), COMPARED, pad_id)
        return TorchEngine(policy, pad_id, self.max_rows), tokenizer


@dataclass(frozen=True, eq=False)
class _AskedInTurns:
    """A judge that is asked several times about each case, every second time in the other order."""

    judge: Judge
    criteria: str
    """What is judged and by what, in words."""
    rounds: int
    """Each asks twice, once in each order."""

    def __post_init__(self):
        if type(self.rounds) is not int or self.rounds < 1:
            wrong = "A judge is asked at least once, and whole times."
            raise ConfigError(wrong, f"rounds={self.rounds!r}", "rounds=2 asks four times.")

    def faults(self) -> list[str]:
        """A model that cannot be loaded: "key: why"."""
        return loading_faults("judge.load", self.judge.load)

    def _settled(self, cases: Sequence[tuple], contradict: Callable[[list[float], list[float]], bool]) -> list[Score]:
        """What all turns of each case come to; all cases are asked at once."""
        turns = range(2 * self.rounds)
        said = iter(self.judge([self._query(*case, turn) for case in cases for turn in turns]) if cases else [])
        return [settled([next(said) for _ in turns], contradict) for _ in cases]


@dataclass(frozen=True, eq=False)
class PairJudge(_AskedInTurns):
    """Compares two responses to one prompt, in both orders.

    Paper: each pair is judged four times with positions at random, and kept if the scores differ by more than 1.
    Here two of four have either order, so that no position is favored.
    """

    def __call__(self, pairs: Sequence[tuple[Question, str, str]]) -> list[Score]:
        """By how much, from -2 to 2, the first response is better than the second: (question, first, second)."""
        return self._settled(pairs, opposed)

    def _query(self, question: Question, first: str, second: str, turn: int) -> Query:
        a, b = (second, first) if turn % 2 else (first, second)
        sign = -1 if turn % 2 else 1
        task = (
            f"Compare two responses, A and B, to the same prompt. {self.criteria} First answer the prompt yourself; "
            "then compare both with your own answer and with each other, and name what is wrong in either."
        )
        material = {"prompt": question.dialogue, "response A": a, "response B": b}
        return Query(task, material, PAIR_VERDICTS, {label: sign * v for label, v in PAIR_VALUES.items()}, turn)


@dataclass(frozen=True, eq=False)
class PointJudge(_AskedInTurns):
    """Judges one response by itself, its verdicts listed in both orders.

    Example: verdicts ``{"safe": 1.0, "unsafe": 0.0}`` give 1.0 where both askings end in safe.
    """

    verdicts: Mapping[str, float]
    """Verdict -> value from 0 to 1; in an order, best first."""

    def __post_init__(self):
        super().__post_init__()
        if len(self.verdicts) < 2 or not all(is_number(v) and 0 <= v <= 1 for v in self.verdicts.values()):
            raise ConfigError(
                "A judge needs at least two verdicts with values from 0 to 1.",
                f"verdicts={dict(self.verdicts)}",
                "verdicts={safe: 1, unsafe: 0}",
            )
        if unreadable := [label for label in self.verdicts if not is_label(label)]:
            raise ConfigError(
                "A verdict is a text on one line without square brackets: no other can be read.",
                f"verdicts: {', '.join(map(repr, unreadable))}",
                "verdicts={safe: 1, unsafe: 0}; YAML reads yes and 1 as no texts, 'yes' and '1' as texts",
            )

    def __call__(self, responses: Sequence[tuple[Question, str]]) -> list[Score]:
        """Values from 0 to 1 of (question, response), in order."""
        return self._settled(responses, unlike)

    def _query(self, question: Question, response: str, turn: int) -> Query:
        task = f"Judge a response to a prompt. {self.criteria}"
        material = {"prompt": question.dialogue, "response": response}
        return Query(task, material, _listed(self.verdicts, turn), self.verdicts, turn)


@dataclass(frozen=True, eq=False)
class AnswerJudge(_AskedInTurns):
    """Says whether an answer agrees with the reference of its question, where no rule can (paper v2, B.3.3, Listing 4).

    Its two verdicts are listed in both orders. An answer that is the reference word for word is not asked about.
    """

    def __call__(self, answers: Sequence[tuple[Question, str]]) -> list[Score]:
        """1 for correct and 0 for incorrect, in order, of (question, answer); BAD_GOLD without a reference."""
        known = [_without_asking(*answer) for answer in answers]
        found = iter(self._settled([answer for answer, score in zip(answers, known) if score is None], unlike))
        return [score or next(found) for score in known]

    def _query(self, question: Question, answer: str, turn: int) -> Query:
        task = (
            "Say whether an answer to a question is correct, given a reference that is. Work out what the reference "
            f"says and what the answer says before you compare them. {self.criteria}"
        )
        material = {"question": question.dialogue, "reference": question.answer, "answer": answer}
        return Query(task, material, _listed(ANSWER_VERDICTS, turn), ANSWER_VERDICTS, turn)


def _without_asking(question: Question, answer: str) -> Score | None:
    """The score of an answer that no judge needs to see; None of any other."""
    if not question.answer:
        return Score(0.0, Status.BAD_GOLD, "the question has no reference")
    return Score(1.0, reason="the reference itself") if answer.strip() == question.answer.strip() else None


def _listed(verdicts: Iterable[str], turn: int) -> dict[str, str]:
    """The verdicts in the order of a turn: every second one has them the other way round."""
    return dict.fromkeys(list(verdicts)[:: -1 if turn % 2 else 1], "")


def settled(said: Sequence[Score], contradict: Callable[[list[float], list[float]], bool]) -> Score:
    """What several askings come to, of which every second one had the other order."""
    ms = sum(score.ms for score in said)
    reason = ", ".join(score.reason for score in said)
    for fault in (score for score in said if not score.judged):
        return replace(fault, ms=ms)
    if contradict(*([score.value for score in said[start::2]] for start in (0, 1))):
        return Score(0.0, Status.DISAGREED, f"in turn {reason}", ms)
    return Score(sum(score.value for score in said) / len(said), reason=reason, ms=ms)


def opposed(first: list[float], second: list[float]) -> bool:
    """Whether each order has another winner: the judge favors a position.

    >>> opposed([2, 1], [1, -1]), opposed([2, 1], [-1, -1])
    (False, True)
    """
    return sum(first) * sum(second) < 0


def unlike(first: list[float], second: list[float]) -> bool:
    """Whether the order of the verdicts makes another verdict the most frequent.

    >>> unlike([1.0, 0.0], [1.0, 1.0]), unlike([1.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    (False, True)
    """
    return set(multimode(first)).isdisjoint(multimode(second))
