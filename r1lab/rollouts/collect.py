"""Questions become scored groups: sample, parse, judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from r1lab.characters import valid
from r1lab.data.template import Template
from r1lab.engines.base import Engine, Request, SamplingParams
from r1lab.functional.rng import seed_of
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.scoring import Scoring
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Collector:
    """What stands between a question and its scored group; the same one samples for training and for evaluation."""

    engine: Engine
    tokenizer: PreTrainedTokenizerBase
    template: Template
    rubric: Rubric

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Ids that end a completion: the tokenizer's end token, the model's own, and what the template adds."""
        ends = (self.tokenizer.eos_token_id, *self.engine.end_ids, *self.template.stop_ids(self.tokenizer))
        return tuple(dict.fromkeys(ends))

    def __call__(
        self,
        questions: Sequence[tuple[int, Question]],
        params: SamplingParams,
        group_size: int,
        stream: tuple[int | str, ...],
        step: int,
        tell: Callable[[int], None] = lambda done: None,
    ) -> list[Group]:
        """Groups in the order of `questions`, which are (index in the phase, question).

        stream names the random streams, e.g. (run seed, "train", phase): a completion's stream is the seed of
        (stream, index, sample), so a requeued or re-sharded run draws the same numbers. `tell` hears how many
        questions have their completions.
        """
        prompts, opened = [], []
        for _, question in questions:
            prompts.append(self.template.prompt_ids(question, self.tokenizer))
            opened.append(self.template.opened(question, self.tokenizer))
        requests = [
            Request(prompt, tuple(seed_of(*stream, index, sample) for sample in range(group_size)))
            for (index, _), prompt in zip(questions, prompts)
        ]
        with Scoring(partial(self.rubric.score, step=step)) as scoring:
            for done, (place, completions) in enumerate(self.engine.generate(requests, params), start=1):
                question, prompt = questions[place][1], prompts[place]
                scoring.add(place, [
                    Rollout(question, prompt, completion, self.parsed(completion, opened[place]), sample)
                    for sample, completion in enumerate(completions)
                ])  # fmt: skip
                tell(done)
            scored = scoring.results()
        return [Group(question, scored[place], index) for place, (index, question) in enumerate(questions)]

    def parsed(self, completion: Completion, opened: str) -> Response:
        """The response that a completion is, behind a prompt that has opened so much of it."""
        return self.template.parse(self.text(completion), opened)

    def text(self, completion: Completion) -> str:
        """What the completion says, without its end token."""
        ids = completion.ids[:-1] if completion.finish is Finish.STOP else completion.ids
        return valid(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
