"""A run's address follows the content of every model that it reads: those that reward and judge, too."""

from fnmatch import fnmatch

import pytest
from hydra import compose
from omegaconf import OmegaConf

from r1lab.artifacts.address import address
from r1lab.config.targets import locate
from r1lab.stages.run import Run

REWARD = ("+reward@rewards.helpful=helpful", "rewards.helpful.model.source=CLASSIFIER")
JUDGE = ("+reward@rewards.judge=judge", "rewards.judge.compare.judge.load.source=POLICY")
SAFETY = ("+reward@rewards.safety=judge_harmless", "rewards.safety.judged.judge.load.source=POLICY")
ANSWERS = (
    "+judge/answers@rewards.accuracy.judges.open=paper", "rewards.accuracy.judges.open.judge.load.source=POLICY",
)  # fmt: skip
HELDOUT = ("+reward@evaluation.rewards.liked=helpful", "evaluation.rewards.liked.model.source=CLASSIFIER")
SHUFFLED = (
    "reward@rewards.accuracy=shuffled_gold",
    *(word.replace("accuracy", "accuracy.accuracy") for word in ANSWERS),
)
PAIRS = ("judge/pairs@stage.product.judge=paper", "stage.product.judge.judge.load.source=POLICY")


@pytest.fixture(scope="module")
def models(tokenizer, tmp_path_factory):
    """A policy and a reward model with random weights, by the words that stand for their folders."""
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    config = LlamaConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
                         num_labels=1, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id)  # fmt: skip
    folders = {}
    for name, kind in {"POLICY": LlamaForCausalLM, "CLASSIFIER": LlamaForSequenceClassification}.items():
        folders[name] = tmp_path_factory.mktemp(name)
        kind(config).save_pretrained(folders[name])
        tokenizer.save_pretrained(folders[name])
    return folders


def run_of(root, *words):
    return Run.of(compose("config", overrides=[f"run.root={root}", "run.name=test", "tracker=disabled", *words]))


@pytest.mark.parametrize(
    ("stage", "words", "place"),
    [
        ("r1zero", REWARD, "rewards.helpful.model"),
        ("r1zero", JUDGE, "rewards.judge.compare.judge.load"),
        ("r1zero", SAFETY, "rewards.safety.judged.judge.load"),
        ("r1zero", ANSWERS, "rewards.accuracy.judges.open.judge.load"),
        ("r1zero", SHUFFLED, "rewards.accuracy.accuracy.judges.open.judge.load"),
        ("r1zero", HELDOUT, "evaluation/rewards.liked.model"),
        ("evaluate", HELDOUT, "evaluation/rewards.liked.model"),
        ("general_data", ("reward@rewards.helpful=helpful", REWARD[1]), "rewards.helpful.model"),
        ("helpful_pairs", PAIRS, "product.judge.judge.load"),
    ],
)
def test_changed_weights_of_what_judges_are_another_run(stage, words, place, models, hydra, tmp_path):
    (kind,) = [name for name in models if any(name in word for word in words)]
    words = [word.replace(kind, str(models[kind])) for word in words]
    weights = models[kind] / "model.safetensors"
    before, content = run_of(tmp_path, f"stage={stage}", *words), weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    after = run_of(tmp_path, f"stage={stage}", *words)
    weights.write_bytes(content)
    assert before.address != after.address
    changed = {name for name, digest in after.parents.items() if before.parents[name] != digest}
    assert changed == {f"{place}/model.safetensors"}
    assert run_of(tmp_path, f"stage={stage}", *words).address == before.address, "the old weights find the old run"


def test_an_artifact_adds_nothing_to_the_address_that_names_it(models, hydra, tmp_path):
    """It is the same before the reward model is made and after: finished nodes stay done."""
    words = ("stage=r1zero", REWARD[0], "rewards.helpful.model.source=artifact:reward_model/0f3a5c11d2e4")
    before = run_of(tmp_path, *words)
    folder = before.store.path("reward_model", "0f3a5c11d2e4")
    folder.parent.mkdir(parents=True)
    folder.symlink_to(models["CLASSIFIER"])
    after = run_of(tmp_path, *words)
    assert after.stage.rewards["helpful"].model.source == str(folder), "it is read from where it lies"
    assert before.parents == after.parents == {} and before.address == after.address


OWN = ("stage=r1zero", "+reward@rewards.own=own", "rewards.own.function=operator.truth")


@pytest.mark.parametrize(
    "word, same",
    [("rewards.own.deadline_s=5", True), ("rewards.own.deadline_s=inf", True), ("rewards.own.weight=0.5", False),
     ("rewards.own.function=operator.not_", False), ("rewards.accuracy.timeout_seconds=6", False)],
)  # fmt: skip
def test_how_long_a_reward_may_take_makes_no_other_run(word, same, hydra, tmp_path):
    assert (run_of(tmp_path, *OWN).address == run_of(tmp_path, *OWN, word).address) == same


UNDECIDING = {
    "strategy", "keep_checkpoints", "checkpoint_steps", "activation_checkpointing", "plan.activation_checkpointing",
    "fault_budget", "evaluation.fault_budget", "mismatch", "engine.max_rows", "policy.local.processes",
    "rewards.*.deadline_s", "evaluation.rewards.*.deadline_s",
}  # fmt: skip


def altered(tree, path):
    """The tree with another value at a path."""
    key, *rest = path
    if rest:
        value = altered(tree[key], rest)
    else:
        old = tree[key]
        value = not old if isinstance(old, bool) else old + 1 if isinstance(old, (int, float)) else f"{old}x"
    copied = dict(tree) if isinstance(tree, dict) else list(tree)
    copied[key] = value
    return copied


def ends(tree, path=()):
    """The path of every value of a tree."""
    if isinstance(tree, (dict, list)) and tree:
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from ends(value, (*path, key))
    else:
        yield path


@pytest.mark.parametrize("stage", ["r1zero", "sft_800k", "evaluate", "rejection_sampling", "reward_helpful"])
def test_every_value_but_those_that_decide_no_number_is_part_of_the_address(stage, hydra):
    config = OmegaConf.to_container(compose("config", overrides=[f"stage={stage}"]).stage, resolve=True)
    kind, seen = locate(config["_target_"]), 0
    before = address({"stage": kind.identity(kind, config)})
    for path in ends(config):
        dotted = ".".join(map(str, path))
        decides = not any(fnmatch(dotted, key) or fnmatch(dotted, f"{key}.*") for key in UNDECIDING)
        after = address({"stage": kind.identity(kind, altered(config, path))})
        assert (after != before) == decides, dotted
        seen += decides
    assert seen > 20 and set(kind.undeciding) == UNDECIDING


def test_a_base_is_the_same_however_many_processes_train_it(hydra):
    def base(*words):
        return run_of("unused", "stage=r1zero", *words).stage.policy.local.address

    assert base() == base("model.local.processes=1") != base("model.local.steps=3")
