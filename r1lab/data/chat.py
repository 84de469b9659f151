"""A tokenizer's chat template is a program of somebody else: run with a deadline, and its errors become sentences."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from r1lab.errors import DataError
from r1lab.text.spans import TAGS
from r1lab.text.verdicts import defused

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = Sequence[Mapping[str, str]]

DAY = date(2024, 7, 26)
"""What a chat template that writes the date is told; Llama 3.1's writes it where it finds no clock."""
DEADLINE = 10.0
"""Seconds that a chat template may take for its first conversation; the published ones take milliseconds."""
MEMORY_BYTES = 2 << 30
"""Memory that it may take for it."""
ASKED: Messages = ({"role": "user", "content": "Hi"},)
"""The shortest conversation."""
PROBE = "probe-of-a-turn"
"""A message that no template contains."""
_TAG = re.compile("|".join(TAGS))


@dataclass(frozen=True)
class Turn:
    """What stands around a response in the assistant's turn.

    Example: ``Turn(lead="", tail="", end=2)``, where 2 is <|im_end|>
    """

    lead: str
    """White space between the prompt and the response."""
    tail: str
    """White space between the response and the end token."""
    end: int
    """The id of the token that closes the turn; the tokenizer's end token where the template writes none."""


def chat_text(tokenizer: PreTrainedTokenizerBase, messages: Messages, opens: bool, day: date) -> str:
    """The conversation as the chat template writes it, on that day; `opens`: up to the assistant's next words.

    Raises:
        DataError: there is no template, or it fails, refuses these messages or does not end.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise DataError("The tokenizer has no chat template.", f"{type(tokenizer).__name__}", "template=r1zero")
    _require_end(tokenizer, str(tokenizer.chat_template))
    try:
        return _rendered(tokenizer, messages, opens, day)
    except Exception as error:  # whatever a template raises
        raise DataError(
            f"The tokenizer's chat template {_fault(error)}.",
            f"{type(error).__name__}: {str(error)[:300]}; the roles are {', '.join(m['role'] for m in messages)}",
            _remedy(error, messages),
        ) from error


def opening(tokenizer: PreTrainedTokenizerBase, messages: Messages, day: date) -> tuple[str, str]:
    """The prompt up to the assistant's first word, and that part of it which begins the assistant's turn.

    Raises DataError: the template opens no turn.
    """
    said = tuple((message["role"], message["content"]) for message in messages)
    return _opening(tokenizer, str(getattr(tokenizer, "chat_template", None)), said, day)


@lru_cache(maxsize=8)  # the ids and the tags of a prompt are asked for one after the other
def _opening(
    tokenizer: PreTrainedTokenizerBase, chat_template: str, said: tuple[tuple[str, str], ...], day: date
) -> tuple[str, str]:
    messages = [{"role": role, "content": content} for role, content in said]
    asked, prompt = (chat_text(tokenizer, messages, opens, day) for opens in (False, True))
    # they part where the template ends a conversation that does not go on
    header = prompt[sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(asked, prompt))) :]
    if header or _follows(tokenizer, day):
        return prompt, header
    raise DataError(
        "The tokenizer's chat template does not open the assistant's turn.",
        f"with add_generation_prompt it ends in {prompt[-40:]!r}",
        "Use a tokenizer whose chat template honors add_generation_prompt, or template=r1zero.",
    )


@lru_cache(maxsize=32)
def turn_of(tokenizer: PreTrainedTokenizerBase, chat_template: str, day: date) -> Turn:
    """What the tokenizer's chat template, of that text, writes around a response. Raises DataError."""
    prompt, _ = opening(tokenizer, ASKED, day)
    whole = chat_text(tokenizer, [*ASKED, {"role": "assistant", "content": PROBE}], False, day)
    before, _, after = whole.rpartition(PROBE)
    lead = before[len(prompt) :] if before.startswith(prompt) else ""
    rest = after.lstrip()
    known = sorted(tokenizer.get_added_vocab().items(), key=lambda item: len(item[0]), reverse=True)
    end = next((number for token, number in known if token.strip() and rest.startswith(token)), None)
    tail = "" if end is None else after[: len(after) - len(rest)]
    return Turn(lead if lead.isspace() else "", tail, tokenizer.eos_token_id if end is None else end)


def tags_of(text: str) -> str:
    r"""The part of a text from its first tag on, "" without one.

    >>> tags_of("<|im_start|>assistant\n<think>\n")
    '<think>\n'
    """
    tag = _TAG.search(text)
    return text[tag.start() :] if tag else ""


def as_text(tokenizer: PreTrainedTokenizerBase, text: str) -> str:
    """The text of a data file, the tokens in it by which it could speak as somebody else taken apart: "< |im_end|>"."""
    return defused(text, _control_tokens(tokenizer, str(getattr(tokenizer, "chat_template", None))))


def remarks(tokenizer: PreTrainedTokenizerBase, system: str | None, day: date) -> list[str]:
    """What a chat template does that its user may not expect, in sentences."""
    found, template = [], str(tokenizer.chat_template)
    if system is None and (own := _own_system(tokenizer, day)):
        found.append(f"The chat template adds a system message of its own: {own[:80]!r} (template.system replaces it)")
    if "strftime_now" in template or "date_string" in template:
        found.append(f"The chat template writes the date: {day} in every prompt (template.date)")
    end = turn_of(tokenizer, template, day).end
    if end != tokenizer.eos_token_id:
        closes, other = tokenizer.convert_ids_to_tokens([end, tokenizer.eos_token_id])
        found.append(f"The chat template ends a turn with {closes}, not with the end token {other}: either ends one")
    return found


def _own_system(tokenizer: PreTrainedTokenizerBase, day: date) -> str:
    """The system message that the template adds where none is given; "" where it adds none, or takes none."""
    try:
        given = chat_text(tokenizer, [{"role": "system", "content": PROBE}, *ASKED], True, day)
    except DataError:
        return ""
    before, _, after = given.partition(PROBE)
    plain = chat_text(tokenizer, ASKED, True, day)
    within = plain.startswith(before) and plain.endswith(after) and len(plain) > len(before) + len(after)
    return plain[len(before) : len(plain) - len(after)].strip() if within else ""


def _rendered(tokenizer: PreTrainedTokenizerBase, messages: Messages, opens: bool, day: date) -> str:
    options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": opens}
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        options["chat_template"] = _clock(day) + template
    if "date_string" in template:
        options["date_string"] = day.strftime("%d %b %Y")
    return tokenizer.apply_chat_template(list(messages), **options)


def _clock(day: date) -> str:
    """A macro in the place of the template's clock: prompts are the same on every day."""
    codes = [*(f"%{letter}" for letter in "dbBYmyaAjHMSIp"), "%-d", "%-m"]
    replaced = "".join(f"|replace({code!r}, {day.strftime(code)!r})" for code in codes)
    return f"{{% macro strftime_now(format) %}}{{{{ format{replaced} }}}}{{% endmacro %}}"


def _follows(tokenizer: PreTrainedTokenizerBase, day: date) -> bool:
    """Whether the assistant's words follow the user's turn directly, as behind [/INST]."""
    asked = chat_text(tokenizer, ASKED, False, day)
    whole = chat_text(tokenizer, [*ASKED, {"role": "assistant", "content": PROBE}], False, day)
    return whole.startswith(asked) and whole[len(asked) :].lstrip().startswith(PROBE)


@lru_cache(maxsize=32)
def _control_tokens(tokenizer: PreTrainedTokenizerBase, chat_template: str) -> tuple[str, ...]:
    """Special tokens, and those of the chat template; tags are none."""
    known = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return tuple(
        token.content
        for token in known
        if (token.special or token.content in chat_template) and token.content.strip() not in TAGS
    )


@lru_cache(maxsize=32)
def _require_end(tokenizer: PreTrainedTokenizerBase, chat_template: str) -> None:
    """Runs the chat template once in a process that can be killed. Raises DataError: it does not end in time."""
    from multiprocessing import get_context

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child runs no thread of its own
        child = get_context("fork").Process(target=_run_once, args=(tokenizer,), daemon=True)
        child.start()
    child.join(DEADLINE)
    ended = child.exitcode
    if ended is None:
        child.kill()
        child.join()
    if ended != 0:
        found = f"it took more than {DEADLINE:g} s" if ended is None else f"it took more than {MEMORY_BYTES >> 30} GiB"
        raise DataError(
            "The tokenizer's chat template does not end.",
            f"{found} for one short message: {chat_template[:80]!r}",
            "Mend chat_template in the model's folder, or template=r1zero.",
        )


def _run_once(tokenizer: PreTrainedTokenizerBase) -> None:
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for opens in (False, True):
        try:
            _rendered(tokenizer, ASKED, opens, DAY)
        except MemoryError:
            os._exit(3)
        except Exception:  # the parent meets it, too, and says it
            return


def _fault(error: Exception) -> str:
    """What is wrong with a template that has raised this."""
    from jinja2 import TemplateSyntaxError, UndefinedError

    if isinstance(error, TemplateSyntaxError):
        return f"is no Jinja template: line {error.lineno}"
    if isinstance(error, UndefinedError):
        return "uses a name that is not defined"
    return "refuses these messages" if type(error).__name__ == "TemplateError" else "fails"


def _remedy(error: Exception, messages: Messages) -> str:
    if type(error).__name__ == "TemplateError" and any(message["role"] == "system" for message in messages):
        return "template.system=null, and what it said in template.suffix or in the question; or template=r1zero"
    return "Mend chat_template in the model's folder, or template=r1zero."
