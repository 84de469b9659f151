"""The explanation says what is computed: its numbers are the configuration's, its formulas the objective's."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from r1lab.config import paths, schema
from r1lab.config.build import build
from r1lab.diagnosis.explain import departures, equation

CONF = Path(__file__).resolve().parents[2] / "conf"


def parts(*words):
    GlobalHydra.instance().clear()
    paths.register()
    schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("config", overrides=["scale=paper", *words])
    plain, faults = {name: OmegaConf.to_container(config[name], resolve=True) for name in ("objective", "optim")}, []
    found = [build(plain[name], name, faults) for name in ("objective", "optim")]
    assert faults == []
    return found


def lines(*words):
    return dict(line.split(" = ", 1) for line in map(str.strip, equation(*parts(*words)).splitlines()))


def test_the_paper_s_objective():
    found = {name.strip(): text for name, text in lines().items()}
    assert found["loss"] == "the mean over completions of the mean over their tokens of [ surrogate + 0.001 KL ]"
    assert found["surrogate"] == "-min(ratio A, clip(ratio, 1 - 10, 1 + 10) A)"
    assert found["A"] == "(r - mean(r)) / (std(r) + 1e-06)"
    assert found["KL"] == "pi_ref / pi - log(pi_ref / pi) - 1 of each token (k3)"
    assert found["step"].startswith("AdamW, lr 3e-06, betas 0.9 and 0.95")


@pytest.mark.parametrize(
    "name, where, text",
    [
        ("ppo", "A", "GAE, lambda 0.95, of V and r at the last token, then whitened over the phase"),
        ("ppo", "KL", "log(pi / pi_ref) of each token (k1), 0.001 times taken from the reward of each token"),
        ("ppo", "loss", "the mean over all tokens of [ surrogate ]"),
        ("dapo", "surrogate", "-min(ratio A, clip(ratio, 1 - 0.2, 1 + 0.28) A)"),
        ("gspo", "ratio", "the geometric mean of pi / pi_old over the completion"),
        ("rloo", "A", "r - mean(r of the others)"),
        ("trl", "correction", "the completion's pi_old / pi_sampler where it is at most 3, else 0"),
        ("trl", "loss", "the mean over all tokens of [ correction * surrogate ]"),
        ("verl", "surrogate", "-min(ratio A, clip(ratio, 1 - 0.2, 1 + 0.2) A), at most 3 |A| where A < 0"),
    ],
)
def test_other_objectives(name, where, text):
    found = {key.strip(): value for key, value in lines(f"objective={name}").items()}
    assert found[where] == text


def test_no_reference_no_kl():
    found = {key.strip(): value for key, value in lines("objective.kl.coef=0.0").items()}
    assert "KL" not in found and found["loss"].endswith("[ surrogate ]")


def test_departures_are_told_with_both_values_and_parts_by_their_kind():
    paper = {"optim": {"_target_": "r1lab.a.AdamW", "lr": 3e-6},
             "plan": {"questions": 512, "lengths": [[0, 1], [9, 2]]}, "strategy": {"devices": 8},
             "selection": {"_target_": "r1lab.b.KeepAll"}}  # fmt: skip
    here = {"optim": {"_target_": "r1lab.a.AdamW", "lr": 3e-6},
            "plan": {"questions": 32, "lengths": [[0, 1], [9, 3]]}, "strategy": {"devices": 1},
            "selection": {"_target_": "r1lab.b.Refilled", "rounds": 3}}  # fmt: skip
    assert list(departures(here, paper)) == [
        ("plan.questions", "512", "32"),
        ("plan.lengths", "[[0, 1], [9, 2]]", "[[0, 1], [9, 3]]"),
        ("selection", "KeepAll", "Refilled"),
    ]
    assert list(departures(paper, paper)) == []
