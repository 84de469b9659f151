"""Sampling as a stage: a policy answers questions, and what passes the filters becomes data for the next stage.

Cold-start data (paper v2, B.3.2), rejection sampling (B.3.3) and what reward models learn from are its configurations.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from r1lab.data.demonstrations import write_rows
from r1lab.data.digests import digests_of
from r1lab.data.mix import Mix
from r1lab.data.template import Template, check_prompt_tokens, longest_prompt
from r1lab.disk import parsed_json, read_json, write_json_atomic
from r1lab.engines.base import SamplingParams
from r1lab.errors import DataError
from r1lab.functional.schedules import require, require_integer
from r1lab.models.families import positions_of
from r1lab.processes import rank, wait_for
from r1lab.records.ledger import Ledger
from r1lab.rewards.rubric import FaultBudget, Reward, Rubric, informed
from r1lab.rollouts.products import Product, Row
from r1lab.rollouts.screening import ResponseFilter, screened
from r1lab.stages.base import Context
from r1lab.stages.dropped import tell_dropped
from r1lab.stages.gold import NUM_GOLD, tell_golds
from r1lab.stages.policy import ModelChoice
from r1lab.stages.policy_stage import PolicyStage
from r1lab.text.columns import table
from r1lab.training.strategy import Strategy
from r1lab.types import Question, Rollout

SAMPLE = "sample"
"""The kind of the completions in the tables."""
SAMPLING = ("r1lab.rollouts.collect", "r1lab.stages.watch", "r1lab.models.causal")


@dataclass(frozen=True)
class SamplePlan:
    """How many questions are asked, how often each, and how many of its responses are kept."""

    questions: int
    """Drawn of the mix; one that comes twice is asked once."""
    samples: int
    """Responses to each question."""
    keep: int
    """Most responses of a question that are kept."""
    chunk: int
    """Questions whose responses are written together: what a killed run loses at most, on each rank."""
    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int

    def __post_init__(self):
        for name in ("questions", "samples", "keep", "chunk", "max_new_tokens"):
            require_integer(f"plan.{name}", getattr(self, name), 1)
        require("plan.temperature", self.temperature, 0)
        require("plan.top_p", self.top_p, 0, above=True)
        require_integer("plan.top_k", self.top_k, 0)

    def chunks(self, questions: int) -> list[range]:
        """The places of the questions of each chunk."""
        return [range(start, min(start + self.chunk, questions)) for start in range(0, questions, self.chunk)]


class Prompts(NamedTuple):
    """What is asked, and the rewards, told of it."""

    questions: list[Question]
    rewards: Mapping[str, Reward]


@dataclass(frozen=True)
class SampleStage(PolicyStage):
    """Several responses to each question; those that all filters leave are kept, and the product is made of them."""

    imports: ClassVar[tuple[str, ...]] = SAMPLING

    policy: ModelChoice
    mix: Mix
    template: Template
    rewards: Mapping[str, Any]
    engine: Callable[..., Any]
    filters: Mapping[str, ResponseFilter]
    """Applied in this order."""
    product: Product
    plan: SamplePlan
    strategy: Strategy
    fault_budget: FaultBudget

    @property
    def outputs(self) -> tuple[str, ...]:
        """One artifact of the product's kind."""
        return (self.product.kind,)

    def faults(self) -> list[str]:
        """What cannot work, before anything is built."""
        faults = self.policy.faults() + self.mix.faults((0,)) + Rubric(self.rewards).faults("rewards")
        faults += self.policy.too_long("stage.plan.max_new_tokens", self.plan.max_new_tokens)
        faults += [f"stage.product.{fault}" for fault in self.product.faults()]
        asked = {name: getattr(judge, "reward", None) for name, judge in self.filters.items()}
        return faults + [
            f"stage.filters.{name}.reward={reward}: the rewards are {', '.join(self.rewards) or 'none'}."
            for name, reward in asked.items()
            if reward is not None and reward not in self.rewards
        ]

    def parents(self) -> dict[str, str]:
        """The data files and the folders of models, those that reward and judge too, by content."""
        judging = digests_of(self.rewards, "rewards") | digests_of(self.product, "product")
        return self.mix.digests() | judging | self.policy.digests()

    def read(self) -> Prompts:
        """The first questions of the mix, each once."""
        self.mix.check()
        drawn, _ = self.mix.draw(self.mix.start(), self.plan.questions, 0)
        questions = list({question.id: question for question in drawn}.values())
        return Prompts(questions, informed(self.rewards, questions))

    def check(self, context: Context, data: Prompts) -> None:
        """Gold completions score full marks."""
        self.check_golds(context, data)

    def check_golds(self, context: Context, data: Prompts, tokenizer: Any = None) -> None:
        """With a tokenizer those behind the prompts that open more."""
        first, further, most = data.questions[:NUM_GOLD], data.questions[NUM_GOLD:], self.fault_budget.max_share
        tell_golds(context.say, data.rewards, self.template, first, further, tokenizer, most)

    def ready(self, context: Context, data: Prompts, model: Any, tokenizer: Any) -> Prompts:
        """No prompt is cut: the questions must leave room for the longest response."""
        if context.first_rank:
            tell_dropped(context, self.mix)
            if twice := self.plan.questions - len(data.questions):
                context.say(f"Of {self.plan.questions} questions {twice} are repetitions, which are not asked")
            for line in self.template.remarks(tokenizer):
                context.say(line)
            self.check_golds(context, data, tokenizer)
            room = positions_of(model.config) - self.plan.max_new_tokens
            check_prompt_tokens(self.template, data.questions, tokenizer, room)
        return data

    def longest_text(self, data: Prompts, tokenizer: Any) -> float:
        """The longest prompt of the first questions and the longest response."""
        return longest_prompt(self.template, data.questions[:NUM_GOLD], tokenizer) + self.plan.max_new_tokens

    def finish(self, context: Context, data: Prompts, worked: Chunks) -> None:
        """Stores what is kept of all chunks, once the ranks of other machines are through as well."""
        wait_for(lambda: len(worked) - worked.done, "chunks", context.say)
        self.require_judged(Ledger(context.folder), set(data.rewards))
        if not worked.kept:
            raise DataError(
                f"Nothing is left: there are no {self.product.unit} to learn from.",
                ", ".join(f"{name} took {count}" for name, count in worked.gone.most_common()),
                "Ask more questions (stage.plan.questions), sample more of each, or loosen a filter.",
            )
        stored = context.put(
            self.product.kind, lambda folder: worked.merge(folder / self.product.file), self.policy.base
        )
        write_json_atomic(context.folder / "summary.json", {**worked.summary, "path": str(stored.path)})
        context.report(worked.report())

    def require_judged(self, ledger: Ledger, rewards: set[str]) -> None:
        """Raises VerifierError where one of the rewards fails and has judged no completion of any chunk."""
        judging = ledger.judging(SAMPLE, rewards)
        budget = replace(self.fault_budget, max_share=1.0)
        for part in ledger.read(ledger.names([SAMPLE])) if judging < rewards else ():
            budget([rollout for group in part.groups for rollout in group.rollouts], last=True, judging=judging)

    def work(self, context: Context, data: Prompts, model: Any, tokenizer: Any) -> Chunks:
        """This rank's chunks that are not there yet: sampled, judged, written.

        Returns the chunks of all ranks. Raises what a reward or a fault budget raises.
        """
        from r1lab.records.progress import track
        from r1lab.rollouts.collect import Collector
        from r1lab.stages.watch import RunTables

        plan, own, questions = self.plan, rank(self.strategy.local_size), data.questions
        chunks = Chunks(context.folder / "chunks", plan.chunks(len(questions)), self.product)
        todo = [number for number in range(own, len(chunks), self.strategy.world_size) if not chunks.has(number)]
        engine = self.engine(policy=self.policy.sampling(model, self.strategy), pad_id=tokenizer.pad_token_id)
        if context.first_rank and chunks.done:
            context.say(f"Going on: {chunks.done} of {len(chunks)} chunks are there")
        context.say(f"Sampling {len(questions):,} questions x {plan.samples}")
        total = sum(len(chunks.places[number]) for number in todo)
        with (
            closing(Rubric(data.rewards)) as rubric,
            track(total, "sampling", {"kept": "{:,.0f} kept"}, quiet=not context.first_rank) as progress,
        ):
            collector = Collector(engine, tokenizer, self.template, rubric)
            params = SamplingParams(plan.max_new_tokens, plan.temperature, plan.top_p, plan.top_k, collector.stop_ids)
            done = kept = 0
            unjudged: list[Rollout] = []  # since the budget last had scores enough to judge by
            for number in todo:
                asked = [(place, questions[place]) for place in chunks.places[number]]
                groups = collector(asked, params, plan.samples, (context.seed, SAMPLE), 0)
                RunTables(context.folder).write_groups(groups, rubric.weights(0), number, 0, SAMPLE, rank=0)
                chosen, left = zip(*(screened(group, self.filters, plan.keep) for group in groups))
                made = self.product(chosen, self.policy.origin)
                unjudged += [*(rollout for group in groups for rollout in group.rollouts), *made.judged]
                unjudged = [] if self.fault_budget(unjudged) else unjudged
                gone = sum(left, +made.gone)
                chunks.write(number, made.rows, len(asked), sum(len(group.rollouts) for group in groups), gone)
                done, kept = done + len(asked), kept + len(made.rows)
                progress.update(done, kept=kept)
        return chunks


@dataclass(frozen=True)
class Chunks:
    """What was kept of every chunk, a file each, with the counts of what was not."""

    folder: Path
    places: Sequence[range]
    """Of the questions of each chunk."""
    product: Product

    def __len__(self) -> int:
        return len(self.places)

    @property
    def done(self) -> int:
        """How many are there."""
        return sum(self.has(number) for number in range(len(self)))

    def has(self, number: int) -> bool:
        return self._counts(number).exists()

    def write(self, number: int, rows: Sequence[Row], questions: int, samples: int, gone: Counter) -> None:
        """The rows of a chunk, then its counts, which vouch for them."""
        self.folder.mkdir(exist_ok=True)
        write_rows(self._rows(number), rows)
        write_json_atomic(self._counts(number), {"questions": questions, "samples": samples, "gone": dict(gone)})

    @cached_property
    def kept(self) -> int:
        """Rows of all chunks that go into the artifact."""
        return sum(1 for _ in self.product.settled(self.rows))

    @cached_property
    def gone(self) -> Counter[str]:
        """How many responses each filter has taken out, and rows that did not go into the artifact."""
        taken = sum((Counter(counts["gone"]) for counts in self._all_counts()), Counter())
        return taken + Counter({"for balance": sum(1 for _ in self.rows()) - self.kept})

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Questions, samples, what was kept and what was not by filter (the paper's Table 5)."""
        counts = list(self._all_counts())
        found: dict[str, list[float]] = defaultdict(list)
        for row in self.product.settled(self.rows):
            found[self.product.heading(row)].append(self.product.worth(row))
        return {
            "questions": sum(c["questions"] for c in counts),
            "samples": sum(c["samples"] for c in counts),
            "kept": self.kept,
            "parts": {name: {"kept": len(w), "mean": sum(w) / len(w)} for name, w in sorted(found.items())},
            "gone": dict(self.gone.most_common()),
        }

    def report(self) -> str:
        """What a person reads at the end."""
        found = self.summary
        rows = [("", "kept", self.product.measure)]
        rows += [(name, f"{part['kept']:,}", f"{part['mean']:,.2f}") for name, part in found["parts"].items()]
        gone = ", ".join(f"{name} {count:,}" for name, count in found["gone"].items())
        told = f"{found['kept']:,} {self.product.unit} of {found['samples']:,} responses"
        return "\n".join(
            [f"{told} to {found['questions']:,} questions", "", table(rows), "", f"Left out: {gone or 'nothing'}"]
        )

    def merge(self, path: Path) -> None:
        """What there is of all chunks in one file, one after the other."""
        write_rows(path, self.product.settled(self.rows))

    def rows(self) -> Iterator[Row]:
        """The rows of all chunks, in the order of the questions."""
        for number in range(len(self)):
            with (path := self._rows(number)).open("rb") as file:
                yield from (parsed_json(line, path) for line in file)

    def _all_counts(self) -> Iterator[dict[str, Any]]:
        return (read_json(self._counts(number)) for number in range(len(self)))

    def _rows(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.jsonl"

    def _counts(self, number: int) -> Path:
        return self.folder / f"chunk-{number:06d}.json"
