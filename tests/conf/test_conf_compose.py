"""Every YAML composes and binds, at both scales; numbers bear their source; the paper's values are the paper's."""

import re
from functools import cache
from pathlib import Path

import pytest
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from r1lab.config.build import build
from r1lab.stages.pipeline import Pipeline
from r1lab.training.grpo import Recipe

pytestmark = pytest.mark.usefixtures("hydra")
ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
GROUPS = ("engine", "strategy", "tracker", "mix", "template", "objective", "selection", "optim", "evaluation", "model")
CHOICES = [(group, path.stem) for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
EXPERIMENTS = [path.stem for path in sorted((ROOT / "experiments").glob("*.yaml"))]


@cache
def composed(*overrides):
    config = compose("config", overrides=list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    plain = OmegaConf.to_container(config, resolve=False)
    plain.pop("hydra")
    config = OmegaConf.create(plain)
    OmegaConf.resolve(config)
    return OmegaConf.to_container(config)


def faults_of(node, path="stage"):
    """What keeps a node from being built."""
    faults = []
    build(node, path, faults)
    return faults


def test_the_default_binds():
    assert faults_of(composed()["stage"]) == []


@pytest.mark.parametrize("scale", ["local", "paper"])
@pytest.mark.parametrize("stage", sorted(path.stem for path in (CONF / "stage").glob("*.yaml")))
def test_stages_bind_at_both_scales(stage, scale):
    assert faults_of(composed(f"stage={stage}", f"scale={scale}")["stage"]) == []


@pytest.mark.parametrize("stage", ["r1zero", "rl_reasoning", "rl_all_scenarios"])
def test_an_objective_with_a_correction_has_something_to_correct(stage):
    for choice in (choice for group, choice in CHOICES if group == "objective"):
        part = composed(f"stage={stage}", f"objective={choice}")["stage"]
        objective, plan = build(part["objective"], "objective", []), build(part["plan"], "plan", [])
        recipe = Recipe(plan, objective, None, None, 0)
        assert recipe.recomputes == objective.corrects == ("correction" in part["objective"])


@pytest.mark.parametrize("choice", sorted(path.stem for path in (CONF / "response_filter").glob("*.yaml")))
def test_response_filters_bind(choice):
    config = composed("stage=cold_start_data", f"+response_filter@stage.filters.one={choice}")
    assert faults_of(config["stage"]) == [] and "_target_" in config["stage"]["filters"]["one"]


@pytest.mark.parametrize("group, choice", CHOICES, ids=lambda v: v)
def test_choices_bind(group, choice):
    config = composed(f"{group}={choice}")
    assert faults_of(config["stage"]) == []
    assert faults_of(config["tracker"], "tracker") == []


@pytest.mark.parametrize("choice", sorted(p.stem for p in (CONF / "reward").glob("*.yaml")))
def test_rewards_bind(choice):
    config = composed(f"reward@rewards.accuracy={choice}")
    # two of them need a package that is an extra
    assert [fault for fault in faults_of(config["stage"]) if "pip install" not in fault] == []


@pytest.mark.parametrize("choice", sorted(p.stem for p in (CONF / "sandbox").glob("*.yaml")))
def test_sandboxes_bind(choice):
    config = composed(f"sandbox@rewards.accuracy.checkers.code.sandbox={choice}")
    assert faults_of(config["stage"]) == []


@pytest.mark.parametrize("group, place", [("filter", "mix.filters.one"), ("difficulty", "mix.difficulty")])
def test_what_a_mix_may_be_given_binds(group, place):
    for path in sorted((CONF / group).glob("*.yaml")):
        config = composed(f"+{group}@{place}={path.stem}")
        assert faults_of(config["stage"]) == []
        assert "_target_" in (config["stage"]["mix"]["difficulty"] if group == "difficulty" else
                              config["stage"]["mix"]["filters"]["one"])  # fmt: skip


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_bind(experiment):
    assert faults_of(composed(f"experiments={experiment}")["stage"]) == []


def test_the_paper_scale_has_the_paper_values():
    """Methods, "Training details of DeepSeek-R1-Zero", and Eqs. 1-3."""
    stage = composed("scale=paper")["stage"]
    plan = stage["plan"]
    assert plan["questions"] * plan["group_size"] == 8192
    assert plan["questions"] // plan["minibatches"] == 32
    assert (plan["group_size"], plan["minibatches"], plan["inner_epochs"]) == (16, 16, 1)
    assert plan["max_new_tokens"] == [[0, 32768], [8200, 65536]]
    assert plan["temperature"] == 1.0
    assert stage["max_steps"] == 10400 and stage["ref_refresh_steps"] == 400
    assert stage["optim"]["lr"] == 3e-6
    assert stage["objective"]["kl"] == {"_target_": "r1lab.functional.kl.KL", "coef": 0.001, "estimator": "k3"}
    assert stage["objective"]["surrogate"]["clip_high"] == 10
    assert stage["rewards"]["accuracy"]["weight"] == stage["rewards"]["format"]["weight"] == 1.0
    assert stage["policy"]["local"] is None
    evaluation = stage["evaluation"]
    assert (evaluation["temperature"], evaluation["top_p"], evaluation["max_new_tokens"]) == (0.6, 0.95, 32768)


def test_the_first_rl_stage_has_the_paper_values():
    """Methods, "Training details of the first RL stage": as R1-Zero, clip 10, the language reward added."""
    first, zero = (composed(f"stage={stage}", "scale=paper")["stage"] for stage in ("rl_reasoning", "r1zero"))
    assert first["plan"] == zero["plan"] | {"max_new_tokens": 32768}
    assert {name: reward["weight"] for name, reward in first["rewards"].items()} == {
        "accuracy": 1.0, "format": 1.0, "language": 1.0
    }  # fmt: skip
    assert first["objective"] == zero["objective"] and first["objective"]["surrogate"]["clip_high"] == 10
    assert (first["optim"]["lr"], first["ref_refresh_steps"]) == (3e-6, 400)


def test_the_second_rl_stage_has_the_paper_values():
    """Methods, "Training details of the second RL stage", and Eqs. 8-10: as the first, temperature 0.7, 1,700 steps,
    general data and preference rewards in the last 400 alone; 1,696 steps are the whole phases of 16 in them."""
    second, first = (
        composed(f"stage={stage}", "scale=paper")["stage"] for stage in ("rl_all_scenarios", "rl_reasoning")
    )
    assert second["plan"] == first["plan"] | {"temperature": 0.7}
    steps = second["max_steps"]
    assert 1700 - 16 < steps <= 1700 and steps % second["plan"]["minibatches"] == 0
    late = [[0, 0], [steps - 400, 1.0]]
    assert {name: reward["weight"] for name, reward in second["rewards"].items()} == {
        "accuracy": 1.0, "format": 1.0, "language": 1.0, "helpful": late, "harmless": late
    }  # fmt: skip
    scopes = {name: second["rewards"][name]["scope"] for name in ("helpful", "harmless")}
    assert {name: (scope["aspect"], scope["reads"]) for name, scope in scopes.items()} == {
        "helpful": ("helpful", "summary"), "harmless": ("harmless", "response")
    }  # fmt: skip
    weights = second["mix"]["weights"]
    assert (weights["helpful"], weights["harmless"]) == ([[0, 0], [steps - 400, 54]], [[0, 0], [steps - 400, 12]])
    assert [weights[name] for name in ("math", "code", "stem", "logic")] == [26, 17, 22, 15]
    assert second["rewards"]["accuracy"]["checkers"]["general"]["_target_"].endswith("Unjudged")


def test_preference_data_has_the_paper_values():
    """Methods, reward design: four queries for each pair, a difference above 1, summary or whole response."""
    pairs, points = (
        composed(f"stage={s}", "scale=paper")["stage"]["product"] for s in ("helpful_pairs", "safety_labels")
    )
    assert (2 * pairs["judge"]["rounds"], pairs["least"]) == (4, 1.0)
    assert (pairs["scope"]["reads"], points["scope"]["reads"]) == ("summary", "response")
    assert pairs["judge"]["_target_"].endswith("judge.PairJudge") and points["judge"]["_target_"].endswith("PointJudge")


@pytest.mark.parametrize("stage", ["sft_cold_start", "sft_800k"])
def test_supervised_stages_have_the_paper_values(stage):
    """v2, B.4.2: two to three epochs, a cosine from 5e-5 to 5e-6, a context of 32,768, batches of 128."""
    found = composed(f"stage={stage}", "scale=paper")["stage"]
    assert found["optim"]["lr"] == 5e-5 and found["optim"]["lr"] * found["final_lr_share"] == pytest.approx(5e-6)
    assert (found["epochs"] in (2, 3), found["row_tokens"], found["batch_size"]) == (True, 32768, 128)


def test_reward_models_have_the_paper_values():
    """Methods, "Helpful reward model", "Safety reward model": batches of 256, 6e-6, one epoch, 8,192 tokens."""
    for stage, tokens in (("reward_helpful", 2 * 8192), ("reward_safety", 8192)):
        found = composed(f"stage={stage}", "scale=paper")["stage"]
        assert (found["batch_size"], found["optim"]["lr"], found["epochs"]) == (256, 6e-6, 1)
        assert found["max_tokens"] == tokens


def test_the_filters_of_demonstrations_are_the_paper_s():
    """v2, B.3.2: right, readable, not repetitive, one language; B.3.3: no long paragraphs, no code besides."""
    cold, rejected = (composed(f"stage={s}", "scale=paper")["stage"] for s in ("cold_start_data", "rejection_sampling"))
    assert {"correct", "well_formed", "not_repetitive", "one_language"} <= set(cold["filters"])
    assert set(rejected["filters"]) - set(cold["filters"]) == {"short_paragraphs", "no_code"}
    assert cold["plan"]["temperature"] == 1.0


def test_the_pipeline_is_the_paper_s():
    """Fig. 2: the second SFT starts from the base again; every policy comes from the stage before it."""
    nodes = composed("stage=r1", "scale=paper")["stage"]["nodes"]
    taken = {name: node.get("inputs", {}) for name, node in nodes.items()}
    # 106,000 prompts for safety, which are not the 12,000 of RL
    assert nodes["safety_labels"]["settings"]["mix"]["sources"]["harmless"]["train"] == "safety.jsonl"
    assert nodes["safety_labels"]["settings"]["mix"]["weights"] == {"helpful": 0}
    assert taken["cold_start_data"] == {"model.weights": "r1zero.policy"}
    assert taken["refined_data"] == {"mix.path": "cold_start_data.demonstrations"}
    assert taken["dev1"] == {"stage.data.cold_start": "refined_data.demonstrations"}
    local = composed("stage=r1", "scale=local")["stage"]["nodes"]
    assert local["refined_data"] is None, "no model is at hand that writes better"
    assert local["dev1"]["inputs"] == {"stage.data.cold_start": "cold_start_data.demonstrations"}
    assert taken["dev2"] == {"model.weights": "dev1.policy"} and taken["sft_data"] == {"model.weights": "dev2.policy"}
    data = {"stage.data.reasoning": "sft_data.demonstrations", "stage.data.general": "general_data.demonstrations"}
    assert taken["dev3"] == taken["distilled"] == data
    assert taken["helpful_pairs"] == taken["safety_labels"] == {"model.weights": "dev3.policy"}
    assert taken["r1"] == {
        "model.weights": "dev3.policy", "rewards.helpful.model.source": "reward_helpful.reward_model",
        "rewards.harmless.model.source": "reward_safety.reward_model",
    }  # fmt: skip
    assert taken["student_rl"] == {} and nodes["student_rl"]["choices"] == nodes["distilled"]["choices"]


@pytest.mark.parametrize("model", ["smollm2_135m", "folder"])
def test_the_pipeline_takes_a_model_that_is_not_trained_here(model):
    stage, overrides = composed("stage=r1", f"model={model}")["stage"], [f"model={model}"]
    pipeline = Pipeline(stage["nodes"], stage["common"], {}, {}, overrides)
    written = ("general_data", "distilled", "evaluate_distilled", "student_rl", "evaluate_student_rl")
    for name in ("r1zero", "dev3", "r1", "evaluate_r1", *written):
        policy = pipeline.node(name).compose(overrides, {}).model
        if name in written:
            assert set(policy.local.corpus.weights) == {"math", "logic", "helpful", "harmless"}, "read what is asked"
        else:
            assert (policy.name, policy.local) == (model, None)


def test_rewards_of_rl_over_all_scenarios_can_be_others():
    """A control: none of the checkers is there to be set aside."""
    rewards = composed("stage=rl_all_scenarios", "reward@rewards.accuracy=random")["rewards"]
    assert rewards["accuracy"]["_target_"].endswith("RandomReward") and "checkers" not in rewards["accuracy"]
    checkers = composed("stage=rl_all_scenarios")["rewards"]["accuracy"]["checkers"]
    assert [kind for kind, checker in checkers.items() if checker["_target_"].endswith("Unjudged")] == ["general"]


def test_the_local_scale_keeps_the_architecture():
    local = composed()["stage"]["policy"]["local"]
    assert local["family"] == "deepseek_v3"
    assert local["architecture"]["n_routed_experts"] > local["architecture"]["num_experts_per_tok"] > 1
    assert local["architecture"]["kv_lora_rank"] > 0 and local["architecture"]["n_shared_experts"] == 1


YAMLS = sorted(p for folder in ("conf", "experiments", "sweeps") for p in (ROOT / folder).rglob("*.yaml"))


@pytest.mark.parametrize("path", YAMLS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_file_says_what_where_from_and_how(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#") and "@package" not in line]
    wanted = (
        ("question:", "expect:", "command:", "outcome:")
        if "conf" not in path.parts
        else ("what:", "source:", "command:")
    )
    for line, word in zip(head, wanted):
        assert line.startswith(f"# {word}"), f"{path}: {line}"
    assert len(head) >= len(wanted)


SOURCED = sorted(path for group in ("stage", "base", "strategy", "policy") for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("path", SOURCED, ids=lambda p: str(p.relative_to(CONF)))
def test_numbers_bear_their_source(path):
    previous_is_source, previous_was_number, previous_line = False, False, ""
    for line in path.read_text().splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            begins, goes_on = re.match(r"# (paper|derived|ours)\b", stripped), previous_line.strip().startswith("#")
            previous_is_source, previous_line = bool(begins) or (goes_on and previous_is_source), line
            continue
        previous_line = line
        if re.search(r": *([{]?[-\d]|\$\{by_)", stripped):
            assert previous_is_source or previous_was_number, f"{path.name}: no source above {stripped!r}"
            previous_was_number = True
        else:
            previous_was_number = False
            previous_is_source = False


@pytest.mark.parametrize("scale, threads, compute", [("local", 1, "float32"), ("paper", 0, "auto")])
def test_every_model_has_a_base_of_its_own_architecture_at_local_scale(scale, threads, compute):
    families = {"v3base": "deepseek_v3", "qwen2_5_14b": "qwen2", "llama3_3_70b": "llama", "smollm2_135m": None}
    for model, family in families.items():
        stage = composed(f"model={model}", f"scale={scale}")["stage"]
        policy, small = stage["policy"], family is not None and scale == "local"
        assert policy["name"] == model and "_target_" in policy["published"]
        assert (policy["local"] or {}).get("family") == (family if small else None)
        assert (stage["strategy"]["threads"], policy["compute_dtype"]) == ((threads, compute) if small else (0, "auto"))
