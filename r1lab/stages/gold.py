"""A gold completion must score full marks before anything expensive starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from r1lab.data.template import Template
from r1lab.errors import DataError
from r1lab.rewards.rubric import Reward, Rubric, counts
from r1lab.types import Completion, Finish, Question, Rollout

NUM_GOLD = 64
"""Questions whose gold completion is scored before a stage begins."""
NUM_EXAMPLES = 8
"""Questions of each source, also of those that come in later, that are looked at with them."""


def check_gold(rubric: Rubric, template: Template, questions: Sequence[Question]) -> None:
    """Scores gold completions and raises DataError, with the first that falls short, unless all have full marks.

    General prompts without a right answer have no gold completion, nor have those whose aspect has a reward of its own.
    Preference pairs are refused: nobody asks them.
    """
    import torch

    if strange := [item for item in questions if not isinstance(item, Question)]:
        raise DataError(
            "This mix has no questions but what reward models learn from: nothing can be asked.",
            f"{strange[0].id} is a {type(strange[0]).__name__}",
            "mix=hh_harmless or mix=do_not_answer, which have the prompts alone",
        )
    nothing = Completion(torch.zeros(1, dtype=torch.long), torch.zeros(1), Finish.STOP)
    judging = {name: r for name, r in rubric.rewards.items() if counts(r) and r.knows_gold}
    apart = {r.aspect for r in rubric.rewards.values()} - {""}
    rollouts = [
        Rollout(q, torch.zeros(1, dtype=torch.long), nothing, template.parse(template.gold_completion(q)), sample=0)
        for q in questions
        if (q.answer or q.domain != "general") and q.details.get("aspect") not in apart
    ]
    for rollout in Rubric(judging).score(rollouts, step=0):
        short = {n: s for n, s in rollout.scores.items() if not (s.judged and s.value >= judging[n].maximum)}
        if short:
            raise DataError(
                "A gold completion does not score full marks: training would punish right answers.",
                f"question {rollout.question.id}: {rollout.question.text[:80]!r}, gold {rollout.question.answer!r}, "
                + ", ".join(f"{name}: {score.value} ({score.status}, {score.reason})" for name, score in short.items()),
                "Check the mix's answer field, template.answer_rule and the rewards.",
            )


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
