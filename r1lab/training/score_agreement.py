"""A reward model compared with itself: its number for a text packed among others, and alone in transformers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from r1lab.engines.agreement import LIMITS, REMEDY, gap
from r1lab.errors import ModelError
from r1lab.models.families import positions_of
from r1lab.training.reward_model import Judged, RewardModel, packed

LENGTHS = (9, 17, 5, 64)


def compare_scores(model: RewardModel, ids: Sequence[int], longest: float, pad_id: int) -> tuple[float, float]:
    """The largest and the mean difference of a text's score; its head has random weights meanwhile, for it may be 0.

    `ids` are those that texts are drawn of. Raises ModelError: they differ by more than the limits of log
    probabilities, or the classifier of the family fails.
    """
    generator = torch.Generator().manual_seed(0)
    most = int(min(longest, positions_of(model.config)))
    pool = torch.as_tensor(list(ids))
    texts = [pool[torch.randint(len(pool), (min(length, most),), generator=generator)] for length in LENGTHS]
    head = model.model.score.weight
    before = head.detach().clone()
    try:
        with torch.no_grad():
            head.copy_(torch.randn(head.shape, generator=generator) / head.shape[1] ** 0.5)
            items = [Judged((text,), float(place)) for place, text in enumerate(texts)]  # a label names its text
            (batch,) = packed(items, sum(map(len, texts)), sum(map(len, texts)), pad_id)
            order = batch.advantages.flatten()[batch.counted].long().tolist()
            found = model.scores(batch.to(model.device)).cpu()
            with model.precision(), model.as_transformers():
                plain = [
                    model.model(input_ids=text[None].to(model.device)).logits[0, 0].float().cpu() for text in texts
                ]
    except Exception as error:
        raise ModelError(
            "The reward model cannot compute here what it computes in transformers.",
            f"model_type={model.config.model_type}, {type(error).__name__}: {error}"[:300],
            REMEDY,
        ) from error
    finally:
        with torch.no_grad():
            head.copy_(before)
    most_off, mean = gap([found], [torch.stack([plain[place] for place in order])])
    limits = LIMITS[model.product_dtype]
    if most_off > limits.most:
        raise ModelError(
            "A reward model's number for a text is another one in training than in transformers.",
            f"model_type={model.config.model_type}, {most_off:.2g} at most, {limits.most:g} is allowed",
            REMEDY,
        )
    return most_off, mean
