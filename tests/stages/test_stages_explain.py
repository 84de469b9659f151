"""`stage=explain` tells the paper's values apart from ours, and claims no more than the paper reports."""

from types import SimpleNamespace

import pytest
from hydra import compose
from hydra.core.hydra_config import HydraConfig

from r1lab.stages.explain import ExplainStage

SILENT = 'Where the paper is silent, the files in conf/ say "ours".'


@pytest.fixture(autouse=True)
def of_a_command(hydra):
    HydraConfig.instance().set_config(compose("config", return_hydra_config=True))


def told(of, *words):
    said = []
    ExplainStage(of, words).run(SimpleNamespace(report=said.append))
    (text,) = said
    assert text.endswith(SILENT) and "All values" not in text
    return text


def cells(text):
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 2}


def test_what_the_paper_reports_otherwise_is_told_with_the_reason_at_its_own_scale_too():
    text = told("rl_all_scenarios", "scale=paper")
    steps = cells(text)["max_steps"]
    assert steps[:2] == ["1700", "1696"] and "second RL stage" in steps[2] and "phases of 16" in steps[2]
    assert list(cells(text))[1:] == ["max_steps", "rewards.helpful.weight", "rewards.harmless.weight",
                                     "mix.weights.helpful", "mix.weights.harmless"]  # fmt: skip
    assert "besides" not in text


def test_a_value_of_a_command_is_told_once():
    text = told("r1zero", "scale=paper", "optim.lr=1e-4", "optim.beta2=0.99")
    assert cells(text)["optim.lr"][:2] == ["3e-06", "0.0001"] and text.count("optim.lr") == 1
    assert cells(text)["optim.beta2"] == ["0.95", "0.99"]
    assert text.index("optim.lr") < text.index("Other than those of scale=paper, besides: 1") < text.index("beta2")


def test_a_model_s_own_values_and_those_of_an_evaluation_are_the_paper_s():
    assert "The 16 values that the paper reports are the paper's." in told("r1zero", "scale=paper", "model=qwen2_5_32b")
    # temperature, top-p, length, and 64 samples
    text = told("evaluate", "scale=paper", "evaluation=paper_aime")
    assert "The 4 values that the paper reports are the paper's." in text and "besides" not in text


@pytest.mark.parametrize("of", ["pipeline", "rescore"])
def test_where_a_run_lies_is_no_departure(of):
    text = told(of, "scale=paper", "run.root=elsewhere")
    assert "elsewhere" not in text and "besides" not in text
    assert "The paper reports no value of this stage." in text


def test_a_pipeline_has_no_values_of_its_own():
    (fault,) = ExplainStage("r1", ["scale=paper"]).faults()
    assert fault.startswith("stage.of=r1 is made of other stages. Explain one: cold_start_data, distill,")
    assert ExplainStage("rl_reasoning", ["scale=paper"]).faults() == []
