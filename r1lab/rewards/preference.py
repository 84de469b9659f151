"""Reward models: how much a response is liked, by a model with a scalar head (paper, Methods, Eqs. 5 and 6).

A general prompt belongs to helpfulness or to harmlessness, by ``Question.details["aspect"]``, and takes that reward
alone. All other questions get 0 for every completion: what a whole group shares changes no advantage.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from r1lab.data.chat import DAY, chat_text
from r1lab.data.digests import model_digests
from r1lab.data.preferences import ASPECTS
from r1lab.errors import ConfigError, ModelError, R1LabError
from r1lab.functional.schedules import require_choice
from r1lab.rewards.rubric import Reward, Weight
from r1lab.text.spans import TAGS, summary
from r1lab.text.verdicts import defused
from r1lab.types import Question, Rollout, Score, Status

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SHOWN_CHARS = 200
"""As much of what was judged stands in the scores table."""

COMPARED = (17, 5, 60)
"""Tokens of the texts that a reward model is compared with itself on."""

Reads = Literal["summary", "response"]
"""What a judge or a reward model sees: the final summary alone, or the whole response with its reasoning."""


class ScalarModel(Protocol):
    """Gives one number to each response: the more, the better."""

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> Sequence[float]:
        """One score a response, in order, on any scale."""
        ...


@dataclass(frozen=True)
class Scope:
    """Which questions a reward is for, and what it sees of their responses."""

    aspect: str
    """helpful or harmless."""
    reads: Reads

    def __post_init__(self):
        for name, value, known in (("aspect", self.aspect, ASPECTS), ("reads", self.reads, ("summary", "response"))):
            if value not in known:
                raise ConfigError(f"{name} is not known.", f"{name}={value!r}", f"Choose from {', '.join(known)}.")

    def covers(self, question: Question) -> bool:
        """Whether it is for a question."""
        return question.details.get("aspect") == self.aspect

    def __call__(self, rollouts: Sequence[Rollout]) -> tuple[list[Score], dict[int, str]]:
        """Scores of what needs no model, and by place the texts of what does, which still have to be scored."""
        scores, texts = [], {}
        for place, rollout in enumerate(rollouts):
            scores.append(Score(0.0, reason=f"not a prompt for being {self.aspect}"))
            if self.covers(rollout.question):
                text = summary(rollout.response.text) if self.reads == "summary" else rollout.response.text.strip()
                scores[place] = Score(0.0, reason="nothing is said")
                texts |= {place: text} if text else {}
        return scores, texts


@dataclass(frozen=True)
class RewardModelReward(Reward):
    """The sigmoid of a reward model's score; a response that says nothing gets 0, less than any that does.

    Example: scores 0 and 2 get 0.5 and 0.88. What the model fails at is a CRASH.
    """

    weight: Weight
    model: ScalarModel
    scope: Scope
    knows_gold: ClassVar[bool] = False

    def __call__(self, rollouts: Sequence[Rollout]) -> list[Score]:
        scores, texts = self.scope(rollouts)
        if not texts:
            return scores
        start = time.perf_counter()
        try:
            prompts = [rollouts[place].question.dialogue for place in texts]
            values = [float(value) for value in self.model(prompts, list(texts.values()))]
            if len(values) != len(texts):
                raise ValueError(f"{len(values)} scores for {len(texts)} responses")
        except (R1LabError, ImportError):  # not the responses' fault
            raise
        except Exception as error:
            values = [f"{type(error).__name__}: {error}"[:200]] * len(texts)
        ms = 1000 * (time.perf_counter() - start) / len(texts)
        for (place, text), value in zip(texts.items(), values):
            scores[place] = _liked(value, ms, text)
        return scores

    @property
    def aspect(self) -> str:
        return self.scope.aspect

    def faults(self) -> list[str]:
        """A model that cannot be loaded."""
        return loading_faults("model", self.model)


@dataclass(frozen=True, eq=False)
class SequenceClassifier:
    """A sequence classifier of transformers with one output, by its folder or hub id; loaded when first asked.

    It reads the prompt and the response as two turns of its chat template, or one behind the other where it has none.
    Nothing is cut: the paper has no limit of length at inference.
    """

    source: str
    dtype: str
    """float32, bfloat16 or float16."""
    max_rows: int
    """Responses in one batch."""
    trust_remote_code: bool = False
    """Whether Python code that comes with the model may run; else a model that needs such code is refused."""

    def __post_init__(self):
        if type(self.max_rows) is not int or self.max_rows < 1:
            raise ConfigError("A batch has at least one row.", f"max_rows={self.max_rows!r}", "max_rows=16")
        require_choice("trust_remote_code", self.trust_remote_code, (True, False))

    def check(self) -> None:
        """Find what can be known without loading weights. Raises ModelError."""
        check_weights(self.source, self.dtype, "reward_model", self.trust_remote_code)

    def digests(self) -> dict[str, str]:
        """Its files by content: part of a run's address."""
        return model_digests(self.source, self.trust_remote_code)

    @cached_property
    def loaded(self) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Model and tokenizer. Raises ModelError: it cannot be loaded, or has no trained head of one output."""
        import torch
        from transformers import AutoModelForSequenceClassification

        from r1lab.models.policy import load_tokenizer

        self.check()
        trusted = {"trust_remote_code": self.trust_remote_code}
        tokenizer = load_tokenizer(self.source, **trusted)
        try:
            model, info = AutoModelForSequenceClassification.from_pretrained(
                self.source, dtype=getattr(torch, self.dtype), output_loading_info=True, **trusted
            )
        except (OSError, ValueError, RuntimeError) as error:
            found = f"{self.source}: {str(error).splitlines()[0]}"
            raise ModelError("The reward model cannot be loaded.", found, "Check the folder or the hub id.") from error
        missing = sorted(map(str, info["missing_keys"]))
        if missing or model.config.num_labels != 1:
            found = f"{self.source}: {model.config.num_labels} outputs, weights missing: {', '.join(missing) or 'none'}"
            raise ModelError("This is no reward model.", found, "Give a sequence classifier with one output.")
        model.config.pad_token_id = tokenizer.pad_token_id
        model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")
        check_neighbors(model, tokenizer)
        return model, tokenizer

    def __call__(self, prompts: Sequence[str], responses: Sequence[str]) -> list[float]:
        """One score a response, in order."""
        import torch

        model, tokenizer = self.loaded
        rows = [judged_ids(tokenizer, prompt, response) for prompt, response in zip(prompts, responses, strict=True)]
        scores = [0.0] * len(rows)
        by_length = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        with torch.no_grad():
            for start in range(0, len(rows), self.max_rows):
                places = by_length[start : start + self.max_rows]
                batch = {"input_ids": [rows[place] for place in places]}
                batch = tokenizer.pad(batch, padding_side="right", return_tensors="pt").to(model.device)
                found = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, 0]
                for place, score in zip(places, found.float().tolist()):
                    scores[place] = score
        return scores


def check_neighbors(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """A text has the score that it has alone, whatever stands beside it in a batch. Raises ModelError."""
    import torch

    from r1lab.engines.agreement import REMEDY, drawable, gap, limits_of
    from r1lab.models.families import positions_of

    generator, ids = torch.Generator().manual_seed(0), torch.tensor(drawable(tokenizer))
    lengths = [int(min(length, positions_of(model.config))) for length in COMPARED]
    texts = [ids[torch.randint(len(ids), (length,), generator=generator)].to(model.device) for length in lengths]
    with torch.no_grad():
        alone = torch.cat([model(input_ids=text[None]).logits[:, 0] for text in texts])
        rows = {"input_ids": [text.tolist() for text in texts]}
        batch = tokenizer.pad(rows, padding_side="right", return_tensors="pt").to(model.device)
        beside = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, 0]
    most, _ = gap([beside], [alone])
    if most > (limit := limits_of(model.dtype, model.config).most):
        raise ModelError(
            "The reward model gives a text another score when others stand beside it.",
            f"model_type={model.config.model_type}: {most:.2g} at most, {limit:.2g} is allowed in {model.dtype}",
            REMEDY,
        )


def judged_ids(tokenizer: PreTrainedTokenizerBase, prompt: str, response: str) -> list[int]:
    """What a reward model reads, in training and when it judges: two turns, and no word of another speaker in them."""
    prompt, response = (defused(text, control_tokens(tokenizer)) for text in (prompt, response))
    if not tokenizer.chat_template:
        return tokenizer.encode(f"{prompt}\n\n{response}{tokenizer.eos_token}")
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]
    return tokenizer.encode(chat_text(tokenizer, turns, False, DAY), add_special_tokens=False)


def check_weights(source: str, dtype: str, kind: str, trust_remote_code: bool = False) -> None:
    """The weights of a reward_model, or of the policy that judges, are there, and of a known type; ModelError."""
    from r1lab.models.policy import check_dtype, check_source

    check_dtype(dtype, "dtype")
    check_source(source, kind=kind, trust_remote_code=trust_remote_code)


def loading_faults(key: str, model: Any) -> list[str]:
    """What a model's ``check()`` finds, by the model's key below the reward; one without a check is taken as sound."""
    try:
        getattr(model, "check", lambda: None)()
    except ModelError as error:
        return [f"{key}: {error.wrong} {error.found} {error.remedy}"]
    return []


def control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The tokens by which a judged text could speak as somebody else; think and answer tags are not among them."""
    return [token for token in tokenizer.get_added_vocab() if token.strip() not in TAGS]


def _liked(value: float | str, ms: float, text: str) -> Score:
    """The score of a response by the model's number; a text is what went wrong instead."""
    if isinstance(value, str) or not math.isfinite(value):
        return Score(0.0, Status.CRASH, value if isinstance(value, str) else f"the model's score is {value}", ms)
    # 1 / (1 + exp(-value)) without overflow
    return Score(
        0.5 + 0.5 * math.tanh(value / 2),
        reason=f"the model's score is {value:.3f}",
        ms=ms,
        extracted=text[:SHOWN_CHARS],
    )
