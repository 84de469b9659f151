"""A gold completion must score full marks behind its own prompt before anything expensive starts."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from r1lab.data.template import PlainTemplate, Template, check_turns
from r1lab.errors import DataError
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.rubric import Reward, Rubric, counts
from r1lab.types import Completion, Finish, Question, Rollout, Score, Status

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NUM_GOLD = 64
"""Questions whose gold completion is scored before a stage begins."""
NUM_EXAMPLES = 8
"""Questions of each source, also of those that come in later, that are looked at with them."""
MAX_UNREADABLE = 0.05
"""Share of golds that no checker can read at which a run is refused. Source: ours, the share of `fault_budget`."""
SECONDS = 1.0
"""For the golds of further questions: as many as can be read in that time are."""
CHUNK = 16
"""Further golds that are read at a time."""
SHOWN = 3


def check_gold(
    rubric: Rubric,
    template: Template,
    questions: Sequence[Question],
    further: Sequence[Question] = (),
    tokenizer: PreTrainedTokenizerBase | None = None,
    most: float = MAX_UNREADABLE,
) -> list[str]:
    """Scores gold completions; returns what is to be said: how many golds no checker can read, and which.

    Those of `questions` must have full marks; of `further` ones only the answer is read, as far as a second leads.
    General prompts without a right answer have no gold completion, nor have those whose aspect has a reward of its own.
    Preference pairs are refused: nobody asks them. With a tokenizer the questions are those whose prompt has opened
    more than the template's prefill, so that their gold completion is another one.

    Raises:
        DataError: one falls short, or more than a share of `most` cannot be read.
    """
    if strange := [item for item in questions if not isinstance(item, Question)]:
        raise DataError(
            "This mix has no questions but what reward models learn from: nothing can be asked.",
            f"{strange[0].id} is a {type(strange[0]).__name__}",
            "mix=hh_harmless or mix=do_not_answer, which have the prompts alone",
        )
    if isinstance(template, PlainTemplate):
        for question in (*questions, *further):
            check_turns(question)
    judging = {name: r for name, r in rubric.rewards.items() if counts(r) and r.knows_gold}
    apart = {r.aspect for r in rubric.rewards.values()} - {""}
    asked = [q for q in questions if _has_gold(q, apart)]
    rollouts = list(_golds(template, asked, tokenizer))
    scored = Rubric(judging).score(rollouts, step=0) if rollouts else []
    for rollout in scored:
        _require_full_marks(rollout, judging)
    judges = {name: reward for name, reward in judging.items() if isinstance(reward, AccuracyReward)}
    # a model that judges is not asked about golds
    domains = {domain for reward in judges.values() for domain in reward.checkers}
    known = {q.id for q in asked}
    others = [q for q in further if q.id not in known and q.domain in domains and _has_gold(q, apart)]
    scored += _read_in_time(Rubric(judges), _golds(template, others, tokenizer))
    return _unreadable(scored, most)


def tell_golds(
    say: Callable[[str], None],
    rewards: Mapping[str, Reward],
    template: Template,
    questions: Sequence[Question],
    further: Sequence[Question] = (),
    tokenizer: PreTrainedTokenizerBase | None = None,
    most: float = MAX_UNREADABLE,
) -> None:
    """Checks gold completions by these rewards as `check_gold` does and says what it returns. Raises DataError."""
    with closing(Rubric(rewards)) as rubric:
        for line in check_gold(rubric, template, questions, further, tokenizer, most):
            say(line)


def _has_gold(question: Question, apart: set[str]) -> bool:
    return bool(question.answer or question.domain != "general") and question.details.get("aspect") not in apart


def _golds(
    template: Template, questions: Iterable[Question], tokenizer: PreTrainedTokenizerBase | None
) -> Iterator[Rollout]:
    """Rollouts of gold completions; with a tokenizer of those that its prompts make another one."""
    import torch

    nothing = Completion(torch.zeros(1, dtype=torch.long), torch.zeros(1), Finish.STOP)
    for question in questions:
        opened = template.prefill if tokenizer is None else template.opened(question, tokenizer)
        if tokenizer is None or opened != template.prefill:
            response = template.parse(template.gold_completion(question, opened), opened)
            yield Rollout(question, torch.zeros(1, dtype=torch.long), nothing, response, sample=0)


def _require_full_marks(rollout: Rollout, judging: Mapping[str, Reward]) -> None:
    """Raises DataError; a gold that cannot be read is counted instead."""
    scores = {name: score for name, score in rollout.scores.items() if score.status is not Status.BAD_GOLD}
    full = {n for n, s in scores.items() if s.abstained or (s.judged and s.value >= judging[n].maximum)}
    short = {n: s for n, s in scores.items() if n not in full}
    if short:
        raise DataError(
            "A gold completion does not score full marks: training would punish right answers.",
            f"question {rollout.question.id}: {rollout.question.text[:80]!r}, gold {rollout.question.answer!r}, "
            + ", ".join(f"{name}: {score.value} ({score.status}, {score.reason})" for name, score in short.items())
            + f"; the response as it is read: {rollout.response.text[:120]!r}",
            "Check the mix's answer field, template.answer_rule, what the prompt ends with and the rewards.",
        )


def _read_in_time(rubric: Rubric, golds: Iterator[Rollout]) -> list[Rollout]:
    """The golds with their scores, as many as `SECONDS` are enough for."""
    scored: list[Rollout] = []
    until = time.monotonic() + SECONDS
    while rubric.rewards and time.monotonic() < until and (chunk := list(islice(golds, CHUNK))):
        scored += rubric.score(chunk, step=0)
    return scored


def _unreadable(scored: Sequence[Rollout], most: float) -> list[str]:
    """What is to be said of golds that cannot be read. Raises DataError: too many."""
    broken = [(rollout, score) for rollout in scored if (score := _bad_gold(rollout))]
    if not broken:
        return []
    looked, found = (Counter(r.question.source for r in rollouts) for rollouts in (scored, [r for r, _ in broken]))
    counted = ", ".join(f"{found[source]} of {looked[source]} of {source or 'the mix'}" for source in found)
    shown = "; ".join(
        f"question {rollout.question.id}, gold {rollout.question.answer[:60]!r} ({score.reason})"
        for rollout, score in broken[:SHOWN]
    )
    told = f"{len(broken)} of {len(scored)} gold answers cannot be read by their checker"
    if len(broken) > most * len(scored):
        raise DataError(
            f"{told}: no answer to these questions can be judged.",
            f"{counted}; {shown}",
            "Check the mix's answer field, the domain's checker, or leave these questions out (mix.filters).",
        )
    return [f"{told}, {counted}: {shown}"]


def _bad_gold(rollout: Rollout) -> Score | None:
    return next((score for score in rollout.scores.values() if score.status is Status.BAD_GOLD), None)


def check_aspects(rewards: Mapping[str, Reward], questions: Sequence[Question]) -> None:
    """General prompts with neither answer nor rules need a reward for their aspect. Raises DataError.

    Where no reward knows what is right, as in a run with a random one alone, all prompts are alike.
    """
    counting = [reward for reward in rewards.values() if counts(reward)]
    others = [reward for reward in counting if not reward.aspect]
    if others and not any(reward.knows_gold for reward in others):
        return
    judged = {reward.aspect for reward in counting}
    for question in questions:
        aspect = question.details.get("aspect")
        if aspect and not question.answer and not question.details.get("rules") and aspect not in judged:
            raise DataError(
                f"Nothing rewards being {aspect}, which this mix has prompts for.",
                f"question {question.id}: {question.text[:80]!r}; the rewards are {', '.join(rewards)}",
                f"+reward@rewards.{aspect}={aspect} rewards.{aspect}.model.source=FOLDER, or another mix",
            )
