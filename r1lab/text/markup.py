r"""Which parts of a text are not prose: formulas, code, links, tags, names that only programs use.

Formulas stand in ``$...$``, ``$$...$$``, ``\(...\)``, ``\[...\]`` or an environment, code in backticks; an opener
without its closer in the same paragraph is a plain character, so a price in dollars opens nothing. A code fence that
is never closed reaches to the end. One pass over the text, whatever is in it.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

_DELIMITER = re.compile(
    r"""(?=[`\\$\n])(?:
      (?P<fence>```+)
    | (?P<tick>`+)
    | (?P<escaped>\\[\\$`])
    | (?P<begin>\\begin\{) | (?P<end>\\end\{[^{}\n]{0,40}\}?)
    | (?P<round>\\\() | (?P<round_end>\\\))
    | (?P<square>\\\[) | (?P<square_end>\\\])
    | (?P<double>\$\$) | (?P<dollar>\$)
    | (?P<paragraph>\n[ \t]*\n))
    """,
    re.VERBOSE,
)
_CLOSER = {"begin": "end", "round": "round_end", "square": "square_end", "double": "double", "dollar": "dollar"}
_LONG = ("fence", "end", "square_end", "double")
"""What goes on over a new paragraph; inline code and formulas end there."""
_TOKEN = re.compile(
    r"""
      (?:https?://|www\.)[!-~]++                                    # a link
    | <[/!]?[A-Za-z][^<>\n]{0,200}>                                 # a tag
    | \\[A-Za-z]++                                                  # a LaTeX command
    | (?<![A-Za-z0-9_])[A-Za-z0-9]++(?:_[A-Za-z0-9]++)+             # an identifier
    | (?<![A-Za-z])[A-Za-z]++(?=\()                                 # a function that is called
    """,
    re.VERBOSE,
)


def markup_spans(text: str) -> list[Span]:
    r"""Start and end of each part that is not prose, sorted by start; they may overlap.

    >>> markup_spans(r"so $x+1$ is \(2\), and it costs $5 or $6")
    [(3, 8), (12, 17)]
    """
    return sorted(_delimited(text) + [match.span() for match in _TOKEN.finditer(text)])


def _delimited(text: str) -> list[Span]:
    tokens = list(_DELIMITER.finditer(text))
    partners = _partners(text, tokens)
    spans, place = [], 0
    while place < len(tokens):
        partner = partners[place]
        if partner is not None:
            end = tokens[partner].end() if partner < len(tokens) else len(text)
            spans.append((tokens[place].start(), end))
            place = partner
        place += 1
    return spans


def _partners(text: str, tokens: list[re.Match[str]]) -> list[int | None]:
    """For each delimiter the index of the one that would close it, None where there is none.

    Walks backwards with the nearest closer of each kind in hand: hostile openers are not searched for one by one.
    """
    partners: list[int | None] = [None] * len(tokens)
    nearest: dict[str, int] = {}
    for place in range(len(tokens) - 1, -1, -1):
        token = tokens[place]
        kind = token.lastgroup
        if kind == "paragraph":
            nearest = {key: nearest[key] for key in _LONG if key in nearest}
        elif kind == "fence":
            partners[place] = nearest.get(kind, len(tokens))
            nearest[kind] = place
        elif kind == "tick":
            key = f"tick{len(token[0])}"
            partners[place] = nearest.get(key)
            nearest[key] = place
        else:
            if kind in _CLOSER and not (kind == "dollar" and text[token.end() : token.end() + 1].isspace()):
                partners[place] = nearest.get(_CLOSER[kind])
            if kind != "dollar" or _closes(text, token):
                nearest[kind] = place
    return partners


def _closes(text: str, dollar: re.Match[str]) -> bool:
    """Whether a dollar sign can end a formula: text directly before it, no digit directly behind it."""
    before, behind = text[dollar.start() - 1 : dollar.start()], text[dollar.end() : dollar.end() + 1]
    return bool(before) and not before.isspace() and not behind.isdecimal()
