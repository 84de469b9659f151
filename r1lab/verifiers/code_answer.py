"""Pure parts of judging code: which text of an answer is its code, and when two results are the same.

Everything here runs in a trusted process on what a candidate wrote, so every function is one pass over its input.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*[\w+-]*[^\n]*\n", re.MULTILINE)
_SPACES = re.compile(r"(\s+)")
_DECIMAL = re.compile(r"[+-]?\d{1,300}\.\d{1,300}(?:[eE][+-]?\d{1,3})?")


def extract_code(answer: str, entry_point: str = "") -> str:
    r"""The code of an answer: its last fenced block, or all of it where nothing is fenced.

    Where a function is asked for, blocks that do not define it - examples of its use - do not count, unless none does.

    >>> extract_code("So:\n```python\ndef f(x): return x\n```\nFor example\n```\nf(1)\n```", "f")
    'def f(x): return x\n'
    """
    blocks = fenced_blocks(answer)
    if not blocks:
        return answer
    return next((block for block in reversed(blocks) if defines(block, entry_point)), blocks[-1])


def fenced_blocks(text: str) -> list[str]:
    """What stands between fences, in order; a fence that is never closed reaches to the end."""
    blocks, start, fence = [], None, ""
    for match in _FENCE.finditer(text + "\n"):
        if start is None:
            start, fence = match.end(), match[1]
        elif match[0].strip() == fence:
            blocks.append(text[start : match.start()])
            start = None
    return blocks if start is None else [*blocks, text[start:]]


def defines(code: str, entry_point: str) -> bool:
    """Whether the code has a definition or an assignment of the name, at its top level.

    >>> defines("def add(a, b): ...", "add"), defines("class Solution: ...", "Solution.add"), defines("f(1)", "f")
    (True, True, False)
    """
    name = re.escape(entry_point.partition(".")[0])
    return bool(
        re.search(rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*(?::[^=\n]*)?=", code, re.MULTILINE)
    )


def completed(code: str, prompt: str, entry_point: str) -> str:
    """A whole program from an answer to "complete this function": what the prompt has before it stands before it.

    An answer that does not define the function is its body, to the first line that is not indented.

    >>> completed("return a + b\\nprint(1)", "import math\\n\\ndef add(a, b):", "add")
    'import math\\n\\ndef add(a, b):\\n    return a + b'
    """
    if defines(code, entry_point):
        head = re.split(rf"^(?:def|class)[ \t]+{re.escape(entry_point)}\b", prompt, maxsplit=1, flags=re.MULTILINE)[0]
        return head + code
    first, *others = code.strip().split("\n")
    body = itertools.takewhile(lambda line: not line.strip() or line[0].isspace(), others)
    return "\n".join([prompt.rstrip(), f"    {first}", *body])


def same_value(found: Any, expected: Any, tolerance: float) -> bool:
    """Whether two values of built-in types are equal: lists and tuples alike, True not 1, floats within tolerance.

    >>> same_value([(1, 2.0000000001)], [[1, 2]], 1e-6), same_value(True, 1, 1e-6), same_value({True}, {1}, 1e-6)
    (True, False, False)
    """
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, (list, tuple)) and isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(same_value(f, e, tolerance) for f, e in zip(found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        found, expected = ({_typed(key): value for key, value in side.items()} for side in (found, expected))
        return found.keys() == expected.keys() and all(same_value(found[k], expected[k], tolerance) for k in expected)
    if isinstance(found, (set, frozenset)) and type(found) is type(expected):
        return _typed(found) == _typed(expected)
    if isinstance(found, (int, float)) and isinstance(expected, (int, float)):
        if isinstance(found, int) and isinstance(expected, int):
            return found == expected
        try:
            close = math.isclose(found, expected, rel_tol=tolerance, abs_tol=tolerance)
        except OverflowError:  # an integer too large for a float
            return False
        return close or (math.isnan(found) and math.isnan(expected))
    return type(found) is type(expected) and found == expected


def _typed(key: Any) -> Any:
    """A key or member that Python does not take for another one: True is 1 to a set."""
    if isinstance(key, bool):
        return bool, key
    if isinstance(key, tuple):
        return tuple(map(_typed, key))
    return frozenset(map(_typed, key)) if isinstance(key, (set, frozenset)) else key


def same_text(found: str, expected: str, tolerance: float) -> bool:
    r"""Whether a program printed what it should: spaces at line ends and empty last lines aside, decimals rounded.

    >>> same_text("1 2 \n0.3333334\n\n", "1 2\n0.3333333", 1e-6)
    True
    """
    lines, wanted = ([line.rstrip() for line in text.rstrip().split("\n")] for text in (found, expected))
    if lines == wanted:
        return True
    if len(lines) != len(wanted):
        return False
    return all(
        _same_line(_SPACES.split(line), _SPACES.split(want), tolerance)
        for line, want in zip(lines, wanted)
        if line != want
    )


def _same_line(words: Sequence[str], wanted: Sequence[str], tolerance: float) -> bool:
    return len(words) == len(wanted) and all(
        word == want
        or (_DECIMAL.fullmatch(want) and _DECIMAL.fullmatch(word) and same_value(float(word), float(want), tolerance))
        for word, want in zip(words, wanted)
    )
