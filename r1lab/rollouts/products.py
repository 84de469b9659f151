"""What sampled responses become: demonstrations, pairs of a better and a worse one, or responses with a label.

A row is a line of JSON in the artifact's file: what `data/demonstrations.py` and the mixes `pairs` and `points` read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Protocol

from r1lab.data.demonstrations import FILE
from r1lab.data.refinement import refined
from r1lab.functional.schedules import require
from r1lab.rewards.judged import EVEN
from r1lab.rewards.preference import Scope
from r1lab.types import Demonstration, Question, Rollout, Score

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Made:
    """What came of the responses to some questions."""

    rows: list[Row]
    gone: Counter[str] = field(default_factory=Counter)
    """How many responses or pairs came to nothing, by reason."""
    judged: list[Rollout] = field(default_factory=list)
    """Responses with the score of the product's own judge, for a budget of faults."""


class Product(Protocol):
    """Makes rows of the responses to questions."""

    kind: ClassVar[str]
    """Of the artifact."""
    file: ClassVar[str]
    """The name of the file in its folder."""
    unit: ClassVar[str]
    """What a row is, in the plural."""
    measure: ClassVar[str]
    """What `worth` says of a row."""

    def __call__(self, kept: Sequence[Sequence[Rollout]], writer: str) -> Made:
        """What becomes of the kept responses to each question; `writer` is whose policy wrote them."""
        ...

    def heading(self, row: Row) -> str:
        """What rows are counted by."""
        ...

    def worth(self, row: Row) -> float:
        """A number whose mean tells something about the rows."""
        ...

    def settled(self, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
        """Those of all rows that go into the artifact."""
        return rows()

    def faults(self) -> list[str]:
        """What cannot work, seen before anything is loaded: "key: why", by the key below the product."""
        return []


class PairwiseJudge(Protocol):
    """Compares two responses to one question."""

    def __call__(self, pairs: Sequence[tuple[Question, str, str]]) -> list[Score]:
        """By how much, from -2 to 2, the first is better than the second."""
        ...

    def faults(self) -> list[str]:
        """A model that cannot be loaded: "key: why"."""
        ...


class PointwiseJudge(Protocol):
    """Judges a response by itself."""

    def __call__(self, responses: Sequence[tuple[Question, str]]) -> list[Score]:
        """Values from 0 to 1."""
        ...

    def faults(self) -> list[str]:
        """A model that cannot be loaded: "key: why"."""
        ...


@dataclass(frozen=True)
class Demonstrated(Product):
    """Each response is a demonstration; a better wording of one belongs to the question that it answers."""

    kind: ClassVar[str] = "demonstrations"
    file: ClassVar[str] = FILE
    unit: ClassVar[str] = "demonstrations"
    measure: ClassVar[str] = "mean tokens"

    def __call__(self, kept: Sequence[Sequence[Rollout]], writer: str) -> Made:
        # as it was judged: cut at a stop text, with what the prefill had said
        shown = [
            Demonstration(refined(r.question), r.response.text, len(r.completion), writer)
            for of_question in kept
            for r in of_question
        ]
        return Made([asdict(row) for row in shown])

    def heading(self, row: Row) -> str:
        return row["question"]["domain"]

    def worth(self, row: Row) -> float:
        return row["num_tokens"]


@dataclass(frozen=True)
class _Preferences(Product):
    """What a judge makes of responses, as a reward model is to read them."""

    judge: PairwiseJudge | PointwiseJudge
    scope: Scope

    kind: ClassVar[str] = "preferences"

    def faults(self) -> list[str]:
        return [f"judge.{fault}" for fault in self.judge.faults()]

    def heading(self, row: Row) -> str:
        return row["language"]


@dataclass(frozen=True)
class Compared(_Preferences):
    """The first response with the second, the third with the fourth: a pair where the judge is sure enough.

    As many pairs have the longer response chosen as rejected, so that length does not tell which is better. Responses
    are compared as the reward model is to read them. Source: paper, Methods, reward design.
    """

    judge: PairwiseJudge
    least: float
    """The difference must exceed it; the paper's is 1."""

    file: ClassVar[str] = "pairs.jsonl"
    unit: ClassVar[str] = "pairs"
    measure: ClassVar[str] = "mean difference"

    def __post_init__(self):
        require("product.least", self.least, 0)

    def __call__(self, kept: Sequence[Sequence[Rollout]], writer: str) -> Made:
        said, gone = _said(kept, self.scope)
        met = [pair for responses in said for pair in zip(responses[::2], responses[1::2])]
        asked = [(a, b) for a, b in met if a.text != b.text]
        gone["the same twice"] += len(met) - len(asked)
        made = Made([], gone)
        scores = self.judge([(a.rollout.question, a.text, b.text) for a, b in asked]) if asked else []
        for (a, b), score in zip(asked, scores):
            made.judged.append(_with_score(a.rollout, score))
            if not score.judged or abs(score.value) <= self.least:
                gone["too much alike" if score.judged else str(score.status)] += 1
                continue
            better, worse = (a, b) if score.value > 0 else (b, a)
            made.rows.append(
                {**_heading(better.rollout.question, writer), "chosen": better.text, "rejected": worse.text,
                 "margin": abs(score.value)}
            )  # fmt: skip
        return made

    def worth(self, row: Row) -> float:
        return row["margin"]

    def settled(self, rows: Callable[[], Iterator[Row]]) -> Iterator[Row]:
        """The first of them, until one of the two kinds has no more."""
        found = Counter(map(_longer, rows()))
        room = dict.fromkeys(("chosen", "rejected"), min(found["chosen"], found["rejected"]))
        for row in rows():
            longer = _longer(row)
            if longer in room:
                room[longer] -= 1
            if room.get(longer, 0) >= 0:
                yield row


@dataclass(frozen=True)
class Labeled(_Preferences):
    """Each response is safe or not, by a judge (paper, Methods, reward design: labeled by guidelines)."""

    judge: PointwiseJudge

    file: ClassVar[str] = "points.jsonl"
    unit: ClassVar[str] = "labeled responses"
    measure: ClassVar[str] = "mean label"

    def __call__(self, kept: Sequence[Sequence[Rollout]], writer: str) -> Made:
        by_question, gone = _said(kept, self.scope)
        said = [one for responses in by_question for one in responses]
        made = Made([], gone)
        scores = self.judge([(one.rollout.question, one.text) for one in said]) if said else []
        for one, score in zip(said, scores):
            made.judged.append(_with_score(one.rollout, score))
            if not score.judged or score.value == EVEN:
                gone["undecided" if score.judged else str(score.status)] += 1
                continue
            label = float(score.value > EVEN)
            made.rows.append({**_heading(one.rollout.question, writer), "response": one.text, "label": label})
        return made

    def worth(self, row: Row) -> float:
        return row["label"]


@dataclass(frozen=True)
class _Said:
    """A response, and what of it is judged."""

    rollout: Rollout
    text: str


def _said(kept: Sequence[Sequence[Rollout]], scope: Scope) -> tuple[list[list[_Said]], Counter[str]]:
    """By question what a judge is to see of the responses, and how many it is not to see."""
    texts = [scope(rollouts)[1] for rollouts in kept]
    said = [[_Said(rollouts[place], text) for place, text in own.items()] for rollouts, own in zip(kept, texts)]
    asked = [rollouts for rollouts in kept if rollouts and scope.covers(rollouts[0].question)]
    gone = Counter({"for another aspect": sum(map(len, kept)) - sum(map(len, asked))})
    gone["nothing is said"] = sum(map(len, asked)) - sum(map(len, said))
    return said, gone


def _with_score(rollout: Rollout, score: Score) -> Rollout:
    return replace(rollout, scores={"judge": score})


def _heading(question: Question, writer: str) -> dict[str, Any]:
    asked = {"role": "user", "content": question.text}
    prompt = [*question.turns, asked] if question.turns else question.text
    return {"prompt": prompt, "language": question.language, "writer": writer}


def _longer(row: Row) -> str:
    """Which response has more characters; "" where they have as many."""
    chosen, rejected = len(row["chosen"]), len(row["rejected"])
    return "" if chosen == rejected else "chosen" if chosen > rejected else "rejected"
