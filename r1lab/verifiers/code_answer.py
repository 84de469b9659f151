"""Pure parts of judging code: which text of an answer is its code, and when two results are the same.

Everything here runs in a trusted process on what a candidate wrote, so every function is one pass over its input.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import math
import re
import textwrap
from collections import deque
from collections.abc import KeysView, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

# a fence may stand behind the marker of a list item; what follows it is the language
_FENCE = re.compile(
    r"^([ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?)(?:(`{3,})([^\n`]*)|(~{3,})([^\n]*))\n",
    re.MULTILINE,
)
_LANGUAGE = re.compile(r"[\s{.]*([\w+#-]*)")
_PYTHON = re.compile(r"py(?:thon)?[\d.]*", re.IGNORECASE)
# languages and labels of blocks that are no program in Python
_OTHER_NAMES = """
bash sh shell zsh console terminal powershell cmd bat text txt plaintext plain output input stdin stdout sample json
yaml toml xml html css csv sql c cpp c++ java javascript js typescript ts go rust ruby php kotlin swift scala haskell
diff markdown md latex tex mermaid pycon pytb traceback none
"""
_OTHERS = frozenset(_OTHER_NAMES.split())
# lines that samples of input and output do not have; all of these are linear in the line
_STATEMENT = re.compile(
    r"^[ \t]*(?:(?:import|from|def|class|async|return|raise|global|lambda)[ \t]"
    r"|(?:for|while|if|with)[ \t(][^\n]*:[ \t]*(?:#[^\n]*)?$|(?:try|else)[ \t]*:"
    r"|[A-Za-z_][\w.\[\], \t]*(?:[-+*/%|&^]|//|\*\*|<<|>>)?=(?!=)|[A-Za-z_][\w.]*\([^\n]*)",
    re.MULTILINE,
)
_WRITES = re.compile(r"\bprint\b|\bstdout\b|\bwrite\b|\bwritelines\b")
_CLOSED_BEHIND_CODE = re.compile(r"^([^`\n]*[^`\s][ \t]*)`{3,}[ \t]*$", re.MULTILINE)
_MARKDOWN = ("", "markdown", "md")
PARSED_CHARS = 20_000
"""Longer programs are not looked into."""
_SPACES = re.compile(r"(\s+)")
# decimals with or without an exponent, and 2e-05 as Python prints small and large floats
_DECIMAL = re.compile(r"[+-]?(?:\d{1,300}\.\d{1,300}(?:[eE][+-]?\d{1,3})?|[1-9]e[+-]\d{2,3})")


class Block(NamedTuple):
    """A fenced block: what stands in it, and its language in small letters."""

    text: str
    language: str


def extract_code(answer: str, entry_point: str = "") -> str:
    r"""The code of an answer: one of its fenced blocks, or all of it where nothing is fenced.

    Where a function is asked for, it is the last block that defines it. Else it is the last block of Python - by its
    language or, without one, by its statements - that prints and stands on its own; where none does, the last that
    prints behind the blocks that define what it uses. Failing that the last one of Python, or the last one of all:
    samples of input and output and shell commands behind a program are not the program.

    >>> extract_code("So:\n```python\ndef f(x): return x\n```\nFor example\n```\nf(1)\n```", "f")
    'def f(x): return x\n'
    >>> extract_code("```python\nprint(9)\n```\nInput:\n```\n4 5\n```\nOutput:\n```\n9\n```")
    'print(9)\n'
    """
    blocks = [block._replace(text=_outdented(block.text, entry_point)) for block in language_blocks(answer)]
    if not blocks:
        return answer
    if defining := [block for block in blocks if entry_point and defines(block.text, entry_point)]:
        return defining[-1].text
    programs = [block.text for block in blocks if _is_python(block)]
    printing = [] if entry_point else [place for place, text in enumerate(programs) if _WRITES.search(text)]
    if printing:
        alone = [place for place in printing if not _missing_names(programs[place])]
        return programs[alone[-1]] if alone else _with_definitions(programs, printing[-1])
    return programs[-1] if programs else blocks[-1].text


def _missing_names(code: str) -> set[str]:
    """The names that a program uses and nowhere binds; none where it is too long to be looked at, or no Python."""
    try:
        nodes = list(ast.walk(ast.parse(code))) if len(code) <= PARSED_CHARS else []
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    used = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return used - _bound_names(nodes) - set(dir(builtins))


def _bound_names(nodes: Sequence[ast.AST]) -> set[str]:
    """The names that are given a meaning anywhere in a program; all that are used where it imports `*`."""
    bound: set[str] = {"__name__", "__file__"}
    for node in nodes:
        if isinstance(node, ast.Name):
            bound |= set() if isinstance(node.ctx, ast.Load) else {node.id}
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            bound |= {node.name} if node.name else set()
    if "*" in bound:
        bound |= {node.id for node in nodes if isinstance(node, ast.Name)}
    return bound


def _with_definitions(programs: Sequence[str], place: int) -> str:
    """A program behind the earlier ones that bind a name that it, or one of these, uses and does not bind."""
    needed, code = _missing_names(programs[place]), [programs[place]]
    for earlier in reversed(programs[:place]):
        try:
            bound = _bound_names(list(ast.walk(ast.parse(earlier)))) if len(earlier) <= PARSED_CHARS else set()
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        if needed & bound:
            needed = (needed - bound) | _missing_names(earlier)
            code.insert(0, earlier if earlier.endswith("\n") else f"{earlier}\n")
    return "".join(code)


def fenced_blocks(text: str) -> list[str]:
    """What stands between fences, in order; a fence that is never closed reaches to the end."""
    return [block.text for block in language_blocks(text)]


def language_blocks(text: str) -> list[Block]:
    """The fenced blocks of a text, without the indent of their fence; those within a block of Markdown in its place,
    where one of them is Python.

    A fence may be closed at the end of the last line of code.
    """
    return [inner for block in _outer_blocks(text) for inner in _within(block)]


def _within(block: Block) -> list[Block]:
    blocks = _outer_blocks(block.text) if block.language in _MARKDOWN else []
    return blocks if any(map(_is_python, blocks)) else [block]


def _outer_blocks(text: str) -> list[Block]:
    blocks, start, looked, opened = [], 0, 0, None
    for match in [*_FENCE.finditer(text + "\n"), None]:
        if opened is not None and opened.fence[0] == "`":
            end = len(text) if match is None else match.start()
            if closed := _CLOSED_BEHIND_CODE.search(text, looked, end):
                blocks.append(opened.block(text[start : closed.end(1)] + "\n"))
                opened = None
            looked = end
        if match is None:
            break
        indent, fence, info = match[1], match[2] or match[4], match[3] or match[5] or ""
        if opened is None:
            start = looked = match.end()
            opened = _Opened(indent, fence, _LANGUAGE.match(info)[1].lower())
        elif not (indent.strip() or info.strip()) and fence[0] == opened.fence[0] and len(fence) >= len(opened.fence):
            blocks.append(opened.block(text[start : match.start()]))
            opened = None
    return blocks if opened is None else [*blocks, opened.block(text[start:])]


class _Opened(NamedTuple):
    """An opening fence."""

    indent: str
    fence: str
    language: str

    def block(self, text: str) -> Block:
        return Block(_unindented(text, len(self.indent)), self.language)


def _unindented(text: str, width: int) -> str:
    """The lines without the indent that they share, at most that of their fence."""
    indents = [len(line) - len(line.lstrip(" \t")) for line in text.split("\n") if line.strip()]
    shared = min([width, *indents])
    return re.sub(rf"^[ \t]{{1,{shared}}}", "", text, flags=re.MULTILINE) if shared else text


def _outdented(text: str, entry_point: str) -> str:
    """Code that is indented as a whole, without that; the bare body of a function stays as it is."""
    if not text.lstrip("\n")[:1].isspace():
        return text
    code = textwrap.dedent(text)
    return code if not entry_point or defines(code, entry_point) else text


def _is_python(block: Block) -> bool:
    if _PYTHON.fullmatch(block.language):
        return not block.text.lstrip().startswith(">>>")
    return block.language not in _OTHERS and _STATEMENT.search(block.text) is not None


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
    """Whether a value is the expected one: sequences are lists, True is not 1, floats within tolerance.

    >>> same_value([(1, 2.0000000001)], [[1, 2]], 1e-6), same_value(True, 1, 1e-6), same_value({True}, {1}, 1e-6)
    (True, False, False)
    """
    if isinstance(found, (deque, KeysView)):
        found = list(found)
    if isinstance(found, bool) or isinstance(expected, bool):
        return found is expected
    if isinstance(found, (list, tuple, range)) and isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(same_value(f, e, tolerance) for f, e in zip(found, expected))
    if isinstance(found, dict) and isinstance(expected, dict):
        found, expected = ({_typed(key): value for key, value in side.items()} for side in (found, expected))
        return found.keys() == expected.keys() and all(same_value(found[k], expected[k], tolerance) for k in expected)
    if isinstance(found, (set, frozenset)) and type(found) is type(expected):
        return _typed(found) == _typed(expected)
    if isinstance(found, (int, float, Fraction, Decimal)) and isinstance(expected, (int, float)):
        if isinstance(found, (int, Fraction)) and isinstance(expected, int):
            return found == expected
        try:
            close = math.isclose(float(found), float(expected), rel_tol=tolerance, abs_tol=tolerance)
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
