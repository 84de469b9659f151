"""Completion text -> ``Response``: where the reasoning ends and which span is the answer.

Every function is one pass over the text, so a megabyte of hostile tags costs milliseconds.
"""

from __future__ import annotations

import re

from r1lab.types import Response

THINK, THINK_END = "<think>", "</think>"
ANSWER, ANSWER_END = "<answer>", "</answer>"
TAGS = [THINK, THINK_END, ANSWER, ANSWER_END]
_TAG = re.compile("|".join(TAGS))
_BETWEEN_BOXES = re.compile(r"[\s$]*(?:[,;、和或与]|,? ?(?:and|or)\b|\\text ?\{ ?(?:and|or) ?\})[\s$]*")
"""What stands between boxes that are one answer: 2 and 9. Without it the last box is the answer."""
MAX_BETWEEN_BOXES = 30
_BRACE = re.compile(r"\\boxed\s{0,8}\{|\\.|[{}]", re.DOTALL)


def parse_response(text: str, prefill: str = "") -> Response:
    r"""Parse ``prefill + text``, end token already removed.

    Reasoning: inside the first think block; a block that is never closed reaches to the end.

    Answer, the one rule for all verifiers: look only behind the last ``</think>`` and before any ``<think>`` that
    follows it (in the whole text where there is no think tag; nowhere where a block is opened and never closed).
    There the last complete answer block counts; where no answer tag stands there, the last ``\boxed{...}`` with
    balanced braces, or the list of the last ones where "and", "or" or a comma joins them. An empty answer is None.
    Tags are lower case and exact: ``<ANSWER>`` is text.

    >>> parse_response("3+4=7</think> <answer>7</answer>", prefill="<think>").answer
    '7'
    """
    text = prefill + text
    return Response(text, _reasoning(text), _answer(text), well_formed=not format_fault(text))


def summary(text: str) -> str | None:
    """What a response says to its reader: all that follows the reasoning, or the last answer block where there is one.

    None where nothing follows, where reasoning is never closed, or where answer tags make no block. Source: paper,
    Methods: the helpful reward model sees the final summary alone.

    >>> summary("<think> Hm. </think> Boil it for five minutes.")
    'Boil it for five minutes.'
    """
    region = behind_reasoning(text)
    return _answer_block(region) if _has_answer_tag(region) else region.strip() or None


def format_fault(text: str) -> str:
    """What keeps ``text`` from being one think block, then one answer block, and nothing else; "" if nothing does.

    The reasoning may be empty, the answer may not. Source: the template of the paper, v1 Table 1.

    >>> format_fault("<think>a</think><answer>7</answer> bye")
    'text after </answer>'
    """
    tags = list(_TAG.finditer(text))
    names = [tag.group() for tag in tags]
    if names != TAGS:
        return _tag_fault(names)
    think, think_end, answer, answer_end = tags
    if text[: think.start()].strip():
        return "text before <think>"
    if text[think_end.end() : answer.start()].strip():
        return "text between the blocks"
    if text[answer_end.end() :].strip():
        return "text after </answer>"
    if not text[answer.end() : answer_end.start()].strip():
        return "empty answer"
    return ""


def last_boxed(text: str) -> str | None:
    r"""Content of the ``\boxed{...}`` that closes last, braces balanced; None where there is none.

    >>> last_boxed(r"\boxed{1}, so \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    """
    boxes = _boxes(text)
    return text[slice(*boxes[-1][1])].strip() if boxes else None


def last_boxes(text: str) -> str | None:
    r"""Like ``last_boxed``; boxes before it joined to it by a comma or "and" are one list with it.

    >>> last_boxes(r"So \boxed{2} and \boxed{9}.")
    '2, 9'
    """
    boxes = _boxes(text)
    if not boxes:
        return None
    first = len(boxes) - 1
    while first:
        start, end = boxes[first - 1][0][1], boxes[first][0][0]
        if end - start > MAX_BETWEEN_BOXES or not _BETWEEN_BOXES.fullmatch(text, start, end):
            break
        first -= 1
    return ", ".join(text[slice(*content)].strip() for _, content in boxes[first:])


def _boxes(text: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Start and end of each box and of its content, as they close."""
    found: list[tuple[tuple[int, int], tuple[int, int]]] = []
    open_braces: list[tuple[int, int, bool]] = []
    for token in _BRACE.finditer(text):
        brace = token.group()
        if brace == "{" or brace.startswith("\\boxed"):
            open_braces.append((token.start(), token.end(), brace != "{"))
        elif brace == "}" and open_braces:
            start, inside, boxed = open_braces.pop()
            if boxed:
                found.append(((start, token.end()), (inside, token.start())))
    return found


def _reasoning(text: str) -> str | None:
    start = text.find(THINK)
    if start < 0:
        return None
    end = text.find(THINK_END, start)
    return text[start + len(THINK) : end if end >= 0 else len(text)].strip()


def _answer(text: str) -> str | None:
    region = behind_reasoning(text)
    return _answer_block(region) if _has_answer_tag(region) else last_boxes(region) or None


def behind_reasoning(text: str) -> str:
    """What stands behind the last ``</think>`` and before any ``<think>``: all without tags, "" where one is open."""
    closed = text.rfind(THINK_END)
    region = text[closed + len(THINK_END) :] if closed >= 0 else text
    reopened = region.find(THINK)
    if reopened >= 0:
        region = region[:reopened] if closed >= 0 else ""
    return region


def _has_answer_tag(region: str) -> bool:
    return ANSWER in region or ANSWER_END in region


def _answer_block(region: str) -> str | None:
    """The content of the last complete answer block."""
    start = region.rfind(ANSWER, 0, max(region.rfind(ANSWER_END), 0))
    if start < 0:
        return None
    start += len(ANSWER)
    return region[start : region.find(ANSWER_END, start)].strip() or None


def _tag_fault(names: list[str]) -> str:
    """The first thing wrong with a sequence of tags that is not the right one."""
    for tag, word in ((THINK, "think"), (ANSWER, "answer")):
        num_open, num_closed = names.count(tag), names.count(tag.replace("<", "</"))
        if not num_open and not num_closed:
            return f"no {word} block"
        if not num_open:
            return f"{tag} is missing"
        if not num_closed:
            return f"{tag} is never closed"
        if num_open > 1 or num_closed > 1:
            return f"more than one {word} block"
    return "blocks nested or out of order"
