"""On a GPU nothing inside a microbatch waits for the device."""

import pytest
import torch

from r1lab.functional.aggregate import Counts, SequenceMean
from r1lab.functional.kl import KL
from r1lab.functional.packing import microbatches
from r1lab.functional.surrogates import Clipped
from r1lab.models.causal import CausalPolicy
from r1lab.training.metrics import PhaseMetrics
from r1lab.training.objective import Objective
from r1lab.types import TrainingSample

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("family", ["qwen2", "llama"])
def test_a_microbatch_is_computed_without_waiting(family, tiny_model):
    policy = CausalPolicy(tiny_model(family).cuda(), torch.bfloat16)
    samples = [TrainingSample(torch.arange(5, 9), torch.arange(9, 9 + n), torch.zeros(n), 1.0) for n in (4, 9)]
    batch = microbatches(samples, 64, 64, 0)[0].to(policy.device)
    objective = Objective(lambda rewards: rewards, Clipped(0.2, 0.2), KL(0.0, "k3"), SequenceMean())

    def update():
        logprobs, entropy = policy.score(batch, 1.0)
        loss, stats = objective(logprobs, batch, Counts(2, 13))
        loss.backward()
        PhaseMetrics().add(loss, logprobs, entropy, stats, batch)

    update()  # what is made at the first call may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        update()
    finally:
        torch.cuda.set_sync_debug_mode("default")
