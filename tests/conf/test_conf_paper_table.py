"""The paper's values as r1lab/paper/values.py has them, beside what the files of scale=paper come to."""

import pytest
from test_conf_compose import composed

from r1lab.config.nodes import leaves
from r1lab.functional.schedules import as_schedule
from r1lab.paper.values import TABLE, reported

pytestmark = pytest.mark.usefixtures("hydra")
OURS = {
    "stage=rl_all_scenarios": {
        "max_steps": 1696,
        "rewards.helpful.weight": [[0, 0.0], [1296, 1.0]], "rewards.harmless.weight": [[0, 0.0], [1296, 1.0]],
        "mix.weights.helpful": [[0, 0], [1296, 54]], "mix.weights.harmless": [[0, 0], [1296, 12]],
    }
}  # fmt: skip


@pytest.mark.parametrize("words", TABLE)
def test_the_paper_scale_has_the_values_of_the_table(words):
    stage = dict(leaves(composed(*words.split(), "scale=paper")["stage"]))
    known = reported(words.split())
    unlike = {place: stage.get(place) for place, value in known.items() if not value.agrees(stage.get(place))}
    assert unlike == OURS.get(words.split()[0], {})
    assert all(known[place].why for place in unlike), "what is not the paper's says why"


def test_more_words_go_before_fewer():
    known = reported(["stage=r1zero", "model=qwen2_5_32b", "run.seed=3"])
    assert (known["optim.lr"].value, known["mix.weights.logic"].value) == (2e-6, 0)
    assert (known["max_steps"].value, known["mix.weights.math"].value) == (10400, 26)
    assert reported(["stage=r1zero", "model=v3base"])["optim.lr"].value == 3e-6
    assert reported(["stage=pipeline"]) == {}


def test_the_length_limit_of_r1_zero_is_raised_once():
    limit = as_schedule(composed("stage=r1zero", "scale=paper")["stage"]["plan"]["max_new_tokens"])
    assert [limit(step) for step in (0, 8199, 8200, 10399)] == [32768, 32768, 65536, 65536]


@pytest.mark.parametrize("model, logic", [("v3base", 15), ("qwen2_5_32b", 0)])
def test_the_paper_scale_asks_the_paper_s_questions(model, logic):
    """v2, Table 4; F.1: Qwen2.5-32B-Zero was asked no logic; a mix that is named goes before."""
    weights = composed(f"model={model}", "scale=paper")["stage"]["mix"]["weights"]
    assert weights == {"math": 26, "code": 17, "stem": 22, "logic": logic}
    named = composed(f"model={model}", "scale=paper", "mix=gsm8k")["stage"]["mix"]
    assert list(named["weights"]) == ["gsm8k"]
    assert composed(f"model={model}", "scale=paper", "mix=reasoning")["stage"]["mix"]["weights"]["logic"] == 15
    assert list(composed(f"model={model}", "scale=local")["stage"]["mix"]["sources"]) == ["generated"]
    second = composed("stage=rl_all_scenarios", f"model={model}", "scale=paper")["stage"]["mix"]["sources"]
    assert {"math", "helpful", "harmless"} <= set(second)
