"""Reward models as rewards: who is scored, what is read, and a real sequence classifier in a folder."""

from math import exp

import pytest
import torch

from r1lab.errors import ConfigError, ModelError
from r1lab.rewards.preference import RewardModelReward, Scope, SequenceClassifier, judged_ids
from r1lab.rewards.rubric import Rubric
from r1lab.text.spans import parse_response, summary
from r1lab.types import Completion, Finish, Question, Rollout, Status

HELPFUL, HARMLESS = Scope("helpful", "summary"), Scope("harmless", "response")


def rollout(text, aspect="helpful"):
    question = Question("q", "Why?", "", "general", details={"aspect": aspect} if aspect else {})
    completion = Completion(torch.tensor([5, 2]), torch.zeros(2), Finish.STOP)
    return Rollout(question, torch.tensor([1]), completion, parse_response(text), sample=0)


def length(prompts, responses):
    """A scalar model that likes length: four letters are 0."""
    return [len(response) - 4.0 for response in responses]


def test_helpful_reads_the_summary_and_harmless_everything():
    seen = []

    def model(prompts, responses):
        seen.extend(zip(prompts, responses))
        return [0.0] * len(responses)

    text = "<think> poison? </think> <answer> Rest. </answer>"
    for scope, aspect in ((HELPFUL, "helpful"), (HARMLESS, "harmless")):
        assert RewardModelReward(1.0, model, scope)([rollout(text, aspect)])[0].value == 0.5
    assert seen == [("Why?", "Rest."), ("Why?", text)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think> a </think> b", "b"),
        ("<think> a </think> <answer> b </answer>", "b"),
        ("<think> a </think> b <answer> c </answer> d", "c"),
        ("<think> a <answer> x </answer> </think> b", "b"),
        ("no tags at all", "no tags at all"),
        (r"<think> a </think> so \boxed{7} it is", r"so \boxed{7} it is"),
        ("<think> a </think> <answer> b", None),
        ("<think> a </think> ", None),
        ("<think> never closed", None),
        ("<think> a </think> b <think> c", "b"),
        ("a </think> b", "b"),
    ],
)
def test_summary(text, said):
    assert summary(text) == said


def test_values_are_sigmoids_and_silence_is_less_than_any():
    reward = RewardModelReward(1.0, length, HELPFUL)
    scores = reward([rollout("four"), rollout("sixsix"), rollout("x"), rollout("<think> a </think>"),
                     rollout("four", "harmless"), rollout("four", None)])  # fmt: skip
    assert scores[0].value == 0.5 and scores[0].extracted == "four"
    assert scores[1].value == pytest.approx(1 / (1 + exp(-2)))  # 6 - 4
    assert scores[2].value == pytest.approx(1 / (1 + exp(3)))  # 1 - 4
    assert [score.value for score in scores[3:]] == [0.0, 0.0, 0.0] and all(score.judged for score in scores)
    assert [score.reason for score in scores[3:5]] == ["nothing is said", "not a prompt for being helpful"]
    (low,), (high,) = (RewardModelReward(1.0, lambda p, r, v=v: [v], HELPFUL)([rollout("x")]) for v in (-1e6, 1e6))
    assert (low.value, high.value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (lambda p, r: [float("nan")] * len(r), "the model's score is nan"),
        (lambda p, r: [float("inf")] * len(r), "the model's score is inf"),
        (lambda p, r: [1.0], "ValueError: 1 scores for 2 responses"),
        (lambda p, r: 1 / 0, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_the_model_fails_at_is_a_crash(model, reason):
    scores = RewardModelReward(1.0, model, HELPFUL)([rollout("x"), rollout("y"), rollout("y", None)])
    assert [(s.value, s.status, s.reason) for s in scores[:2]] == [(0.0, Status.CRASH, reason)] * 2
    assert scores[2].judged


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    """A real sequence classifier of the Llama family with random weights, as transformers stores it."""
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(tokenizer), num_labels=1, pad_token_id=tokenizer.pad_token_id, initializer_range=0.2,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("classifier")
    LlamaForSequenceClassification(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_a_classifier_scores_alike_in_any_batch(folder, tokenizer):
    from transformers import AutoModelForSequenceClassification

    texts = ["short", "a much longer response, with many words", "so so"]
    model = SequenceClassifier(str(folder), "float32", max_rows=2)
    assert "loaded" not in vars(model)
    scores = model(["Why?"] * 3, texts)
    # one by one, without padding, by transformers itself
    reference = AutoModelForSequenceClassification.from_pretrained(folder)
    ids = [torch.tensor([tokenizer.encode(f"Why?\n\n{text}<|end|>")]) for text in texts]
    with torch.no_grad():
        alone = [reference(input_ids=row).logits.item() for row in ids]
    assert scores == pytest.approx(alone, abs=1e-5) and len(set(scores)) == 3
    assert scores[::-1] == pytest.approx(model(["Why?"] * 3, texts[::-1]), abs=1e-5)


def test_a_response_cannot_end_its_turn(folder, tokenizer):
    ids = judged_ids(tokenizer, "Why?", "bad<|end|>good")
    assert ids.count(tokenizer.eos_token_id) == 1 and ids[-1] == tokenizer.eos_token_id
    # tags are no control tokens: reasoning is read as it was written
    assert tokenizer.decode(judged_ids(tokenizer, "Why?", "<think>a</think>b")) == "Why?\n\n<think>a</think>b<|end|>"


def test_a_model_that_cannot_be_loaded_is_a_fault_before_it_is_asked(folder, tmp_path):
    gone = SequenceClassifier(str(tmp_path / "gone"), "float32", 2)
    odd, sound = SequenceClassifier(str(folder), "fp8", 2), SequenceClassifier(str(folder), "float32", 2)
    rewards = {n: RewardModelReward(1.0, model, HELPFUL) for n, model in {"a": gone, "b": odd, "c": sound}.items()}
    assert Rubric({**rewards, "d": RewardModelReward(1.0, length, HELPFUL)}).faults("rewards") == [
        f"rewards.a.model: There is no such model folder. {tmp_path / 'gone'} "
        "Give an existing folder or a hub id (owner/name).",
        "rewards.b.model: Unknown dtype. dtype=fp8 Use one of float32, bfloat16, float16.",
    ]
    assert "loaded" not in vars(sound)


def test_what_is_no_reward_model_is_refused(folder, tiny_model, tokenizer, tmp_path):
    tiny_model("llama").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    # a policy has no trained scalar head
    for source in (str(tmp_path), str(tmp_path / "nowhere"), "artifact:policy/0f3a5c11d2e4"):
        reward = RewardModelReward(1.0, SequenceClassifier(source, "float32", 2), HELPFUL)
        (fault,) = reward.faults()
        assert fault.startswith("model: ") and source in fault
        with pytest.raises(ModelError):
            reward([rollout("x")])
    with pytest.raises(ConfigError, match="at least one row"):
        SequenceClassifier(str(folder), "float32", 0)
