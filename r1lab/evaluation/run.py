"""How good a policy is on held-out questions: k samples each, every completion judged and kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from operator import eq
from typing import Any

from r1lab.data.digests import digests_of
from r1lab.data.mix import Mix
from r1lab.engines.base import SamplingParams
from r1lab.functional.estimators import bootstrap, consensus_at_k, paired_bootstrap, pass_at_k
from r1lab.functional.schedules import require_integer
from r1lab.rewards.rubric import FaultBudget, informed
from r1lab.rollouts.collect import Collector
from r1lab.types import Group, Question


@dataclass(frozen=True)
class Evaluation:
    """A pinned evaluation: how many held-out questions, how many samples of each, how they are drawn and judged.

    Paper: v1 3 and v2 D.1: temperature 0.6, top-p 0.95; pass@1 is the mean over k samples, cons@k their vote.
    """

    questions: int
    samples: int
    """k, before and after training."""
    samples_during: int
    """k of the evaluations while training goes on."""
    every_steps: int
    """Optimizer steps between those; 0 evaluates before and after only."""
    temperature: float
    top_p: float
    top_k: int
    max_new_tokens: int
    rewards: Mapping[str, Any]
    """Judges; `accuracy` decides what is right."""
    mix: Mix | None = None
    """Whose held-out questions are asked; None asks those of the mix that is trained on."""
    fault_budget: FaultBudget = field(default_factory=lambda: FaultBudget(max_share=0.05, min_scores=20))
    """How many scores may be faults; an evaluation beyond it, or without a judged score, is refused."""

    def __post_init__(self):
        for name, low in {"questions": 1, "samples": 1, "samples_during": 1, "every_steps": 0}.items():
            require_integer(name, getattr(self, name), low)
        SamplingParams(self.max_new_tokens, self.temperature, self.top_p, self.top_k)

    def heldout(self, trained: Mix) -> list[Question]:
        """What is asked of a policy that is trained on a mix. Raises DataError."""
        return (self.mix or trained).heldout(self.questions)

    def digests(self) -> dict[str, str]:
        """What its judges and its own mix read, by content. Raises DataError."""
        read = digests_of(self.rewards, "rewards") | (self.mix.digests() if self.mix else {})
        return {f"evaluation/{place}": digest for place, digest in read.items()}

    @property
    def places(self) -> list[str]:
        """Where numbers stand in what it comes to: pass_at_1, scores.language, ...; a star is any domain or level."""
        judges = [name for name in self.rewards if name != "accuracy"]
        parts = {"scores": judges, "accuracy_by_domain": ["*"], "accuracy_by_level": ["*"]}
        numbers = summarize([], self.samples, eq, seed=0)
        return [f"{name}.{part}" if part else name for name in numbers for part in parts.get(name, [""])]

    def judges(self, heldout: Sequence[Question]) -> dict[str, Any]:
        """The rewards, told of all that is asked."""
        return informed(self.rewards, heldout)

    def check(self, groups: Sequence[Group]) -> None:
        """Raises VerifierError where the judges failed too often for the numbers to mean anything."""
        self.fault_budget([rollout for group in groups for rollout in group.rollouts], last=True)

    def outcomes(self, groups: Sequence[Group]) -> list[Outcome]:
        """The numbers of judged groups, in their order."""
        aspects = {name: reward.aspect for name, reward in self.rewards.items() if name != "accuracy"}
        return [outcome(group, aspects) for group in groups]

    def __call__(
        self,
        collector: Collector,
        heldout: Sequence[Question],
        samples: int,
        stream: tuple[int | str, ...],
        rank: int = 0,
        world_size: int = 1,
        tell: Callable[[int], None] = lambda done: None,
    ) -> list[Group]:
        """The judged groups of this rank's questions; the same `stream` draws the same numbers for any policy."""
        params = SamplingParams(self.max_new_tokens, self.temperature, self.top_p, self.top_k, collector.stop_ids)
        return collector(list(enumerate(heldout))[rank::world_size], params, samples, stream, step=0, tell=tell)


@dataclass(frozen=True)
class Outcome:
    """What came of one question: one entry for each judged sample.

    A general prompt without an answer, or whose aspect has a judge of its own, is neither right nor wrong, and nobody
    votes on it: `correct` and `answers` are empty.
    """

    index: int
    domain: str
    level: int | None
    correct: list[bool]
    answers: list[str | None]
    well_formed: list[bool]
    lengths: list[int]
    """Of all samples, the unjudged ones too."""
    truncated: list[bool]
    num_faults: int
    scores: dict[str, list[float]] = field(default_factory=dict)
    """What the other judges gave, each to the questions that it is for, where it could judge."""


def outcome(group: Group, aspects: Mapping[str, str]) -> Outcome:
    """The numbers of one judged group; samples whose accuracy was not judged are counted as faults, not as wrong.

    aspects: of the judges beside accuracy, the aspect of general prompts that each is for, "" for all questions.
    """
    own = group.question.details.get("aspect")
    scores = {
        name: [r.scores[name].value for r in group.rollouts if r.scores[name].judged]
        for name, aspect in aspects.items()
        if aspect in ("", own)
    }
    apart = own is not None and (own in aspects.values() or not group.question.answer)
    judged = [r for r in group.rollouts if apart or r.scores["accuracy"].judged]
    compared = [] if apart else judged
    return Outcome(
        index=group.index,
        domain=group.question.domain,
        level=group.question.level,
        correct=[r.scores["accuracy"].value >= 1.0 for r in compared],
        answers=[r.response.answer for r in compared],
        well_formed=[r.response.well_formed for r in judged],
        lengths=[len(r.completion) for r in group.rollouts],
        truncated=[r.completion.truncated for r in group.rollouts],
        num_faults=len(group.rollouts) - len(judged),
        scores=scores,
    )


def summarize(outcomes: Sequence[Outcome], samples: int, same: Callable[[str, str], bool], seed: int) -> dict[str, Any]:
    """pass@1, cons@k, pass@k with intervals by bootstrap over questions, and the shares that explain them.

    `same` says whether two answers are equal; questions without k judged samples are left out of cons@k and pass@k.
    """
    judged = [o for o in outcomes if o.correct]
    whole = [o for o in judged if len(o.correct) == samples]
    right = [sum(o.correct) / len(o.correct) for o in judged]
    votes = [consensus_at_k(o.answers, o.correct, same, samples, seed) for o in whole]
    any_right = list(pass_at_k([o.correct for o in whole], samples)) if whole else []
    by_domain, by_level = defaultdict(list), defaultdict(list)
    for o, share in zip(judged, right):
        by_domain[o.domain].append(share)
        by_level[str(o.level)].append(share)
    lengths = [length for o in outcomes for length in o.lengths]
    names = dict.fromkeys(name for o in outcomes for name in o.scores)
    scores = {name: [mean(o.scores[name]) for o in outcomes if o.scores.get(name)] for name in names}
    return {
        "questions": len(outcomes),
        "samples": samples,
        "pass_at_1": interval(right, seed),
        f"cons_at_{samples}": interval(votes, seed),
        f"pass_at_{samples}": interval(any_right, seed),
        "format_share": mean([float(w) for o in outcomes for w in o.well_formed]),
        "answered_share": mean([float(a is not None) for o in judged for a in o.answers]),
        "mean_length": mean(lengths),
        "truncated_share": mean([float(t) for o in outcomes for t in o.truncated]),
        "fault_share": sum(o.num_faults for o in outcomes) / max(len(lengths), 1),
        "scores": {name: interval(values, seed) for name, values in scores.items()},
        "accuracy_by_domain": {domain: interval(values, seed) for domain, values in sorted(by_domain.items())},
        "accuracy_by_level": {level: interval(values, seed) for level, values in sorted(by_level.items())},
        "tokens_sampled": sum(lengths),
    }


def gains(after: Sequence[Outcome], before: Sequence[Outcome], seed: int) -> dict[str, dict[str, float]]:
    """How much one policy gains over another, question by question, with 95 % intervals by bootstrap over questions.

    Both have answered the same questions; what makes one of them hard is hard for both, so the intervals are narrower
    than those of two means. Questions without a judged sample of both are left out.
    """
    if [(o.index, o.domain, o.level) for o in after] != [(o.index, o.domain, o.level) for o in before]:
        raise ValueError("Gains are those on the same questions; found others.")
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for new, old in zip(after, before):
        found, earlier = ({"pass_at_1": o.correct, **o.scores} for o in (new, old))
        for name, values in found.items():
            if values and earlier.get(name):
                pairs[name].append((mean(values), mean(earlier[name])))
    return {name: asdict(paired_bootstrap(*zip(*both), seed)) for name, both in pairs.items()}


def interval(values: Sequence[float], seed: int) -> dict[str, float] | None:
    """Mean with its 95 % interval as plain numbers; None where there is nothing to average."""
    return asdict(bootstrap(values, seed)) if len(values) else None


def mean(values: Sequence[float]) -> float:
    """The mean, 0 of nothing."""
    return sum(values) / len(values) if values else 0.0
