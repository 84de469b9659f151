"""What sampled responses become: demonstrations, pairs of a better and a worse one, or responses with a label.

A row is a line of JSON in the artifact's file: what `data/demonstrations.py` and the mixes `pairs` and `points` read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

from r1lab.data.demonstrations import FILE
from r1lab.data.refinement import refined
from r1lab.functional.schedules import require
from r1lab.rewards.preference import Scope
from r1lab.types import Demonstration, Question, Rollout, Score

Row = Mapping[str, Any]


class Product(Protocol):
    """Makes rows of the responses to one question."""

    kind: ClassVar[str]
    """Of the artifact."""
    file: ClassVar[str]
    """The name of the file in its folder."""
    unit: ClassVar[str]
    """What a row is, in the plural."""
    measure: ClassVar[str]
    """What `worth` says of a row."""

    def __call__(self, kept: Sequence[Rollout], writer: str) -> tuple[list[Row], Counter[str]]:
        """The rows, and how many responses or pairs came to nothing, by reason; `writer` is whose policy it was."""
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


class PairwiseJudge(Protocol):
    """Compares two responses to one question."""

    def __call__(self, pairs: Sequence[tuple[Question, str, str]]) -> list[Score]:
        """By how much, from -2 to 2, the first is better than the second."""
        ...


class PointwiseJudge(Protocol):
    """Judges a response by itself."""

    def __call__(self, responses: Sequence[tuple[Question, str]]) -> list[Score]:
        """Values from 0 to 1."""
        ...


@dataclass(frozen=True)
class Demonstrated(Product):
    """Each response is a demonstration; a better wording of one belongs to the question that it answers."""

    kind: ClassVar[str] = "demonstrations"
    file: ClassVar[str] = FILE
    unit: ClassVar[str] = "demonstrations"
    measure: ClassVar[str] = "mean tokens"

    def __call__(self, kept: Sequence[Rollout], writer: str) -> tuple[list[Row], Counter[str]]:
        # as it was judged: cut at a stop text, with what the prefill had said
        rows = [Demonstration(refined(r.question), r.response.text, len(r.completion), writer) for r in kept]
        return [asdict(row) for row in rows], Counter()

    def heading(self, row: Row) -> str:
        return row["question"]["domain"]

    def worth(self, row: Row) -> float:
        return row["num_tokens"]


@dataclass(frozen=True)
class Compared(Product):
    """Each two responses are compared; where the judge is sure enough they are a pair (paper, Methods, reward design).

    As many pairs have the longer response chosen as rejected, so that length does not tell which is better. Responses
    are compared as the reward model is to read them.
    """

    judge: PairwiseJudge
    scope: Scope
    least: float
    """The difference must exceed it; the paper's is 1."""

    kind: ClassVar[str] = "preferences"
    file: ClassVar[str] = "pairs.jsonl"
    unit: ClassVar[str] = "pairs"
    measure: ClassVar[str] = "mean difference"

    def __post_init__(self):
        require("product.least", self.least, 0)

    def __call__(self, kept: Sequence[Rollout], writer: str) -> tuple[list[Row], Counter[str]]:
        _, texts = self.scope(kept)
        places = list(texts)
        met = [(a, b) for a, b in zip(places[::2], places[1::2]) if texts[a] != texts[b]]
        judged = self.judge([(kept[a].question, texts[a], texts[b]) for a, b in met]) if met else []
        rows, gone = [], Counter({"nothing to compare": len(kept) // 2 - len(met)})
        for (a, b), score in zip(met, judged):
            if not score.judged or abs(score.value) <= self.least:
                gone["too much alike" if score.judged else str(score.status)] += 1
                continue
            better, worse = (a, b) if score.value > 0 else (b, a)
            question = kept[better].question
            rows.append(
                {"prompt": question.text, "chosen": texts[better], "rejected": texts[worse],
                 "margin": abs(score.value), "language": question.language, "writer": writer}
            )  # fmt: skip
        return rows, +gone

    def heading(self, row: Row) -> str:
        return row["language"]

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
class Labeled(Product):
    """Each response is safe or not, by a judge (paper, Methods, reward design: labeled by guidelines)."""

    judge: PointwiseJudge
    scope: Scope

    kind: ClassVar[str] = "preferences"
    file: ClassVar[str] = "points.jsonl"
    unit: ClassVar[str] = "labeled responses"
    measure: ClassVar[str] = "mean label"

    def __call__(self, kept: Sequence[Rollout], writer: str) -> tuple[list[Row], Counter[str]]:
        _, texts = self.scope(kept)
        judged = self.judge([(kept[place].question, text) for place, text in texts.items()]) if texts else []
        rows, gone = [], Counter({"nothing is said": len(kept) - len(texts)})
        for (place, text), score in zip(texts.items(), judged):
            if not score.judged:
                gone[str(score.status)] += 1
                continue
            question = kept[place].question
            rows.append(
                {"prompt": question.text, "response": text, "label": float(score.value >= 0.5),
                 "language": question.language, "writer": writer}
            )  # fmt: skip
        return rows, +gone

    def heading(self, row: Row) -> str:
        return row["language"]

    def worth(self, row: Row) -> float:
        return row["label"]


def _longer(row: Row) -> str:
    """Which response has more characters; "" where they have as many."""
    chosen, rejected = len(row["chosen"]), len(row["rejected"])
    return "" if chosen == rejected else "chosen" if chosen > rejected else "rejected"
