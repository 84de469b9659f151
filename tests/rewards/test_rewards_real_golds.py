"""Gold answers of real data sets have full marks in the usual ways of writing them; those of other questions have none.

The ways are those that the rules promise: text/spans.py for tags and boxes, data/template.py for the marker,
math_answer.py, choice.py and puzzle.py for what stands inside.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from string import ascii_uppercase

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.template import PlainTemplate, R1ZeroTemplate
from r1lab.rewards.controls import ShuffledGold
from r1lab.types import Rollout, Status

TESTS = Path(__file__).parents[1]
CONF = TESTS.parent / "conf"
COINCIDENCES = [json.loads(line) for line in (TESTS / "corpora/coincidences.jsonl").open()]
SETS = {"gsm8k": 1319, "math500": 500, "mmlu_stem": 3018, "knights_knaves": 200}
TAGS = R1ZeroTemplate()
MARKER = PlainTemplate(text="{question}", answer_rule="marker:The answer is")


def tagged(text):
    return TAGS.parse(f"<think> So. </think> <answer> {text} </answer>")


def chosen(question):
    """The text of the right option."""
    return question.details["choices"][ascii_uppercase.index(question.answer)]


def people(question):
    return re.findall(r"(\w+) is a (knight|knave)", question.answer)


WAYS: dict[str, Callable] = {
    "expected": lambda q: tagged(q.answer),
    "boxed behind the reasoning": lambda q: TAGS.parse(f"<think> So. </think> It is \\boxed{{{q.answer}}}."),
    "boxed without tags": lambda q: TAGS.parse(f"So it is \\boxed{{{q.answer}}}."),
    "boxed in tags": lambda q: tagged(f"\\boxed{{{q.answer}}}"),
    "bold": lambda q: tagged(f"**{q.answer}**"),
    "inline LaTeX": lambda q: tagged(f"\\({q.answer}\\)"),
    "displayed LaTeX": lambda q: tagged(f"\\[ {q.answer} \\]"),
    "dollar signs": lambda q: tagged(f"${q.answer}$"),
    "behind the marker": lambda q: MARKER.parse(f"So.\nThe answer is {q.answer}."),
    "on a line of its own with a full stop": lambda q: tagged(f"\n\n{q.answer}.\n"),
    "last of two blocks": lambda q: tagged(f"none </answer> <answer> {q.answer}"),
}
"""In every domain."""
OWN_WAYS: dict[str, dict[str, Callable]] = {
    "gsm8k": {
        "a sentence": lambda q: tagged(f"The answer is {q.answer}."),
        "a Chinese sentence": lambda q: tagged(f"答案是{q.answer}。"),
        "commas": lambda q: tagged(f"{int(q.answer):,}"),
        "decimals": lambda q: tagged(f"{q.answer}.00"),
        "a currency sign": lambda q: tagged(f"\\${q.answer}"),
        "a currency": lambda q: tagged(f"{q.answer} dollars"),
        "a unit": lambda q: tagged(f"{q.answer} apples"),
        "a name before it": lambda q: tagged(f"x = {q.answer}"),
    },
    "math500": {
        "a sentence": lambda q: tagged(f"The final answer is {q.answer}."),
        "a Chinese sentence": lambda q: tagged(f"答案是${q.answer}$。"),
        "boxed in dollars": lambda q: tagged(f"$\\boxed{{{q.answer}}}$"),
    },
    "mmlu_stem": {
        "in brackets": lambda q: tagged(f"({q.answer})"),
        "letter and text": lambda q: tagged(f"{q.answer}. {chosen(q)}"),
        "text": lambda q: tagged(chosen(q)),
        "a sentence": lambda q: tagged(f"The correct answer is ({q.answer})."),
        "a Chinese sentence": lambda q: tagged(f"答案是{q.answer}。"),
        "option": lambda q: tagged(f"Option {q.answer}"),
        "a small letter": lambda q: tagged(q.answer.lower()),
    },
    "knights_knaves": {
        "a list": lambda q: tagged("\n".join(f"- {name}: {role}" for name, role in people(q))),
        "numbered": lambda q: tagged("\n".join(f"({i}) {n} is a {r}" for i, (n, r) in enumerate(people(q), 1))),
        "in another order": lambda q: tagged(", ".join(f"{name} is a {role}" for name, role in people(q)[::-1])),
        "JSON": lambda q: tagged(json.dumps(dict(people(q)))),
        "a table": lambda q: tagged(
            "| who | what |\n|---|---|\n" + "\n".join(f"| {name} | {role} |" for name, role in people(q))
        ),
    },
}
# Where an option's text is itself a letter, the text names the option that it says.
AMBIGUOUS = {("text", "mmlu_stem/test:2148"), ("a small letter", "mmlu_stem/test:1404")}


@pytest.fixture(scope="module")
def golds():
    """A function of a set's name and the data's folder -> all its held-out questions, in their fixed order."""
    read = {}

    def questions(name, folder):
        if name not in read:
            with initialize_config_dir(str(CONF), version_base=None):
                mix = compose(overrides=[f"+mix={name}", f"mix.path={folder / name}", "mix.seed=0"]).mix
            read[name] = instantiate(mix).heldout(10_000)
            assert len(read[name]) == SETS[name]
        return read[name]

    return questions


def said(question, response):
    return Rollout(question, torch.tensor([1]), None, response, sample=0)


CASES = [(name, way) for name in SETS for way in (*WAYS, *OWN_WAYS[name])]


@pytest.mark.parametrize(("name", "way"), CASES, ids=lambda v: v)
def test_golds_have_full_marks_in_the_usual_ways(name, way, accuracy, golds, shared_data):
    questions = golds(name, shared_data)
    write = {**WAYS, **OWN_WAYS[name]}[way]
    scores = accuracy([said(question, write(question)) for question in questions])
    short = {(way, q.id) for q, score in zip(questions, scores) if score.value < 1 or not score.judged}
    assert short == {case for case in AMBIGUOUS if case[0] == way and case[1].startswith(name)}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("shift", [1, 2, 3])
def test_golds_of_other_questions_have_none_but_for_the_listed(name, shift, accuracy, golds, shared_data):
    questions = golds(name, shared_data)
    others = questions[shift:] + questions[:shift]
    text = chosen if name == "mmlu_stem" else lambda question: question.answer
    scores = accuracy([said(q, tagged(text(other))) for q, other in zip(questions, others)])
    assert all(score.judged for score in scores)
    paid = {(q.id, other.id) for q, other, score in zip(questions, others, scores) if score.value}
    listed = {(c["question"], c["other"]) for c in COINCIDENCES if c["set"] == name and c["shift"] == shift}
    assert paid == listed


def test_what_is_listed_is_the_same_text_or_names_the_same_option(golds, shared_data):
    for case in COINCIDENCES:
        by_id = {question.id: question for question in golds(case["set"], shared_data)}
        mine, other = by_id[case["question"]], by_id[case["other"]]
        if case["why"] == "same":
            assert (chosen(mine) == chosen(other)) if case["set"] == "mmlu_stem" else (mine.answer == other.answer)
        else:
            assert case["why"] == "letter" and chosen(other).upper() == mine.answer
    assert len(COINCIDENCES) < 0.01 * 3 * sum(SETS.values())


@pytest.mark.parametrize("name", SETS)
def test_shuffled_gold_pays_no_true_gold(name, accuracy, golds, shared_data):
    control = ShuffledGold(1.0, accuracy, seed=0)
    rollouts = [said(question, tagged(question.answer)) for question in golds(name, shared_data)[:200]]
    assert {(score.value, score.status) for score in control(rollouts)} == {(0.0, Status.OK)}
