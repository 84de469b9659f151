"""Question -> prompt, completion -> Response: the template owns wording, tags, prefill and the answer's form.

Three templates: R1-Zero's for base models, the chat template of a tokenizer, and plain text with or without examples.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from r1lab.errors import ConfigError, DataError
from r1lab.text.spans import behind_reasoning, parse_response
from r1lab.types import Question, Response
from r1lab.verifiers.code_answer import fenced_blocks

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

PLACE = "{question}"
"""Where a template's text takes the question in: replaced, never formatted, so braces in a question do no harm."""
NUMBER = re.compile(r"(?:(?<![0-9A-Za-z)])-)?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:/[0-9]+)?")
"""A number as it stands in running text: -3, 1,080, 0.5, 5/2; the 3 of "7-3" is 3."""


class Template(Protocol):
    """What the rest of the house asks of a template."""

    prefill: str
    """What is put in the model's mouth: the end of the prompt, the beginning of the parsed text."""
    stop: Sequence[str]
    """Texts that end a response: it is cut before the first of them."""

    def render(self, question: Question, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """The prompt as text, prefill included."""
        ...

    def prompt_ids(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> Tensor:
        """[L] int64, the whole prompt: never truncated."""
        ...

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
        """The ids of those stop texts that are one token, for the engine."""
        ...

    def gold_completion(self, question: Question) -> str:
        """What a model of full marks writes after the prompt."""
        ...

    def completion(self, response: str) -> str:
        """A response as it follows this template's prompt, whatever prompt it followed before."""
        ...

    def parse(self, text: str) -> Response:
        """The parsed view of a completion's text."""
        ...


@dataclass(frozen=True)
class Example:
    """A solved question shown before the real one."""

    question: str
    response: str


@dataclass(frozen=True, kw_only=True)
class _Parsing:
    """What all templates share: prefill, stop texts and the rule by which the answer is read and written.

    The rules: ``tags`` and ``boxed`` read the answer block, and the last ``\\boxed{}`` where there is none; they differ
    in what a gold completion writes. ``code`` does as ``boxed``, and where there is neither block nor box, fenced code
    behind the reasoning is the answer: for mixes with code questions. ``last_number`` reads the last number,
    ``marker:The answer is`` what follows the marker's last occurrence, to the end of the sentence, ``whole`` takes all
    that was written before a stop text. Tags are the paper's; the others suit models that were trained before they came
    here.
    """

    prefill: str = ""
    stop: Sequence[str] = ()
    answer_rule: str = "tags"

    def __post_init__(self):
        rule, _, marker = self.answer_rule.partition(":")
        if self.answer_rule not in ("tags", "boxed", "code", "last_number", "whole") and not (
            rule == "marker" and marker.strip()
        ):
            raise ConfigError(
                "The template's answer rule is unknown.",
                f"answer_rule={self.answer_rule!r}",
                "Choose tags, boxed, code, last_number, whole or marker:WORDS.",
            )

    def stop_ids(self, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
        """The ids of those stop texts that are one token; the others only cut the parsed text."""
        encoded = (tokenizer.encode(text, add_special_tokens=False) for text in self.stop)
        return tuple(ids[0] for ids in encoded if len(ids) == 1)

    def gold_completion(self, question: Question) -> str:
        """What a model of full marks writes after the prompt.

        Example, rule tags, prefill "<think>": `` 3+4=7 </think> <answer> 7 </answer>``.
        """
        reasoning, answer = question.solution or "The answer follows.", question.answer
        if self.answer_rule == "tags":
            gold = f"<think> {reasoning} </think> <answer> {answer} </answer>"
            return gold.removeprefix(self.prefill.strip())
        if self.answer_rule == "whole":
            return f" {answer}"
        if self.answer_rule == "code" and question.domain == "code":
            return f"{reasoning}\n```python\n{answer}\n```"
        box = f"The answer is \\boxed{{{answer}}}."
        words = {"boxed": box, "code": box, "last_number": f"The answer is {answer}."}
        return f"{reasoning}\n{words.get(self.answer_rule) or f'{_marker(self.answer_rule)} {answer}.'}"

    def completion(self, response: str) -> str:
        """The response without the space around it, and without what the prefill says already."""
        return response.strip().removeprefix(self.prefill.strip()).lstrip()

    def parse(self, text: str) -> Response:
        """The parsed view of prefill + text, cut before the first stop text; the answer read by the rule.

        `well_formed` always speaks of the tags, whatever the rule.
        """
        for stop in self.stop:
            text = text.partition(stop)[0]
        response = parse_response(text, self.prefill)
        if self.answer_rule in ("tags", "boxed") or (self.answer_rule == "code" and response.answer):
            return response
        return replace(response, answer=read_answer(response.text, self.answer_rule))


@dataclass(frozen=True, kw_only=True)
class PlainTemplate(_Parsing):
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
        """The prompt as text; the tokenizer is not asked."""
        before, after = self.text.split(PLACE)
        shown = (f"{before}{e.question}{after} {e.response}{self.separator}" for e in self.examples)
        return "".join(shown) + f"{before}{question.text}{after}{self.prefill}"

    def completion(self, response: str) -> str:
        """The response after a space, where the prompt does not end with one.

        Example, text "Question: {question} Answer:", no prefill: ``" 7"`` for "7".
        """
        ends_with_space = (self.text.split(PLACE)[1] + self.prefill)[-1:].isspace()
        return f"{'' if ends_with_space else ' '}{super().completion(response)}"

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
class ChatTemplate(_Parsing):
    """The tokenizer's own chat template: system, solved examples as earlier turns, the question with its suffix."""

    system: str | None = None
    suffix: str = ""
    """Follows the question's text as it stands, its own space or line break included."""
    examples: Sequence[Example] = ()

    def render(self, question: Question, tokenizer: PreTrainedTokenizerBase | None) -> str:
        """The prompt as text: it ends with the tokenizer's generation suffix, then the prefill.

        A chat template that opens the think block itself is not given the same prefill twice.

        Raises:
            DataError: the tokenizer has no chat template, or one without a generation suffix.
        """
        if not getattr(tokenizer, "chat_template", None):
            raise DataError("The tokenizer has no chat template.", f"{type(tokenizer).__name__}", "template=r1zero")
        messages = [{"role": "system", "content": self.system}] if self.system is not None else []
        for example in self.examples:
            messages.append({"role": "user", "content": example.question + self.suffix})
            messages.append({"role": "assistant", "content": example.response})
        messages.append({"role": "user", "content": question.text + self.suffix})
        asked = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        if not prompt.startswith(asked) or len(prompt) == len(asked):
            raise DataError(
                "The tokenizer's chat template does not open the assistant's turn.",
                f"with add_generation_prompt it ends in {prompt[-40:]!r}",
                "Use a tokenizer whose chat template honors add_generation_prompt, or template=r1zero.",
            )
        opened = bool(self.prefill.strip()) and prompt.rstrip().endswith(self.prefill.strip())
        return prompt if opened else prompt + self.prefill

    def prompt_ids(self, question: Question, tokenizer: PreTrainedTokenizerBase) -> Tensor:
        """[L] int64; the chat template writes its own special tokens, so the tokenizer adds none."""
        import torch

        ids = tokenizer.encode(self.render(question, tokenizer), add_special_tokens=False)
        return torch.tensor(ids, dtype=torch.int64)


def read_answer(text: str, rule: str) -> str | None:
    """The answer in running text by the rule code, last_number, whole or marker; None where there is none.

    Examples: ``read_answer("9 - 4 = 5 apples", "last_number")`` is ``5``;
    ``read_answer("The answer is 3.5. Good.", "marker:The answer is")`` is ``3.5``.
    """
    if rule == "whole":
        return text.strip() or None
    if rule == "code":
        region = behind_reasoning(text)
        return region.strip() if any(block.strip() for block in fenced_blocks(region)) else None
    if rule == "last_number":
        numbers = NUMBER.findall(text)
        return numbers[-1] if numbers else None
    # possessive: spaces that nothing follows are passed once, not once for each of them
    after = rf"{re.escape(_marker(rule))}[ \t]*+(?::[ \t]*+)?(\S.*?)(?=\.(?:\s|$)|\n|$)"
    found = re.findall(after, text, flags=re.IGNORECASE)
    return found[-1].strip() if found else None


def _marker(rule: str) -> str:
    """The words of ``marker:WORDS``."""
    return rule.partition(":")[2].strip()


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
