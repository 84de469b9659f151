"""`stage=explain` tells the paper's values apart from ours, and claims no more than the paper reports."""

import re
from pathlib import Path
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


def where(key, *words, of="r1zero"):
    said = []
    stage = ExplainStage(of, words, key)
    assert stage.faults() == []
    stage.run(SimpleNamespace(report=said.append))
    return said[0]


def test_a_value_is_told_with_its_row_its_line_and_the_paper_s():
    text = where("stage.plan.group_size")
    assert text.startswith("stage.plan.group_size = 16   (scale=local, size=base)")
    path, line = re.search(r"  (\S+r1zero.yaml):(\d+)", text).groups()
    row = Path(path).read_text().splitlines()[int(line) - 1].strip()
    assert row == "group_size: ${by_scale:{paper:16, local:16, small:8}}" and row in text
    assert "# paper: 16 outputs for each question" in text and text.endswith("The paper: 16 (N, R1-Zero)")
    assert "places set it" not in text


def test_what_a_command_says_comes_last():
    text = where("optim.lr", "optim.lr=1e-4")
    assert text.startswith("optim.lr = 0.0001") and "The paper: 3e-06 (N, R1-Zero)" in text
    assert text.index("optim/rl.yaml") < text.index("command\n      optim.lr=1e-4") < text.index("2 places set it")
    assert where("stage.optim.lr", "optim.lr=1e-4") == text, "the same value by its other name"
    assert where("stage.optim.lr", "run.seed=3") == where("optim.lr")


@pytest.mark.parametrize(
    ("of", "key", "words", "last", "value"),
    [
        ("rl_all_scenarios", "stage.plan.temperature", (), "rl_all_scenarios.yaml", "0.7"),
        ("rl_all_scenarios", "stage.plan.questions", ("model=smollm2_135m",), "r1zero.yaml", "4"),
        ("distill", "optim.lr", ("scale=paper", "model=llama3_1_8b"), "distill.yaml", "5e-05"),
        ("r1zero", "mix.weights.logic", ("scale=paper", "model=qwen2_5_32b"), "mix/paper.yaml", "0"),
        ("r1zero", "size", ("model=smollm2_135m",), "smollm2_135m.yaml", "small"),
        ("r1zero", "model.local.steps", ("reading=reasoning",), "reading/reasoning.yaml", "4700"),
        ("r1zero", "run.seed", (), "config.yaml", "0"),
    ],
)
def test_the_last_file_holds(of, key, words, last, value):
    text = where(key, *words, of=of)
    files = re.findall(r"^  (\S+\.yaml):\d+$", text, re.MULTILINE)
    assert files[-1].endswith(last) and text.startswith(f"{key} = {value}   (scale=")


def test_a_key_that_there_is_not_is_a_fault():
    (fault,) = ExplainStage("r1zero", (), "stage.plan.group").faults()
    assert "There is no key stage.plan.group." in fault and "group_size" in fault
