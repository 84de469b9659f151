"""Reward models: scores are transformers' own, losses by hand, and what was preferred is learned."""

import math

import pytest
import torch

from r1lab.models.export import export
from r1lab.rewards.preference import SequenceClassifier, judged_ids
from r1lab.training.optim import AdamW
from r1lab.training.reward_model import Judged, RewardModel, RewardModelModule, classifier_of, packed
from r1lab.training.strategy import Strategy
from r1lab.training.trainer import build_trainer, fit
from r1lab.types import LabeledResponse, PreferencePair, Question

OPTIM = AdamW(lr=3e-3, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0, max_grad_norm=1.0)


def pair(number, better="12", worse="7"):
    return PreferencePair(Question(f"q{number}", f"What is {number}+5?", ""), f"{number}={better}", f"{number}={worse}")


def model_of(tiny_model, family):
    found = RewardModel(classifier_of(tiny_model(family)))
    torch.manual_seed(1)
    torch.nn.init.normal_(found.model.score.weight)
    return found


@pytest.mark.parametrize("family", ["deepseek_v3", "qwen2", "llama"])
def test_packed_scores_are_those_of_transformers(family, tiny_model, tokenizer):
    model = model_of(tiny_model, family)
    items = [Judged.of(pair(i, worse="7" * i), tokenizer) for i in (3, 1, 12)]
    batches = packed(items, row_tokens=64, max_tokens=96, pad_id=tokenizer.pad_token_id)
    assert len(batches) > 1
    with torch.no_grad():
        found = {}
        for batch in batches:
            scores = model.scores(batch).tolist()
            rows = [int(p) for p in batch.counted]
            assert len(scores) == len(rows) == batch.num_sequences
            found |= dict(zip(map(tuple, texts_of(batch)), scores))
        for item in items:
            for text in item.texts:
                expected = model.model(input_ids=text[None], attention_mask=torch.ones_like(text[None])).logits[0, 0]
                assert found[tuple(text.tolist())] == pytest.approx(float(expected), abs=1e-5)


def texts_of(batch):
    """The ids of each text of a packed batch, in the order of its completions."""
    for segment in range(batch.num_sequences):
        row, column = (int(place) for place in (batch.segments == segment).nonzero()[0])
        branch = batch.branches[row, column]
        yield batch.ids[row][batch.branches[row] == branch].tolist()


def test_the_texts_of_a_pair_are_never_parted(tokenizer):
    items = [Judged.of(pair(i, better="1" * i), tokenizer) for i in range(1, 9)]
    for batch in packed(items, row_tokens=50, max_tokens=50, pad_id=0):
        texts = list(texts_of(batch))
        assert len(texts) % 2 == 0
        for better, worse in zip(texts[::2], texts[1::2]):
            prompts = [tokenizer.decode(text).partition("\n\n")[0] for text in (better, worse)]
            assert prompts[0] == prompts[1]


def test_losses_by_hand(tiny_model, tokenizer):
    model = model_of(tiny_model, "qwen2")
    module = RewardModelModule(model, OPTIM, 64, 64, 0, pairwise=True)
    (batch,) = packed([Judged.of(pair(1), tokenizer)], 64, 64, 0)
    loss, right = module.judge(torch.tensor([1.5, 0.5]), batch)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-1.0))) and right.tolist() == [1.0]
    loss, right = module.judge(torch.tensor([0.5, 1.5]), batch)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(1.0))) and right.tolist() == [0.0]
    assert module.judge(torch.tensor([0.5, 0.5]), batch)[1].tolist() == [0.5]

    module.pairwise = False
    items = [LabeledResponse(Question("a", "?", ""), "yes", 1.0), LabeledResponse(Question("b", "!", ""), "no", 0.25)]
    (batch,) = packed([Judged.of(item, tokenizer) for item in items], 64, 64, 0)
    loss, right = module.judge(torch.tensor([2.0, 1.0]), batch)
    # -log sigmoid(2); -(0.25 log sigmoid(1) + 0.75 log(1 - sigmoid(1)))
    expected = math.log(1 + math.exp(-2)) + 0.25 * math.log(1 + math.exp(-1)) + 0.75 * math.log(1 + math.exp(1))
    assert float(loss) == pytest.approx(expected, rel=1e-5) and right.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("pairwise", [True, False])
def test_what_is_preferred_is_learned_and_judges_as_it_was_trained(pairwise, tiny_model, tokenizer, tmp_path):
    def item(i):
        if pairwise:
            return pair(i)
        label = i // 2 % 2  # even and odd numbers have either
        return LabeledResponse(Question(f"q{i}", f"What is {i}+5?", ""), f"{i}={'12' if label else '7'}", float(label))

    items = [Judged.of(item(i), tokenizer) for i in range(40)]
    module = RewardModelModule(RewardModel(classifier_of(tiny_model("qwen2"))), OPTIM, 64, 256, 0, pairwise)
    assert sum(module.right(items[32:])) / 8 == 0.5, "a new head cannot tell"
    steps = iter([items[:32]] * 25)
    fit(build_trainer(Strategy("single", 1, 1, "cpu", 1, 1)), module, steps)
    assert module.step == 25 and module.metrics["loss"] < 0.3
    assert list(module.right(items[32:])) == [1.0] * 8

    export(module.policy.model, tokenizer, tmp_path / "model")
    judge = SequenceClassifier(str(tmp_path / "model"), "float32", max_rows=4)
    prompts, answers = ["What is 5+5?"] * 2, ["5=12", "5=7"]
    scores = judge(prompts, answers)
    assert scores[0] > scores[1] + 0.5
    ids = torch.tensor([judged_ids(tokenizer, prompts[0], answers[0])])
    with torch.no_grad():
        own = module.policy.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, 0]
    assert scores[0] == pytest.approx(float(own), abs=1e-4)
