"""Answers that say who is or has what: "Tom is a knight and Ann is a knave", "Tom: red, cat; Ann: blue, dog".

An answer is read piece by piece, a piece ending at a full stop, a semicolon, a line or "while". In a piece either names
come before what is said of them ("Tom and Ann are knights", "Tom: red, cat") or what is said comes, with "are" or a
colon, before the names ("Knights: Tom, Ann"). A piece that fits neither, and a text with a word that hedges, denies or
quotes ("or", "not", "if", "says", "或", "不"), is not read: whoever wants the reward says plainly who is what.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache

Assignment = Mapping[str, frozenset[str]]
"""Everything that is said of each name."""

ROLES = {
    "knight": "knight", "knights": "knight", "truth-teller": "knight", "truth-tellers": "knight", "骑士": "knight",
    "knave": "knave", "knaves": "knave", "liar": "knave", "liars": "knave", "无赖": "knave", "骗子": "knave",
}  # fmt: skip
"""The words for the two roles of the island."""
MAX_CHARS = 1000

UNPLAIN = re.compile(
    r"\b(?:x?or|either|neither|nor|not|cannot|never|if|unless|maybe|perhaps|possibly|probably|could|might|can|may"
    r"|no|non|none|nobody|anti|hardly|barely|isnt|arent|far|opposite|reversed?|suppose|supposed|assume|assuming"
    r"|except|instead|than|unknown|false|untrue|wrong|incorrect|says?|said|claims?|claimed)\b|n't\b"
    r"|或|不|非|如果|可能|也许|除了|错|假|说|[/?]",
    re.IGNORECASE,
)
"""Words that hedge, deny or quote: a text with one of them does not say plainly what it means."""
_IS = r"\b(?i:is|are|was|were|has|have|owns?)\b|=>|->|→|[=:是为有]"
_END = r"[.;\n]|\b(?i:while|whereas|but)\b|而"
_PIECE = re.compile(r"(?:n+i?v+)+|(?:v+in*)+")
_SAID = re.compile(r"(?P<names>n+)i?(?P<values>v+)|(?P<first_values>v+)i(?P<last_names>n*)")
_ROLE = re.compile(
    r"([^\W\d_]+)\s*(?:is an? |是|:\s*)(" + "|".join(sorted(ROLES, key=len, reverse=True)) + r")(?![a-z])"
)


def read_assignment(text: str, names: Iterable[str], values: Mapping[str, str]) -> Assignment | None:
    """What a text says of each of the names; None where it cannot be read. Values maps words to what they stand for.

    >>> read_assignment("Knights: Tom. Ann is a knave.", ["Tom", "Ann"], ROLES) == {
    ...     "Tom": frozenset({"knight"}), "Ann": frozenset({"knave"})}
    True
    """
    text = _plain(text)
    scanner, spelled = _scanner(tuple(names), tuple(values))
    # people may be called May or Will
    if len(text) > MAX_CHARS or UNPLAIN.search(scanner.sub(" ", text)):
        return None
    said: dict[str, set[str]] = {}
    for piece in _pieces(text, scanner, spelled):
        kinds = "".join(kind for kind, _ in piece)
        if not _PIECE.fullmatch(kinds):
            return None
        for match in _SAID.finditer(kinds):
            words = [word for _, word in piece]
            names_at = match.span("names") if match["names"] else match.span("last_names")
            values_at = match.span("values") if match["values"] else match.span("first_values")
            for name in words[slice(*names_at)]:
                said.setdefault(name, set()).update(values[word] for word in words[slice(*values_at)])
    return {name: frozenset(these) for name, these in said.items()}


@lru_cache(maxsize=1024)  # the rollouts of a group share their gold answer
def gold_roles(text: str) -> Assignment:
    """The assignment of a gold answer such as "Tom is a knight, and Ann is a knave."; empty where it is none."""
    said = [(match[1], ROLES[match[2]]) for match in _ROLE.finditer(_plain(text))]
    names = {name for name, _ in said}
    return {name: frozenset({role}) for name, role in said} if len(names) == len(said) else {}


@lru_cache(maxsize=1024)
def gold_table(text: str) -> Assignment:
    """The assignment of a gold answer such as "Tom: red, cat; Ann: blue, dog"; empty where it is none.

    >>> sorted(gold_table("Tom: red, cat; Ann: blue, dog")["Ann"])
    ['blue', 'dog']
    """
    rows = [row.partition(":") for row in _plain(text).rstrip(".;").split(";")]
    table = {name.strip(): frozenset(v.strip() for v in values.split(",")) for name, _, values in rows}
    whole = all(name and "" not in values for name, values in table.items()) and len(table) == len(rows)
    return table if whole else {}


def _pieces(text: str, scanner: re.Pattern[str], spelled: Mapping[str, tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The words that count, n for a name, v for a value, i for "is", piece by piece."""
    pieces: list[list[tuple[str, str]]] = [[]]
    for match in scanner.finditer(text):
        if match["end"]:
            pieces.append([])
        else:
            pieces[-1].append(("i", "") if match["is"] else spelled[_fold(match["word"])])
    return [piece for piece in pieces if any(kind != "i" for kind, _ in piece)]


@lru_cache(maxsize=256)
def _scanner(names: tuple[str, ...], values: tuple[str, ...]) -> tuple[re.Pattern[str], Mapping[str, tuple[str, str]]]:
    """What finds the words that count, and what each of them is."""
    words = "|".join(_word(word) for word in sorted({*names, *values}, key=len, reverse=True))
    spelled = {_fold(name): ("n", name) for name in names} | {_fold(value): ("v", value) for value in values}
    return re.compile(rf"(?P<word>{words})|(?P<is>{_IS})|(?P<end>{_END})"), spelled


def _word(word: str) -> str:
    """A pattern for the whole word in any case; a single letter is taken as it is, because "a" is an article."""
    exact = re.escape(word) if len(word) == 1 else f"(?i:{re.escape(word)})"
    return rf"(?<![A-Za-z0-9]){exact}(?![A-Za-z0-9])" if word.isascii() else exact


def _fold(word: str) -> str:
    return word if len(word) == 1 else word.casefold()


def _plain(text: str) -> str:
    """Full-width signs as ASCII, markdown, quotes and numbering off; lines stay."""
    text = unicodedata.normalize("NFKC", text).replace("。", ".")
    text = re.sub(r"\\text\{([^{}]*)\}|[*_`\"“”{}$\\]", lambda match: match[1] or " ", text)
    return re.sub(r"\(\d+\)|^[^\S\n]*\d+[.)]", " ", text, flags=re.MULTILINE)
