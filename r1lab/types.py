"""The nouns that travel between the rooms of the house.

Shape alphabet, used everywhere: **Q** questions of a rollout phase, **G** group size, **N** = Q*G rollouts,
**L** tokens of one sequence, **R** packed rows of a microbatch, **T** tokens of a packed row, **S** sequences,
**K** minibatches of a phase, **V** vocabulary, **D** hidden size.

Question -> Rollout -> Group -> PackedBatch. Arithmetic about a noun is a property of the noun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from r1lab.characters import valid

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Question:
    """A verifiable problem with its answer.

    Example: ``Question(id="sum-3-4", text="What is 3+4?", answer="7", level=1)``
    """

    id: str
    """Stable name: the same question has the same id in every run."""
    text: str
    """What the user asks, without any template."""
    answer: str
    """The gold answer, as a verifier reads it; "" where nothing is right or wrong, as for most general prompts."""
    domain: str = "math"
    """math, code, stem, logic or general: chooses the checker; open has none and is judged by a model."""
    language: str = "en"
    """ISO 639-1 code of the question's language."""
    level: int | None = None
    """Difficulty 1 (easy) to 5 (hard), as in MATH; None where unknown."""
    source: str = ""
    """Data set or task family it comes from."""
    solution: str | None = None
    """A worked solution, where the source has one."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What only one domain needs: choices, unit tests, rules; ``aspect`` says what a general prompt is for."""

    @property
    def turns(self) -> Sequence[Mapping[str, str]]:
        """The messages before the question, ``{"role": "system", "content": "Be brief."}`` and others."""
        return self.details.get("turns", ())

    @property
    def dialogue(self) -> str:
        """All messages up to the question as one text, for judges and reward models; the question alone without others.

        >>> Question("q", "And 2+2?", "4", details={"turns": [{"role": "user", "content": "What is 1+1?"}]}).dialogue
        'user: What is 1+1?\\n\\nuser: And 2+2?'
        """
        if not self.turns:
            return self.text
        return "\n\n".join([*(f"{turn['role']}: {turn['content']}" for turn in self.turns), f"user: {self.text}"])

    @property
    def texts(self) -> tuple[str, ...]:
        """What tells it from another; a pair and a labeled response have theirs too."""
        return (*(turn["content"] for turn in self.turns), self.text)


class _Prompted:
    """Goes by the name and the text of its prompt."""

    question: Question

    @property
    def id(self) -> str:
        return self.question.id

    @property
    def text(self) -> str:
        return self.question.text


@dataclass(frozen=True)
class PreferencePair(_Prompted):
    """Two responses to one prompt, the better one first: what a pair-wise reward model learns from.

    Example: ``PreferencePair(question, chosen="Boil it for five minutes.", rejected="Dunno.", margin=1.5)``
    """

    question: Question
    """The prompt."""
    chosen: str
    rejected: str
    margin: float | None = None
    """By how much a judge found it better, on the scale of its verdicts (paper: pairs above 1); None: not known."""

    @property
    def texts(self) -> tuple[str, ...]:
        return *self.question.texts, self.chosen, self.rejected


@dataclass(frozen=True)
class LabeledResponse(_Prompted):
    """One response to a prompt with its label: what a point-wise reward model learns from.

    Example: ``LabeledResponse(question, response="I will not help with that.", label=1.0)``
    """

    question: Question
    """The prompt."""
    response: str
    label: float
    """1 safe, 0 unsafe; between them where those who labeled it do not agree."""

    @property
    def texts(self) -> tuple[str, ...]:
        return *self.question.texts, self.response


@dataclass(frozen=True)
class Demonstration(_Prompted):
    """A question with a response to be learned.

    Example: ``Demonstration(question, " <think> 3+4=7 </think> <answer> 7 </answer>", num_tokens=12)``
    """

    question: Question
    response: str
    """All that follows the prompt, the end token left out."""
    num_tokens: int = 0
    """Length of the response when it was sampled, end token included; 0 where nobody counted."""
    writer: str = ""
    """The artifact whose policy wrote it."""


class Finish(StrEnum):
    """Why a completion ended."""

    STOP = "stop"
    """The model wrote its end token."""
    LENGTH = "length"
    """The length limit cut it."""


@dataclass(frozen=True, eq=False)
class Completion:
    """What the model wrote: token ids are the record, text is a view.

    Example: ids [17, 4, 2], logprobs [-0.1, -1.2, -0.01], finish STOP, and 2 is the end token.
    """

    ids: Tensor
    """[L] int64, the end token included when finish is STOP."""
    logprobs: Tensor
    """[L] float32, log-probability of each id under the sampling policy at the sampling temperature,
    before top-p or top-k cut the distribution."""
    finish: Finish
    policy_version: int = 0
    """Number of optimizer steps behind the weights that sampled."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def truncated(self) -> bool:
        return self.finish is Finish.LENGTH


@dataclass(frozen=True)
class Response:
    """The parsed view of a completion: prefill + text, split into reasoning and answer.

    Example: ``<think> 3+4=7 </think> <answer> 7 </answer>`` has reasoning "3+4=7", answer "7", well_formed True.
    """

    text: str
    """Prefill and completion as one string, end token removed."""
    reasoning: str | None
    """Inside the think block; None where there is none."""
    answer: str | None
    """Inside the last answer block (or the boxed span, by the template's rule); None where there is none."""
    well_formed: bool
    """Exactly one think block, then exactly one answer block, nothing outside, nothing nested."""


class Status(StrEnum):
    """What became of a score: OK is a judgement, DISAGREED and ABSTAINED are none; all others are faults."""

    OK = "ok"
    """The completion was judged: right, wrong, or without a readable answer."""
    TIMEOUT = "timeout"
    """The verifier exceeded its deadline and was killed."""
    CRASH = "crash"
    """The verifier raised, died or ran out of memory."""
    BAD_GOLD = "bad_gold"
    """The gold answer is not readable: the question is broken, not the completion."""
    UNREADABLE = "unreadable"
    """The judge wrote no verdict of the form that it was asked for."""
    DISAGREED = "disagreed"
    """Asked twice, with positions swapped, the judge contradicts itself: it cannot tell, and nothing is broken."""
    ABSTAINED = "abstained"
    """The reward has no opinion of this completion: the other rewards make up the sum, and nothing is broken."""

    @property
    def is_fault(self) -> bool:
        """Whether the verifier or the data is broken; faults count against the fault budget."""
        return self not in (Status.OK, Status.DISAGREED, Status.ABSTAINED)


MAX_REASON = 2000
MAX_EXTRACTED = 1_000_000
"""Characters of a score's texts; the rest is cut."""


@dataclass(frozen=True)
class Score:
    """The value one reward gives to one completion, with its status; only ``Status.OK`` trains.

    Its texts are made valid UTF-8 and cut, whatever a reward, a judge or a program put into them.

    Example: ``Score(0.0, Status.TIMEOUT, "verifier exceeded 5 s", ms=5003.0)``
    """

    value: float
    status: Status = Status.OK
    reason: str = ""
    """Why, in a few words: "equal", "answer differs", "no answer block"."""
    ms: float = 0.0
    """Milliseconds the judgement took."""
    extracted: str | None = None
    """The answer that was judged, where there is one."""

    def __post_init__(self):
        object.__setattr__(self, "reason", valid(str(self.reason), MAX_REASON))
        if self.extracted is not None:
            object.__setattr__(self, "extracted", valid(str(self.extracted), MAX_EXTRACTED))

    @property
    def judged(self) -> bool:
        return self.status is Status.OK

    @property
    def abstained(self) -> bool:
        return self.status is Status.ABSTAINED


@dataclass(frozen=True, eq=False)
class Rollout:
    """A question, one completion, its parsed response, its scores and the one number that trains."""

    question: Question
    prompt_ids: Tensor
    """[L_prompt] int64, prefill included."""
    completion: Completion
    response: Response
    sample: int
    """Index in its group, 0 to G-1."""
    scores: Mapping[str, Score] = field(default_factory=dict)
    """One score per named reward."""
    reward: float | None = None
    """Weighted sum of the scores; None where one that counts was not judged, or no reward had an opinion."""

    @property
    def judged(self) -> bool:
        return self.reward is not None

    @property
    def num_tokens(self) -> int:
        return len(self.prompt_ids) + len(self.completion)


@dataclass(frozen=True, eq=False)
class Group:
    """The G rollouts of one question.

    Example: rewards (2.0, 0.0, None) have mean 1.0 over the two that were judged.
    """

    question: Question
    rollouts: tuple[Rollout, ...]
    index: int = 0
    """Place of the question in the phase, 0 to Q-1, the same on any number of ranks; a refill's is Q, 2Q, ... more."""

    @property
    def judged(self) -> tuple[Rollout, ...]:
        return tuple(r for r in self.rollouts if r.judged)

    @property
    def rewards(self) -> list[float]:
        """Rewards of the judged rollouts, in order."""
        return [r.reward for r in self.rollouts if r.reward is not None]

    @property
    def informative(self) -> bool:
        """Whether the judged rewards differ, so that advantages are not all zero."""
        return len(set(self.rewards)) > 1


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """One rollout ready to be packed: ids, where the loss counts, and what the objective needs per sequence."""

    prompt_ids: Tensor
    """[L_prompt] int64."""
    completion_ids: Tensor
    """[L_completion] int64."""
    old_logprobs: Tensor
    """[L_completion] float32, of the old policy."""
    advantage: float

    @property
    def num_tokens(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


@dataclass(frozen=True, eq=False)
class Tile:
    """S sequences of one tile, attended to side by side; the queries are the last ids of what is attended to."""

    queries: Tensor
    """[S, T_query] int64, places in the batch as one row of R * T."""
    keys: Tensor
    """[S, T_key] int64, places likewise: the shared prompt, then the completion."""
    seen: Tensor
    """[S] int64, how many of the first T_key - T_query places are the sequence's prompt."""

    @property
    def mask(self) -> Tensor | None:
        """[S, 1, T_query, T_key] bool, True = attends; None where each query sees the keys up to its own."""
        import torch

        own, shared = self.queries.shape[1], self.keys.shape[1] - self.queries.shape[1]
        if not shared:
            return None
        device = self.seen.device
        prompt = torch.arange(shared, device=device) < self.seen[:, None]
        causal = torch.ones(own, own, dtype=torch.bool, device=device).tril()
        parts = (prompt[:, None].expand(-1, own, -1), causal.expand(len(prompt), -1, -1))
        return torch.cat(parts, dim=2)[:, None]


@dataclass(frozen=True, eq=False)
class Tiles:
    """All tiles of a packed batch."""

    tiles: list[Tile]
    found: Tensor
    """[R * T] int64, where the tiles' queries, one tile after the other, have each place; 0 for padding."""


@dataclass(frozen=True, eq=False)
class PackedBatch:
    """One microbatch: several sequences in each row; sequences of one group share their prompt, computed once.

    Example, R=1, T=8: prompt ``a b`` with the completions ``c d`` and ``e``, prompt ``f`` with ``g``, one pad give
    ids        ``a  b  c  d  e  f  g  .``
    positions  ``0  1  2  3  2  0  1  0``
    branches   ``0  0  0  0  0  1  1 -1``
    segments   ``-1 -1 0  0  1  -1 2 -1``
    predictors ``0  0  1  2  1  0  5  0``
    loss_mask  ``F  F  T  T  T  F  T  F``
    """

    ids: Tensor
    """[R, T] int64."""
    positions: Tensor
    """[R, T] int64, restart at 0 in each prompt; each completion goes on where its prompt ends."""
    branches: Tensor
    """[R, T] int64, number of the prompt a token belongs to or hangs on, within the microbatch; -1 on padding."""
    segments: Tensor
    """[R, T] int64, number of the completion within the microbatch (0 to S-1); -1 on prompts and padding."""
    predictors: Tensor
    """[R, T] int64, place in the row whose hidden state predicts the id: the one before it, or the prompt's last."""
    loss_mask: Tensor
    """[R, T] bool, True = counts in the loss: the tokens of completions."""
    old_logprobs: Tensor
    """[R, T] float32, 0 where loss_mask is False; entry t belongs to ids[t]."""
    sampler_logprobs: Tensor
    """[R, T] float32, of what sampled; the old policy's are the same where they are not asked for again."""
    advantages: Tensor
    """[R, T] float32, the sequence's advantage on each of its counted tokens, 0 elsewhere."""
    num_sequences: int
    """S, completions in this microbatch."""
    num_tokens: int
    """Tokens computed, padding left out."""
    counted: Tensor
    """[M] int64, where loss_mask is True, places in the batch as one row of R * T."""
    tiles: Tiles
    """Who attends to whom; as `branches` and `segments` say."""
    ref_logprobs: Tensor | None = None
    """[R, T] float32 of the reference policy, 0 where loss_mask is False; None where KL is not used."""
    old_values: Tensor | None = None
    """[R, T] float32 of the critic when the phase began, 0 where loss_mask is False; None without a critic."""
    returns: Tensor | None = None
    """[R, T] float32, what the critic's values should have been; None without a critic."""

    def to(self, device: torch.device) -> PackedBatch:
        """The same on a device; made on a CPU, so that nothing on the device waits for its sizes."""
        return self if self.ids.device == device else moved(self, device)

    def grid(self, values: Tensor) -> Tensor:
        """Values [M] of the counted tokens at their places [R, T], 0 elsewhere."""
        return values.new_zeros(self.ids.numel()).index_put((self.counted,), values).view(self.ids.shape)


def moved(value: Any, device: torch.device) -> Any:
    """A tensor, or all tensors in a noun, on a device, copied while the host goes on: to a GPU from pinned memory."""
    if isinstance(value, list):
        return [moved(item, device) for item in value]
    if is_dataclass(value):
        return replace(value, **{field.name: moved(getattr(value, field.name), device) for field in fields(value)})
    if not hasattr(value, "pin_memory"):
        return value
    return (value.pin_memory() if device.type == "cuda" else value).to(device, non_blocking=True)
