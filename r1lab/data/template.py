"""Question -> prompt, completion -> Response: the template owns wording, tags, prefill and the answer's form.

Three templates: R1-Zero's for base models, the chat template of a tokenizer, and plain text with or without examples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Protocol

from r1lab.data.chat import DAY, Turn, as_text, chat_text, opening, remarks, tags_of, turn_of
from r1lab.data.parsing import Parsing
from r1lab.errors import ConfigError, DataError
from r1lab.text.spans import TAGS
from r1lab.types import Question, Response

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

PLACE = "{question}"
"""Where a template's text takes the question in: replaced, never formatted, so braces in a question do no harm."""
_TAGS_AT_END = re.compile(rf"(?:{'|'.join(TAGS)})(?:\s|{'|'.join(TAGS)})*\Z")


class Template(Protocol):
    """What the rest of the house asks of a template."""

    prefill: str
    """What is put in the model's mouth: the end of the prompt."""
    stop: Sequence[str]
    """Texts that end a response: it is cut before the first of them."""

    def render(self, question: Question, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """The prompt as text, prefill included."""
        ...

    def prompt_ids(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> Tensor:
        """[L] int64, the whole prompt: never truncated."""
        ...

    def opened(self, question: Question, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """What of the prompt belongs to the response already: tags that it opens or closes, and the prefill."""
        ...

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
        """The ids that end a turn, and of those stop texts that are one token, for the engine."""
        ...

    def turn(self, tokenizer: PreTrainedTokenizerBase) -> Turn:
        """What stands around a response that is learned."""
        ...

    def remarks(self, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """What a run should say of its prompts before it starts."""
        ...

    def written(self, question: Question, response: str, tokenizer: PreTrainedTokenizerBase) -> str | None:
        """The whole conversation as the model's own template writes it; None where it has none."""
        ...

    def gold_completion(self, question: Question, opened: str | None = None) -> str:
        """What a model of full marks writes after a prompt that has `opened`; None: the prefill."""
        ...

    def completion(self, response: str, opened: str | None = None) -> str:
        """A response as it follows such a prompt, whatever prompt it followed before."""
        ...

    def parse(self, text: str, opened: str | None = None) -> Response:
        """The parsed view of a completion's text behind such a prompt."""
        ...


@dataclass(frozen=True)
class Example:
    """A solved question shown before the real one."""

    question: str
    response: str


@dataclass(frozen=True, kw_only=True)
class PlainTemplate(Parsing):
    """Plain text for base models: solved examples, then the question in the same words, then the prefill.

    Example: ``PlainTemplate(text="Question: {question}\\nAnswer:")``.
    """

    text: str
    """Holds ``{question}`` once."""
    examples: Sequence[Example] = ()
    separator: str = "\n\n"
    """Stands after each example."""

    def __post_init__(self):
        super().__post_init__()
        if self.text.count(PLACE) != 1:
            raise ConfigError(
                f"The template's text must hold {PLACE} exactly once.",
                f"{self.text.count(PLACE)} times in {self.text[:60]!r}",
                "template.text='Question: {question} Answer:'",
            )

    def render(self, question: Question, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
        """The prompt as text; control tokens of the tokenizer in a question are taken apart. Raises DataError."""
        check_turns(question)
        before, after = self.text.split(PLACE)
        shown = (f"{before}{e.question}{after} {e.response}{self.separator}" for e in self.examples)
        asked = question.text if tokenizer is None else as_text(tokenizer, question.text)
        return "".join(shown) + f"{before}{asked}{after}{self.prefill}"

    def opened(self, question: Question, tokenizer: PreTrainedTokenizerBase | None = None) -> str:
        """The tags that the text ends with, and the prefill."""
        tags = _TAGS_AT_END.search(self.text.split(PLACE)[1])
        return (tags[0] if tags else "") + self.prefill

    def completion(self, response: str, opened: str | None = None) -> str:
        """The response after a space, where the prompt does not end with one.

        Example, text "Question: {question} Answer:", no prefill: ``" 7"`` for "7".
        """
        ends_with_space = (self.text.split(PLACE)[1] + self.prefill)[-1:].isspace()
        return f"{'' if ends_with_space else ' '}{super().completion(response, opened)}"

    def prompt_ids(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> Tensor:
        """[L] int64, with the begin token where the tokenizer has one.

        Raises:
            DataError: the tokenizer closes what it encodes, so that nothing could follow the prompt.
        """
        import torch

        ids = tokenizer.encode(self.render(question, tokenizer), add_special_tokens=True)
        if ids[-1] == tokenizer.eos_token_id:
            raise DataError(
                "The tokenizer ends every prompt with its end token.",
                f"{tokenizer.convert_ids_to_tokens(ids[-3:])}",
                "Load it with add_eos_token=False.",
            )
        return torch.tensor(ids, dtype=torch.int64)


def check_turns(question: Question) -> None:
    """A plain template has a place for one question alone. Raises DataError."""
    if question.turns:
        roles = [turn["role"] for turn in question.turns]
        left_out = _without_system(question) if set(roles) == {"system"} else "leave out questions with earlier turns"
        raise DataError(
            "A plain template has no place for messages before the question.",
            f"question {question.id} has messages of {', '.join(roles)} before it",
            f"template=r1_chat; or {left_out}",
        )


def _without_system(question: Question) -> str:
    """How the system prompt of a question is left out."""
    if not question.source:  # of no mix: a demonstration
        return "take the system prompts out of the rows that have them"
    return f"leave system prompts out: ++mix.sources.{question.source}.fields.system=false"


@dataclass(frozen=True, kw_only=True)
class R1ZeroTemplate(PlainTemplate):
    """The template of DeepSeek-R1-Zero, for base models (paper v1, Table 1; v2, Methods)."""

    text: str = (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
        "The assistant first thinks about the reasoning process in the mind and then provides the user with the "
        "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. "
        "User: {question}. Assistant:"
    )


@dataclass(frozen=True, kw_only=True)
class ChatTemplate(Parsing):
    """The tokenizer's own chat template: system, solved examples as earlier turns, the question with its suffix."""

    system: str | None = None
    suffix: str = ""
    """Follows the question's text as it stands, its own space or line break included."""
    examples: Sequence[Example] = ()
    date: str = DAY.isoformat()
    """What a chat template that writes the date is told, so that prompts are the same on every day; ISO 8601."""

    def __post_init__(self):
        super().__post_init__()
        try:
            date.fromisoformat(self.date)
        except (TypeError, ValueError):
            raise ConfigError("This is no date.", f"template.date={self.date!r}", "template.date=2024-07-26") from None

    @property
    def day(self) -> date:
        """The date as one."""
        return date.fromisoformat(self.date)

    def render(self, question: Question, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """The prompt as text: it ends with the tokenizer's generation suffix, then the prefill.

        A chat template that opens the think block itself is not given the same prefill twice.

        Raises:
            DataError: the tokenizer has no chat template, or one that fails, opens no turn or drops a message.
        """
        return self._prompt(question, tokenizer)[0]

    def opened(self, question: Question, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """The tags of the generation suffix, and the prefill. Raises as `render`."""
        return self._prompt(question, tokenizer)[1]

    def turn(self, tokenizer: PreTrainedTokenizerBase) -> Turn:
        """What the chat template writes around a response. Raises DataError."""
        return turn_of(tokenizer, str(tokenizer.chat_template), self.day)

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
        """The token that the chat template ends a turn with, and the stop texts that are one token."""
        return (self.turn(tokenizer).end, *super().stop_ids(tokenizer))

    def remarks(self, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """What the tokenizer's chat template adds, and where its end token is another one."""
        return remarks(tokenizer, self.system, self.day)

    def written(self, question: Question, response: str, tokenizer: PreTrainedTokenizerBase) -> str:
        """The conversation with its response, as the chat template writes it. Raises DataError."""
        turns = [*self.messages(question, tokenizer), {"role": "assistant", "content": response}]
        return chat_text(tokenizer, turns, False, self.day)

    def messages(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, str]]:
        """What is rendered: system, examples, the question's own messages; control tokens in these are taken apart.

        A system prompt of the question takes the place of the template's.
        """
        turns = [{**turn, "content": as_text(tokenizer, turn["content"])} for turn in question.turns]
        own = [turns.pop(0)] if turns and turns[0]["role"] == "system" else []
        messages = own or ([{"role": "system", "content": self.system}] if self.system is not None else [])
        for example in self.examples:
            messages.append({"role": "user", "content": example.question + self.suffix})
            messages.append({"role": "assistant", "content": example.response})
        return [*messages, *turns, {"role": "user", "content": as_text(tokenizer, question.text) + self.suffix}]

    def prompt_ids(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> Tensor:
        """[L] int64; the chat template writes its own special tokens, so the tokenizer adds none."""
        import torch

        ids = tokenizer.encode(self.render(question, tokenizer), add_special_tokens=False)
        return torch.tensor(ids, dtype=torch.int64)

    def _prompt(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
        """The prompt, and what of it belongs to the response already."""
        messages = self.messages(question, tokenizer)
        prompt, header = opening(tokenizer, messages, self.day)
        said = [turn["content"] for turn in question.turns if turn["role"] == "assistant"]
        for message in messages:
            # templates may drop the reasoning of an earlier answer
            if message["content"].strip() not in prompt and message["content"] not in said:
                role = message["role"]
                own = any(turn["role"] == "system" for turn in question.turns)
                system = _without_system(question) if own else "template.system=null"
                remedies = {"system": system, "assistant": "template.examples=[]"}
                raise DataError(
                    f"The tokenizer's chat template does not show the {role}'s message as it is.",
                    f"question {question.id}: {message['content'][:80]!r} is not in {prompt[-200:]!r}",
                    remedies.get(role, "template=r1zero"),
                )
        opened, prefill = tags_of(header), self.prefill.strip()
        if prefill and prompt.rstrip().endswith(prefill):
            return prompt, opened or self.prefill
        return prompt + self.prefill, opened + self.prefill


def longest_prompt(template: Template, questions: Iterable[Question], tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens of the longest prompt of the questions, of which there is at least one."""
    return max(len(template.prompt_ids(question, tokenizer)) for question in questions)


def check_prompt_tokens(
    template: Template, questions: Sequence[Question], tokenizer: PreTrainedTokenizerBase, max_prompt_tokens: int
) -> int:
    """The number of tokens of the longest prompt.

    Raises:
        DataError: prompts are longer than `max_prompt_tokens`; their number and the longest are listed.
    """
    if max_prompt_tokens < 1:
        raise DataError(
            "The length limit of completions leaves no room for a prompt.",
            f"{max_prompt_tokens} of the model's positions are left",
            "Lower stage.plan.max_new_tokens and evaluation.max_new_tokens.",
        )
    lengths = {question.id: len(template.prompt_ids(question, tokenizer)) for question in questions}
    too_long = sorted(((count, name) for name, count in lengths.items() if count > max_prompt_tokens), reverse=True)
    if too_long:
        listed = ", ".join(f"{name} ({count})" for count, name in too_long[:10])
        raise DataError(
            f"{len(too_long)} of {len(lengths)} prompts are longer than {max_prompt_tokens} tokens; none is cut.",
            f"the longest: {listed}",
            f"Allow {too_long[0][0]} prompt tokens, or leave these questions out.",
        )
    return max(lengths.values(), default=0)
