"""A small stored run, made by hand: three questions of four completions, judged by the accuracy reward."""

import dataclasses

import torch

from r1lab.functional.advantages import GroupNormalized
from r1lab.records.ledger import Ledger
from r1lab.records.tables import rollout_rows, score_rows
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.batches import advantages_of
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Group, Question, Rollout
from r1lab.verifiers.math_answer import MathChecker

ANSWERS = {"7": ["7", "7", "9", "1"], "9": ["9", "7", "9", None], "12": ["1", "1", "1", "1"]}
"""Gold answer -> what the four completions answered. Right: 1 1 0 0, then 1 0 1 0, then 0 0 0 0."""
ADVANTAGE = GroupNormalized(eps=1e-6, correction=0)


def accuracy(weight=1.0):
    return AccuracyReward(weight, {"math": MathChecker("either", "unit", 6)}, 1, 5.0, None)


def groups(answers=ANSWERS):
    made = []
    for index, (gold, written) in enumerate(answers.items()):
        question = Question(f"q-{gold}", f"What is {gold}?", gold, level=2, source="hand", details={"unit": ["m"]})
        rollouts = []
        for sample, answer in enumerate(written):
            text = "<think> so </think>" + (f" <answer> {answer} </answer>" if answer else "")
            completion = Completion(torch.tensor([sample, 2]), torch.tensor([-0.25, -0.5]), Finish.STOP, 4)
            rollouts.append(Rollout(question, torch.zeros(3), completion, parse_response(text), sample))
        made.append(Group(question, tuple(rollouts), index))
    return made


def scored(made, rewards, step=0):
    results = iter(Rubric(rewards).score([r for g in made for r in g.rollouts], step))
    return [dataclasses.replace(g, rollouts=tuple(next(results) for _ in g.rollouts)) for g in made]


def store(folder, made, phase=1, step=0, kind="train", weights=None, rank=0):
    """Writes scored groups as a run does: completions, then scores."""
    advantages = {g.index: advantages_of(g, ADVANTAGE) for g in made} if kind == "train" else None
    part = "" if kind == "train" else kind
    ledger, names = Ledger(folder), made[0].rollouts[0].scores
    rows = rollout_rows(made, phase=phase, step=step, kind=kind, advantages=advantages)
    ledger.rollouts.write(phase, rows, rank, part)
    rows = score_rows(made, phase=phase, step=step, kind=kind, weights=weights or dict.fromkeys(names, 1.0))
    ledger.scores.write(phase, rows, rank, part)
    return ledger
