"""Supervised training makes the completions it sees likelier."""

import torch

from r1lab.models.causal import CausalPolicy
from r1lab.training.optim import AdamW
from r1lab.training.sft import SFTModule
from r1lab.training.strategy import Strategy
from r1lab.training.trainer import build_trainer, fit
from r1lab.types import TrainingSample


def test_the_loss_falls_and_is_the_mean_over_completion_tokens(tiny_model):
    samples = [TrainingSample(torch.arange(5, 9), torch.arange(20, 20 + n), torch.zeros(n), 0.0) for n in (3, 6)]
    with torch.no_grad():
        logits = [tiny_model()(torch.cat([s.prompt_ids, s.completion_ids])[None]).logits[0, 3:-1] for s in samples]
        losses = [
            -row.log_softmax(-1)[range(len(ids)), ids] for row, ids in zip(logits, (s.completion_ids for s in samples))
        ]
    optim = AdamW(lr=1e-2, beta1=0.9, beta2=0.95, eps=1e-8, weight_decay=0.0, max_grad_norm=1.0)
    module, seen = SFTModule(CausalPolicy(tiny_model()), optim, 64, 64, 0), []
    for _ in range(3):
        fit(build_trainer(Strategy("single", 1, 1, "cpu", 1, 1)), module, iter([samples]))
        seen.append(module.metrics["loss"])
    torch.testing.assert_close(torch.tensor(seen[0]), torch.cat(losses).mean(), atol=1e-4, rtol=0)
    assert seen[2] < seen[0] - 0.1
