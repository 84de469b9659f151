"""Messages as data files hold them: a role and a text each, an assistant's thought, and what stands beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from r1lab.data.cells import RowFault, described, head, is_empty, parsed, text_of
from r1lab.text.spans import TAGS, THINK, THINK_END

ROLES = ("system", "user", "assistant")
RENAMED = {"human": "user", "gpt": "assistant"}
"""Roles as ShareGPT names them."""
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
"""Where a message, or a row, keeps the thought apart from the answer."""
MARKS = ("on", "off", "true", "false", "yes", "no", "none", "low", "medium", "high", "auto")
"""What such a key says where it only marks that there is a thought, or how long it is."""
CALLS = ("tool_calls", "function_call", "tool_call_id")
BESIDE = ("images", "image", "videos", "video", "audios", "audio", "tools", "functions")
"""Columns that change what a row means and that r1lab cannot use."""
SYSTEM, HISTORY = "system", "history"

Message = dict[str, str]
"""``{"role": "user", "content": "What is 3+4?"}``."""
_BEGUN = re.compile(r"""\s*(?:array\(\s*)?([\[{])\s*\{?\s*['"]\w+['"]\s*:""")
_ROLE = re.compile(r"""['"](?:role|from)['"]\s*:\s*['"](?:system|user|assistant|human|gpt|tool|developer)['"]""")
"""What a text of messages begins with, and what it holds."""


def messages_of(value: Any, path: str) -> list[Message]:
    """The messages of a cell, in order, each with its role and its text.

    ``role`` and ``content``, or ShareGPT's ``from`` and ``value``; a content may be a list of text parts. A thought
    that stands apart comes before the content, in <think> tags.

    Raises:
        RowFault: an unknown role, a content without text, a picture, a call of a tool, a system prompt behind others.
    """
    messages = [_message(item, f"{path}[{place}]") for place, item in enumerate(value)]
    for place, message in enumerate(messages):
        if message["role"] == "system" and place:
            raise RowFault(f"{path}[{place}] is a system prompt behind other messages")
    return messages


def is_messages(value: Any) -> bool:
    """Whether a cell holds messages: a list of objects that have a role each."""
    return isinstance(value, (list, tuple)) and any(isinstance(m, Mapping) and {"role", "from"} & set(m) for m in value)


def listed(value: Any, path: str) -> Any:
    """A cell whose text is messages, as JSON or as Python prints them, as those messages; any other as it is.

    Raises:
        RowFault: the text is made of messages and is no such list: cut, too long, one message alone, or NumPy's.
    """
    if not isinstance(value, str) or not (begun := _BEGUN.match(value)):
        return value
    found = parsed(value)
    if is_messages(found):
        return found
    if not _ROLE.search(value) or (begun[1] == "{" and found is None):
        return value
    what = "one object" if isinstance(found, dict) else "no list"
    raise RowFault(f"{path} is a text of messages that is {what} in JSON or Python: {head(value)}")


def before_of(row: Mapping[str, Any], named: Sequence[str]) -> list[Message]:
    """The messages that a row keeps in columns of their own, `system` and `history`; columns in `named` are not read.

    A history is a list of pairs, of what was asked and answered, or of messages.

    Raises:
        RowFault: pictures, tools and the like stand beside, or a history that is neither.
    """
    for name in BESIDE:
        if name not in named and not is_empty(row.get(name)):
            raise RowFault(f"the column {name} holds {described(row[name])}; only text can be used. Leave the row out")
    system = text_of(row.get(SYSTEM), SYSTEM) if SYSTEM not in named else ""
    history = row.get(HISTORY) if HISTORY not in named else None
    turns = [] if is_empty(history) else _history(history)
    if system and turns and turns[0]["role"] == "system":
        raise RowFault(f"the system prompt stands in the column {SYSTEM} and in {HISTORY}")
    return [*([{"role": "system", "content": system}] if system else []), *turns]


def joined(before: Sequence[Message], turns: Sequence[Message], path: str) -> list[Message]:
    """Messages behind those of columns of their own. Raises RowFault: there are two system prompts."""
    if before and turns and turns[0]["role"] == "system":
        if before[0]["role"] == "system" and before[0] != turns[0]:
            raise RowFault(f"there are two system prompts, in the column {SYSTEM} and in {path}")
        rest = before[1:] if before[0]["role"] == "system" else before
        return [turns[0], *rest, *turns[1:]]
    return [*before, *turns]


def with_thought(content: str, holder: Mapping[str, Any], path: str) -> str:
    """The content behind the thought that stands beside it; `MARKS` are none.

    Raises:
        RowFault: the content has another thought already, there are two, or one holds tags.
    """
    given = {name: holder[name] for name in THOUGHTS if not is_empty(holder.get(name))}
    thoughts = {name: text_of(value, f"{path}.{name}") for name, value in given.items() if value is not True}
    thoughts = {name: thought for name, thought in thoughts.items() if thought.lower() not in MARKS}
    if not thoughts:
        return content
    if len(set(thoughts.values())) > 1:
        raise RowFault(f"{path} has two thoughts: {' and '.join(thoughts)}")
    name, thought = next(iter(thoughts.items()))
    if tag := next((tag for tag in TAGS if tag in thought), ""):
        raise RowFault(f"{path}.{name} holds the tag {tag}; a thought is text without tags")
    opening = f"{THINK}\n{thought}\n{THINK_END}\n\n"
    if content.startswith(opening):
        return content
    if THINK in content or THINK_END in content:
        raise RowFault(f"{path} has a thought in {name} and another in its content")
    return opening + content


def _message(item: Any, path: str) -> Message:
    if not isinstance(item, Mapping):
        raise RowFault(f"{path} is {described(item)}, no message")
    role = item.get("role", item.get("from"))
    role = RENAMED.get(role, role) if isinstance(role, str) else role
    if not isinstance(role, str) or role not in ROLES:
        raise RowFault(f"{path} has the role {role!r}; it can be {', '.join(ROLES)}")
    if any(item.get(name) for name in CALLS):
        raise RowFault(f"{path} calls a tool; tools are not supported")
    if extra := next((name for name in BESIDE if not is_empty(item.get(name))), None):
        raise RowFault(f"{path} has {extra} beside its text; only text can be used. Leave the row out")
    content = item.get("content", item.get("value"))
    if isinstance(content, (list, tuple)):
        content = "".join(_part(part, path) for part in content)
    if not isinstance(content, str) or not content.strip():
        raise RowFault(f"{path} has no text: its content is {described(content)}")
    content = content.strip()
    return {"role": role, "content": with_thought(content, item, path) if role == "assistant" else content}


def _history(value: Any) -> list[Message]:
    value = parsed(value) or value if isinstance(value, str) else value
    if is_messages(value):
        return messages_of(value, HISTORY)
    can = "it can be messages, or pairs of a prompt and a reply"
    if not isinstance(value, (list, tuple)):
        raise RowFault(f"{HISTORY} is {described(value)}; {can}")
    turns = []
    for place, pair in enumerate(value):
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise RowFault(f"{HISTORY}[{place}] is {described(pair)}; {can}")
        texts = [text_of(text, f"{HISTORY}[{place}]") for text in pair]
        if not all(texts):
            raise RowFault(f"{HISTORY}[{place}] has an empty text")
        turns += [{"role": role, "content": text} for role, text in zip(ROLES[1:], texts, strict=True)]
    return turns


def _part(part: Any, path: str) -> str:
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        return part["text"]
    kind = part.get("type") if isinstance(part, Mapping) else described(part)
    raise RowFault(f"{path} has a part that is no text: {kind}")
