"""Ways to be paid without being right, readable or brief, against the rewards as conf/ builds them."""

import json
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from r1lab.config import scales
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout
from r1lab.verifiers.math_answer import MathChecker

ROOT = Path(__file__).parents[2]
CASES = [json.loads(line) for line in (ROOT / "tests/corpora/reward_cheats.jsonl").open()]


@pytest.fixture(scope="module")
def rewards():
    names = ("format", "language", "repetition", "finished")
    scales.register()
    files = {name: OmegaConf.load(ROOT / f"conf/reward/{name}.yaml") for name in names}
    config = OmegaConf.create({"scale": "local", "size": "base", "rewards": files})
    built = {name: instantiate(config.rewards[name]) for name in names}
    checker = MathChecker(percent="either", degrees="unit", significant_digits=6)
    built["accuracy"] = AccuracyReward(1.0, {"math": checker}, 1, timeout_seconds=20.0, memory_bytes=512 * 2**20)
    yield built
    built["accuracy"].close()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_corpus(case, rewards):
    completion = Completion(torch.zeros(9, dtype=torch.long), torch.zeros(9), Finish(case.get("finish", "stop")))
    question = Question("q", "", case["gold"], language=case["language"])
    response = parse_response(case["text"], case.get("prefill", ""))
    rollout = Rollout(question, torch.tensor([1]), completion, response, sample=0)
    for name, expected in case["scores"].items():
        (score,) = rewards[name]([rollout])
        if expected == "bad_gold":
            assert score.status == expected, (name, score)
        elif isinstance(expected, str):
            assert score.judged and 0 <= score.value < float(expected.removeprefix("<")), (name, score)
        else:
            assert score.judged and score.value == pytest.approx(expected), (name, score)
        assert score.reason, name


def test_corpus_is_large():
    assert len(CASES) >= 80 and len({case["why"] for case in CASES}) == len(CASES)
