"""A model is compared once for each weights and way of computing, and a stage whose model disagrees does not begin."""

import json
from types import SimpleNamespace

import pytest
import torch

from r1lab.artifacts.store import Store
from r1lab.engines.agreement import compare
from r1lab.engines.choices import TorchSampler
from r1lab.engines.torch_engine import TorchEngine
from r1lab.errors import ModelError
from r1lab.models.causal import CausalPolicy
from r1lab.models.policy import PretrainedPolicy, load_model
from r1lab.rewards.preference import SequenceClassifier
from r1lab.stages.compared import compare_once
from r1lab.stages.policy import ModelChoice
from r1lab.training.reward_model import RewardModel, classifier_of
from r1lab.training.score_agreement import compare_scores
from r1lab.training.strategy import Strategy

ALONE = Strategy("single", 1, 1, "cpu", 1, 1)


@pytest.fixture
def folder(tiny_model, tokenizer, tmp_path):
    tiny_model("llama").save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    return tmp_path / "m"


def compared(folder, root, longest=40, compute="float32", engine=None):
    """What was said while comparing; the store is at root."""
    said = []
    context = SimpleNamespace(store=Store(root), say=said.append)
    choice = ModelChoice("tiny", PretrainedPolicy(str(folder), None, "float32", "sdpa"), None, None, compute)
    model, tokenizer = load_model(folder, "float32")
    compare_once(context, choice, ALONE, engine or TorchSampler(4), model, tokenizer, longest)
    return said


def test_it_is_done_once_for_each_model_and_way_of_computing(folder, tmp_path):
    root = tmp_path / "artifacts"
    assert len(compared(folder, root)) == 1
    (kept,) = (root / "compared").glob("*.json")
    assert json.loads(kept.read_text())[0]["engine_most"] < 1e-5
    assert compared(folder, root) == []
    for other in ({"longest": 50}, {"compute": "bfloat16"}, {"engine": TorchSampler(5)}):
        assert len(compared(folder, root, **other)) == 1 and compared(folder, root, **other) == []
    shard = next(folder.glob("*.safetensors"))
    content = bytearray(shard.read_bytes())
    content[-3] ^= 1
    shard.write_bytes(content)
    assert len(compared(folder, root)) == 1


def test_a_model_that_disagrees_is_refused_each_time(folder, tmp_path, monkeypatch):
    plain = CausalPolicy.score
    monkeypatch.setattr(CausalPolicy, "score", lambda *given: tuple(found * 1.01 for found in plain(*given)))
    for _ in range(2):
        with pytest.raises(ModelError, match="trainer and plain forward"):
            compared(folder, tmp_path / "artifacts")
    assert not list(tmp_path.glob("artifacts/compared/*"))


def test_a_reward_models_number_is_compared_and_its_head_stays_as_it_was(tiny_model):
    judge = RewardModel(classifier_of(tiny_model("llama")))
    assert compare_scores(judge, range(3, 250), 64, 0)[0] < 1e-5
    assert not judge.model.score.weight.any()


def test_a_reward_model_that_sees_its_neighbors_is_refused(tiny_model, monkeypatch):
    judge = RewardModel(classifier_of(tiny_model("llama")))
    plain = RewardModel.scores
    monkeypatch.setattr(RewardModel, "scores", lambda self, batch: plain(self, batch) + 0.001)
    with pytest.raises(ModelError, match="in training than in transformers"):
        compare_scores(judge, range(3, 250), 64, 0)


@pytest.mark.parametrize("padding", [True, False])
def test_a_reward_model_that_rewards_is_compared_when_loaded(padding, tiny_model, tokenizer, tmp_path, monkeypatch):
    model = classifier_of(tiny_model("llama"))
    with torch.no_grad():
        model.score.weight.normal_()
    model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(tmp_path / "r")
    tokenizer.save_pretrained(tmp_path / "r")
    classifier = SequenceClassifier(str(tmp_path / "r"), "float32", 4)
    if padding:
        assert len(classifier(["a", "b"], ["7+5=12", "9"])) == 2
        return
    # texts of a batch change places
    from transformers import LlamaForSequenceClassification

    plain = LlamaForSequenceClassification.forward
    monkeypatch.setattr(
        LlamaForSequenceClassification, "forward",
        lambda self, input_ids=None, attention_mask=None, **more: plain(self, input_ids=input_ids.flip(0), **more)
        if len(input_ids) > 1 else plain(self, input_ids=input_ids, **more),
    )  # fmt: skip
    with pytest.raises(ModelError, match="another score"):
        _ = classifier.loaded


def test_a_large_model_in_a_short_type_is_compared_in_that_type_alone(tiny_model, monkeypatch):
    monkeypatch.setattr("r1lab.engines.agreement.EXACT_PARAMETERS", 10)
    policy = CausalPolicy(tiny_model("llama").bfloat16())
    found = compare(policy, lambda one: TorchEngine(one, 0, 4), range(3, 250), 40)
    assert [one.dtype for one in found] == ["bfloat16"]
