"""Completion -> Response: how a template reads the answer, and what a response looks like behind its prompt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from r1lab.data.chat import Turn
from r1lab.errors import ConfigError, DataError
from r1lab.text.spans import TAGS, THINK, THINK_END, behind_reasoning, parse_response
from r1lab.types import Question, Response
from r1lab.verifiers.code_answer import fenced_blocks

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

NUMBER = re.compile(r"(?:(?<![0-9A-Za-z)])-)?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?:/[0-9]+)?")
"""A number as it stands in running text: -3, 1,080, 0.5, 5/2; the 3 of "7-3" is 3."""


@dataclass(frozen=True, kw_only=True)
class Parsing:
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

    def turn(self, tokenizer: PreTrainedTokenizerBase) -> Turn:
        """The end token follows the response."""
        return Turn("", "", tokenizer.eos_token_id)

    def remarks(self, tokenizer: PreTrainedTokenizerBase) -> list[str]:
        """None: the prompt is the configuration's own text."""
        return []

    def written(self, question: Question, response: str, tokenizer: PreTrainedTokenizerBase) -> str | None:
        """None: the model has no template of its own here."""
        return None

    def gold_completion(self, question: Question, opened: str | None = None) -> str:
        """What a model of full marks writes after a prompt that has `opened`; None: the prefill.

        Example, rule tags, opened "<think>": `` 3+4=7 </think> <answer> 7 </answer>``.
        """
        opened = self.prefill if opened is None else opened
        reasoning, answer = question.solution or "The answer follows.", question.answer
        if self.answer_rule == "tags":
            return _behind(f"<think> {reasoning} </think> <answer> {answer} </answer>", opened)
        if self.answer_rule == "whole":
            return f"{reasoning} {THINK_END} {answer}" if _thinks(opened) else f" {answer}"
        box = f"The answer is \\boxed{{{answer}}}."
        words = {"boxed": box, "code": box, "last_number": f"The answer is {answer}."}
        said = words.get(self.answer_rule) or f"{_marker(self.answer_rule)} {answer}."
        if self.answer_rule == "code" and question.domain == "code":
            said = f"```python\n{answer}\n```"
        return f"{reasoning}\n{THINK_END}\n{said}" if _thinks(opened) else f"{reasoning}\n{said}"

    def completion(self, response: str, opened: str | None = None) -> str:
        """The response without the space around it, and without what the prompt says already.

        Raises:
            DataError: it does not follow such a prompt: reasoning that the prompt has closed, or opened in vain.
        """
        opened = self.prefill if opened is None else opened
        text = response.strip().removeprefix(opened.strip()).lstrip()
        if tags := _tags(opened):
            text = text.removeprefix(tags[-1]).lstrip()
            if (THINK_END in tags and text.startswith(THINK)) or (tags[-1] == THINK and THINK_END not in text):
                raise DataError(
                    "A response does not follow the prompt: it would be learned with the wrong tags.",
                    f"the prompt ends in {opened!r}, the response begins {response.strip()[:40]!r}",
                    "Take demonstrations of that form, a template without these tags, or a tokenizer of such a model.",
                )
        return text

    def parse(self, text: str, opened: str | None = None) -> Response:
        """The parsed view of opened + text, cut before the first stop text; the answer read by the rule.

        `well_formed` always speaks of the tags, whatever the rule.
        """
        for stop in self.stop:
            text = text.partition(stop)[0]
        opened = self.prefill if opened is None else opened
        response = parse_response(text, opened)
        if self.answer_rule in ("tags", "boxed") or (self.answer_rule == "code" and response.answer):
            return response
        read = response.text
        if self.answer_rule == "whole" and _tags(opened):
            read = behind_reasoning(read)
        return replace(response, answer=read_answer(read, self.answer_rule))


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


def _tags(opened: str) -> list[str]:
    """The tags in what a prompt has opened."""
    return re.findall("|".join(TAGS), opened)


def _thinks(opened: str) -> bool:
    """Whether a prompt leaves the think block open."""
    return opened.rfind(THINK) > opened.rfind(THINK_END)


def _behind(gold: str, opened: str) -> str:
    """What is left of a tagged response where the prompt has opened so much of it.

    >>> _behind("<think> 3+4 </think> <answer> 7 </answer>", "<think></think>")
    ' <answer> 7 </answer>'
    """
    tags = _tags(opened)
    return gold.partition(tags[-1])[2] if tags else gold.removeprefix(opened.strip())


def _marker(rule: str) -> str:
    """The words of ``marker:WORDS``."""
    return rule.partition(":")[2].strip()
