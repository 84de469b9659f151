"""The paper's quantities as a table, beside what the files of scale=paper come to (Nature, Methods; v2, appendices)."""

import pytest
from test_conf_compose import composed, hydra  # noqa: F401

from r1lab.functional.schedules import as_schedule

TABLE = {
    # distillation: v2, Table 6, and B.4.3
    "stage=distill model=qwen2_5_math_1_5b": {"optim.lr": 1e-4, "batch_size": 64, "row_tokens": 32768},
    "stage=distill model=qwen2_5_math_7b": {"optim.lr": 8e-5, "batch_size": 64, "final_lr_share": 0.1},
    "stage=distill model=qwen2_5_14b": {"optim.lr": 7e-5},
    "stage=distill model=qwen2_5_32b": {"optim.lr": 6e-5},
    "stage=distill model=llama3_1_8b": {"optim.lr": 5e-5},
    "stage=distill model=llama3_3_70b": {"optim.lr": 2e-5},
    # R1-Zero's recipe on a smaller model: v2, B.4.1
    "stage=r1zero model=qwen2_5_32b": {
        "optim.lr": 2e-6, "plan.max_new_tokens": 32768, "plan.group_size": 16, "objective.kl.coef": 0.001
    },
    # Methods, first RL stage
    "stage=rl_reasoning": {
        "objective.surrogate.clip_high": 10.0, "plan.temperature": 1.0, "plan.questions": 512, "plan.minibatches": 16
    },
    # evaluation: v2, D.1
    "stage=evaluate evaluation=paper_aime": {"evaluation.samples": 64, "evaluation.temperature": 0.6},
    "stage=evaluate evaluation=paper_gpqa": {"evaluation.samples": 64, "evaluation.top_p": 0.95},
    "stage=evaluate evaluation=paper_math": {"evaluation.samples": 16},
    "stage=evaluate evaluation=paper_codeforces": {"evaluation.samples": 16},
    "stage=evaluate evaluation=paper_livecodebench": {"evaluation.samples": 8, "evaluation.max_new_tokens": 32768},
    # decontamination: v2, D.1
    "stage=r1zero +filter@mix.filters.decontaminate=decontaminate": {"mix.filters.decontaminate.ngram": 10},
    # preference data and cold start: Methods; v2, B.3
    "stage=helpful_pairs mix=general_prompts": {"plan.questions": 66000},
    "stage=safety_labels mix=general_prompts": {"plan.questions": 106000},
    "stage=cold_start_data": {"plan.temperature": 1.0},
}  # fmt: skip


def found(stage, place):
    for key in place.split("."):
        stage = stage[key]
    return stage


@pytest.mark.parametrize("words", TABLE)
def test_the_paper_scale_has_the_values_of_the_table(words):
    stage = composed(*words.split(), "scale=paper")["stage"]
    assert {place: found(stage, place) for place in TABLE[words]} == TABLE[words]


def test_the_length_limit_of_r1_zero_is_raised_once():
    limit = as_schedule(composed("stage=r1zero", "scale=paper")["stage"]["plan"]["max_new_tokens"])
    assert [limit(step) for step in (0, 8199, 8200, 10399)] == [32768, 32768, 65536, 65536]
