"""A model compared with itself: what samples and what trains must compute what a plain forward of transformers does.

Random texts are drawn, the engine continues some of them, and the logprobs of all tokens are computed on three paths:

- plain: `model(input_ids=...)`, one text at a time, with no mask or position of r1lab's;
- trainer: `CausalPolicy.score`, each text alone, then all in one row, some with a shared prompt;
- engine: prompts read together, then one token at a time.

Measured on 82 families of transformers that are right, tiny and with large random weights, the paths differ by
rounding: in float32 by 1.1e-5 nats of one token at most and 1.6e-6 on average over a text; in bfloat16 by 0.15 (1.2
where a router chooses another expert) and 0.03; with float32 weights under bfloat16 autocast by 0.08 and 0.02.
In float32 rounding adds up over layers: the 30 of SmolLM2-135M differ by 5.8e-5 and 2.0e-5, so `limits_of` grows with
the square root of the depth. The limits are three to nine times what was measured.

In float32 a matrix or a row of one that is rounded to bfloat16, a position off by one, a token too much in a mask,
dropout of 0.01 and another rope base are found in 20 of 20 tries on each of llama, qwen2 and deepseek_v3; a single
number of a matrix that is rounded in 15, 15 and 13 of 20. In bfloat16 alone an off-by-one is found in 10 of 10, a leak
in 4 to 10, another base in 7, dropout in 5 and rounding in none: so a model that is small enough is compared in float32
as well.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from r1lab.engines.base import Engine, Request, SamplingParams
from r1lab.errors import ModelError, R1LabError
from r1lab.functional.packing import microbatches, unpack
from r1lab.models.causal import CausalPolicy
from r1lab.models.families import positions_of
from r1lab.types import TrainingSample

NEW_TOKENS = 12
"""Tokens that the engine writes behind each prompt."""
SHARED = 4
"""Tokens that all prompts begin with."""
SHORT_PROMPTS = ((16, 2), (1, 1))
"""Further tokens of a short prompt, and how many completions it has."""
EXACT_PARAMETERS = 2**28
"""A smaller model that computes in a short type is compared in float32 first, where far less is forgiven."""
WORK = {"cpu": 2**35, "cuda": 2**44}
"""Parameters times tokens that the long text may cost; it has at least LEAST_TOKENS tokens."""
LOGITS = 2**28
"""Logits of the long text, which the plain forward holds all at once, several times: 1 GiB in float32."""
LEAST_TOKENS = 64
REMEDY = (
    "Try attn_implementation=eager, then dtype=float32. If the difference stays, take a model of another family: "
    "llama, qwen2, qwen3, deepseek_v3, olmo2, phi3, ..."
)


@dataclass(frozen=True)
class Tolerance:
    """What two paths may differ by, in nats."""

    most: float
    """Of one token."""
    mean: float
    """Of all tokens of a text on average."""


LIMITS = {
    torch.float64: Tolerance(6e-5, 1.5e-5),
    torch.float32: Tolerance(6e-5, 1.5e-5),
    torch.float16: Tolerance(1.0, 0.05),
    torch.bfloat16: Tolerance(3.0, 0.15),
}
"""By the type of matrix products, for a model of SHALLOW layers."""
SHALLOW = 2


def limits_of(dtype: torch.dtype, config: Any) -> Tolerance:
    """What the paths of a model may differ by; in float32 and float64 it grows with the square root of the depth.

    A short type has rounding of its own in every product, of which `LIMITS` has the measure for any depth.
    """
    limits, layers = LIMITS[dtype], config.get_text_config().num_hidden_layers
    growth = math.sqrt(max(layers, SHALLOW) / SHALLOW) if dtype in (torch.float32, torch.float64) else 1.0
    return Tolerance(limits.most * growth, limits.mean * growth)


@dataclass(frozen=True)
class Agreement:
    """How far trainer and engine are from the plain forward."""

    dtype: str
    """Of matrix products."""
    trainer_most: float
    trainer_mean: float
    engine_most: float
    engine_mean: float
    tokens: int
    """Of the longest text that was compared."""

    def __str__(self) -> str:
        return (
            f"trainer within {self.trainer_most:.1g} nats of a plain forward, engine within {self.engine_most:.1g} "
            f"({self.dtype}, texts up to {self.tokens} tokens)"
        )


def compare(
    policy: CausalPolicy,
    engine: Callable[[CausalPolicy], Engine],
    ids: Sequence[int],
    longest: float,
    pad_id: int = 0,
) -> list[Agreement]:
    """Compares the three paths of a policy that is whole and lies where it computes; the finding of each type.

    `engine` makes the engine of a policy; `ids` are the ids that texts are drawn of; `longest` are the tokens of the
    longest text of the run, of which as many are tried as cost little. Random number generators stay as they are.

    Raises ModelError: two paths differ by more than `limits_of` allows, or one of them fails.
    """
    found = []
    exact = exact_policy(policy)
    for compared in (policy,) if exact is None else (exact, policy):
        found.append(_Comparison(compared, engine(compared), ids, longest, pad_id).run())
    return found


def exact_policy(policy: CausalPolicy) -> CausalPolicy | None:
    """The policy with products in float32, where it has others and is small enough; weights are shared or copied."""
    if policy.product_dtype not in (torch.bfloat16, torch.float16):
        return None
    if policy.model.dtype == torch.float32:
        return CausalPolicy(policy.model)
    if sum(parameter.numel() for parameter in policy.parameters()) > EXACT_PARAMETERS:
        return None
    return CausalPolicy(copy.deepcopy(policy.model).float())


class _Comparison:
    """One comparison: the texts and what the paths say of them."""

    def __init__(self, policy: CausalPolicy, engine: Engine, ids: Sequence[int], longest: float, pad_id: int):
        self.policy, self.engine, self.pad_id = policy, engine, pad_id
        self.limits = limits_of(policy.product_dtype, policy.config)
        self.pool = torch.as_tensor(list(ids))
        self.generator = torch.Generator().manual_seed(0)
        parameters = sum(parameter.numel() for parameter in policy.parameters())
        affordable = min(
            WORK["cuda" if policy.device.type == "cuda" else "cpu"] // parameters,
            LOGITS // policy.model.get_output_embeddings().weight.shape[0],
        )
        wanted = max(longest, SHARED + NEW_TOKENS + max(length for length, _ in SHORT_PROMPTS))
        self.tokens = int(min(wanted, positions_of(policy.config), max(LEAST_TOKENS, affordable)))

    def run(self) -> Agreement:
        """Raises ModelError on the first disagreement."""
        training = self.policy.training
        try:
            return self._run()
        except (R1LabError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # families of transformers fail in any way where they are given masks and positions
            raise self.refusal(
                "The model cannot compute here what it computes in transformers.",
                f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300],
            ) from error
        finally:
            self.policy.train(training)

    def _run(self) -> Agreement:
        samples = self.texts()
        sampled = samples[:-1]
        plain = [self.plain(sample) for sample in samples]
        self.judge("The model gives different numbers for the same text.", "plain forward, twice",
                   [self.plain(samples[0])], plain[:1])  # fmt: skip
        self.policy.train()
        alone = [self.trained([sample])[0] for sample in (samples[0], samples[-1])]
        self.judge("Training does not compute what a plain forward of transformers does.", "trainer and plain forward",
                   alone, [plain[0], plain[-1]])  # fmt: skip
        trainer = self.judge(
            "A text's numbers change in training when others share its row.", "trainer, packed, and plain forward",
            self.trained(samples), plain,
        )  # fmt: skip
        engine = self.judge(
            "Sampling does not compute what a plain forward of transformers does.", "engine and plain forward",
            [sample.old_logprobs.to(self.policy.device) for sample in sampled], [said[0] for said in plain[:-1]],
        )  # fmt: skip
        return Agreement(str(self.policy.product_dtype).removeprefix("torch."), *trainer, *engine, self.tokens)

    def texts(self) -> list[TrainingSample]:
        """What the engine has written behind prompts, and last a long text that is drawn at random."""
        rounds = 1 + 3 * self.tokens // len(self.pool)
        drawn = torch.cat([torch.randperm(len(self.pool), generator=self.generator) for _ in range(rounds)])
        drawn = self.pool[drawn]
        new = min(NEW_TOKENS, self.tokens // 3)
        most, at, requests = self.tokens - new, SHARED, []
        for length, size in (*SHORT_PROMPTS, (most - SHARED, 1)):
            prompt = torch.cat([drawn[:SHARED], drawn[at : at + length]])[:most]
            requests.append(Request(prompt, tuple(range(10 * at, 10 * at + size))))
            at += length
        written = dict(self.engine.generate(requests, SamplingParams(new)))
        sampled = [
            (requests[place].prompt_ids, one.ids, one.logprobs) for place in sorted(written) for one in written[place]
        ]
        text = drawn.roll(len(drawn) // 3)[: self.tokens]
        texts = [*sampled, (text[:2], text[2:], torch.zeros(len(text) - 2))]
        # the advantage is the text's place
        return [TrainingSample(*parts, float(place)) for place, parts in enumerate(texts)]

    def plain(self, sample: TrainingSample) -> Tensor:
        """Logprobs and entropies [2, L] of the completion by a forward of transformers over this text alone."""
        ids = torch.cat([sample.prompt_ids, sample.completion_ids]).to(self.policy.device)
        with torch.no_grad(), self.policy.precision(), self.policy.as_transformers():
            logits = self.policy.model(input_ids=ids[None]).logits[0, len(sample.prompt_ids) - 1 : -1].float()
        logprobs = logits.log_softmax(-1)
        chosen = logprobs.gather(1, ids[len(sample.prompt_ids) :, None])[:, 0]
        return torch.stack([chosen, -(logprobs.exp() * logprobs).sum(-1)])

    def trained(self, samples: Sequence[TrainingSample]) -> list[Tensor]:
        """The same by the forward of training, all texts in one row."""
        width = sum(sample.num_tokens for sample in samples)
        (batch,) = microbatches(samples, width, width, self.pad_id)
        with torch.no_grad():
            scored = self.policy.score(batch.to(self.policy.device), 1.0)
        logprobs, entropies = (unpack(values.cpu(), batch) for values in scored)
        places = [int(own[0]) for own in unpack(batch.advantages, batch)]
        order = sorted(range(len(places)), key=places.__getitem__)
        return [torch.stack([logprobs[i], entropies[i]]).to(self.policy.device) for i in order]

    def judge(self, wrong: str, paths: str, found: Sequence[Tensor], expected: Sequence[Tensor]) -> tuple[float, float]:
        """The largest difference of a token and the largest mean of a text. Raises ModelError above the limits."""
        most, mean = gap(found, expected)
        if most > self.limits.most or mean > self.limits.mean:
            raise self.refusal(
                wrong,
                f"{paths}: {most:.2g} nats at most, {mean:.2g} on average; allowed are {self.limits.most:.2g} and "
                f"{self.limits.mean:.2g} in {self.policy.product_dtype}".replace("torch.", ""),
            )
        return most, mean

    def refusal(self, wrong: str, found: str) -> ModelError:
        return ModelError(wrong, f"model_type={self.policy.config.model_type}, {found}", REMEDY)


def gap(found: Sequence[Tensor], expected: Sequence[Tensor]) -> tuple[float, float]:
    """The largest difference of a number, and the largest mean difference of a text; infinite where one is not finite.

    >>> gap([torch.tensor([1.0, 2.0])], [torch.tensor([1.0, 4.0])])
    (2.0, 1.0)
    """
    gaps = [(one.float() - other.float()).abs() for one, other in zip(found, expected, strict=True)]
    gaps = [gap.nan_to_num(torch.inf, torch.inf) for gap in gaps]
    return max(float(gap.max()) for gap in gaps), max(float(gap.mean()) for gap in gaps)


def drawable(tokenizer: Any) -> list[int]:
    """The ids of a tokenizer that stand for text: a special one may change what a model does with a text."""
    return sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
