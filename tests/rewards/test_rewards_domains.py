"""The accuracy reward as conf/ gives it: gold answers of generated questions of all domains have full marks."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.mix import GeneratedSource, Mix
from r1lab.data.problem import SLIPS
from r1lab.data.tasks import ALL_FAMILIES
from r1lab.data.template import R1ZeroTemplate
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.rubric import Rubric
from r1lab.stages.gold import check_gold
from r1lab.types import Rollout
from r1lab.verifiers.choice import ChoiceChecker
from r1lab.verifiers.puzzle import PuzzleChecker

CONF = Path(__file__).parents[2] / "conf"


def test_conf_gives_a_checker_to_each_domain(accuracy):
    assert isinstance(accuracy, AccuracyReward)
    assert accuracy.checkers["stem"] == ChoiceChecker() and accuracy.checkers["logic"] == PuzzleChecker()


@pytest.mark.parametrize(("rule", "prefill"), [("tags", ""), ("tags", "<think>"), ("boxed", "")])
def test_gold_completions_of_all_families_have_full_marks(accuracy, rule, prefill):
    source = GeneratedSource(list(ALL_FAMILIES), [1, 2, 3, 4, 5], ["en", "zh"])
    mix = Mix({"all": source}, {"all": 1}, seed=3)
    questions, _ = mix.draw(mix.start(), 400, step=0)
    assert {q.domain for q in questions} == {"math", "stem", "logic", "general"}
    template = R1ZeroTemplate(answer_rule=rule, prefill=prefill)
    for start in range(0, 400, 64):  # check_gold looks at as many questions
        check_gold(Rubric({"accuracy": accuracy}), template, questions[start : start + 64])
    assert "pool" not in vars(accuracy)  # none of these needs a worker


def test_slips_in_a_whole_completion_have_none(accuracy):
    import torch

    source = GeneratedSource([f for f in ALL_FAMILIES], [1, 3, 5], ["en", "zh"])
    questions = [q for q in source.heldout(200) if q.details.get(SLIPS)]
    template = R1ZeroTemplate()
    rollouts = [
        Rollout(q, torch.tensor([1]), None, template.parse(f"<think> </think> <answer> {slip} </answer>"), 0)
        for q in questions
        for slip in q.details[SLIPS]
    ]
    assert len(rollouts) > 300 and all(score.value == 0.0 and score.judged for score in accuracy(rollouts))


def test_the_checker_of_reasoning_gym_takes_the_place_of_logic():
    with initialize_config_dir(str(CONF), version_base=None):
        overrides = ["+reward@rewards.accuracy=accuracy", "checker@rewards.accuracy.checkers.logic=reasoning_gym"]
        config = compose(overrides=overrides)
    checker = instantiate(config.rewards.accuracy, _convert_="all").checkers["logic"]
    assert checker.puzzles == PuzzleChecker() and checker.preload.startswith("r1lab.verifiers.reasoning_gym")
