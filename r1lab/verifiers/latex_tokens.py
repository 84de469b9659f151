r"""LaTeX text -> tokens: numbers, letters, commands, words in ``\text``; fonts and spellings of one sign are one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from r1lab.verifiers.errors import Unreadable
from r1lab.verifiers.words import looks_like_product

_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc sinh cosh tanh coth arsinh arcosh artanh "
    "arcsinh arccosh arctanh ln lg log exp max min gcd lcm det arg sgn sign deg dim ker rank tr trace Re Im floor "
    "ceil Pr Var Cov cis"
)
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
"""Names that stand before an argument, with or without a backslash."""
_PLAIN_FUNCTIONS = frozenset(f"{_FUNCTION_NAMES.partition(' det ')[0]} sqrt pi infty".split())
"""Those of them that are read without a backslash; tr and Im are products."""
_SYMBOL_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho "
    "sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega "
    "ell hbar nabla partial odot oplus star dagger bullet aleph wp bot top"
)
SYMBOLS = frozenset(_SYMBOL_NAMES.split())
_IGNORED_NAMES = "limits nolimits displaystyle textstyle scriptstyle left right middle quad qquad nonumber hfill"
_FONT_NAMES = "boldsymbol bm mathit mathsf mathtt mathnormal operatorname textsf fbox boxed mathop hbox"
_DROPPED = frozenset(f"{_IGNORED_NAMES} {_FONT_NAMES}".split())

OPENERS = frozenset(("(", "[", r"\{", "{", r"\lfloor", r"\lceil", r"\langle"))
CLOSERS = frozenset((")", "]", r"\}", "}", r"\rfloor", r"\rceil", r"\rangle"))

_SPELLINGS = {
    "vert": "|", "lvert": "|", "rvert": "|", "mid": "|", "lbrace": r"\{", "rbrace": r"\}", "lbrack": "[", "rbrack": "]",
    "lparen": "(", "rparen": ")", "land": r"\wedge", "lor": r"\vee", "div": "/", "colon": ":", "ast": "*", "times": "*",
    "cdot": "*", "prime": "'", "dprime": "''", "lt": "<", "gt": ">", "leqq": r"\leq", "geqq": r"\geq",
    "simeq": r"\approx", "tbinom": r"\binom", "dbinom": r"\binom", "Vert": r"\|", "lVert": r"\|", "rVert": r"\|",
    "bigcup": r"\cup", "bigcap": r"\cap", "smallsetminus": r"\setminus", "backslash": r"\setminus",
    "dots": "...", "ldots": "...", "cdots": "...",
    "equal": "=", "imath": "i", "jmath": "j", "degree": r"\circ",
}  # fmt: skip
_GREEK_LETTERS = (
    "αalpha βbeta γgamma δdelta εvarepsilon ζzeta ηeta θtheta κkappa λlambda μmu µmu νnu ξxi ρrho σsigma τtau φvarphi "
    "ϕphi χchi ψpsi ωomega ΓGamma ΔDelta ΘTheta ΛLambda ΣSigma ΦPhi ΨPsi ΩOmega ħhbar ∂partial"
)
_LETTERS = {pair[0]: pair[1:] for pair in _GREEK_LETTERS.split()}
_SIGNS = {
    "√": r"\sqrt", "±": r"\pm", "∓": r"\mp", "≤": r"\leq", "≥": r"\geq", "≠": r"\neq", "≈": r"\approx", "∈": r"\in",
    "∪": r"\cup", "∩": r"\cap", "′": "'", "″": "''", "’": "'", "∞": r"\infty", "∠": r"\angle", "△": r"\triangle",
    "⌊": r"\lfloor", "⌋": r"\rfloor", "⌈": r"\lceil", "⌉": r"\rceil", "∣": "|", "⟨": r"\langle", "⟩": r"\rangle",
    "ℝ": "R", "∫": r"\int", "∑": r"\sum", "⋅": "*", "∧": r"\wedge", "∨": r"\vee",
}  # fmt: skip
_TOKEN = re.compile(
    r"\\(?:text|operatorname\*?) ?\{(?P<text>[^{}]*)\}|\\(?:begin|end) ?\{(?P<environment>[A-Za-z]+\*?)\}"
    r"|\\mathbb ?\{?(?P<blackboard>[A-Z])\}?|\\(?P<command>[A-Za-z]+)|(?P<escaped>\\.)"
    r"|(?P<number>\d+(?:\.(?!\.)\d*)?|\.\d+)|(?P<letters>[A-Za-z]+)|(?P<primes>'+)|(?P<power>\*\*)|(?P<dots>\.\.\.+)"
    r"|(?P<space>\s+)|(?P<sign>.)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    kind: str
    """number, letter, word (of several letters in ``\\text``), command, begin, end, sign."""
    text: str
    start: int
    end: int
    spaced: bool
    """Whether a space stands before it."""

    def is_sign(self, *signs: str) -> bool:
        return self.kind == "sign" and self.text in signs


def tokens(text: str) -> list[Token]:
    """The tokens of ``clean`` text; raises ``Unreadable`` at a sign that is no mathematics."""
    found: list[Token] = []
    spaced = False
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "space":
            spaced = True
            continue
        made = _token(kind, match)
        found += [Token(k, t, match.start(), match.end(), spaced and not i) for i, (k, t) in enumerate(made)]
        spaced = False
    return found


def _token(kind: str | None, match: re.Match[str]) -> list[tuple[str, str]]:
    text = match[kind] if kind else match[0]
    if match[0].startswith((r"\begin", r"\end")):
        return [("begin" if match[0].startswith(r"\b") else "end", text)]
    if kind == "text" or match["text"] is not None:
        return _upright(match["text"])
    if kind == "blackboard":
        return [("command", f"\\mathbb{text}")]
    if kind == "command":
        return _command(text)
    if kind == "escaped":
        return [] if text in (r"\!", r"\,", r"\;", r"\:", r"\ ", r"\>") else [("sign", text)]
    if kind == "letters":
        return _run(text)
    if kind == "primes":
        return [("sign", "'" * len(text))]
    if kind == "sign":
        return _sign(text)
    return [(kind if kind == "number" else "sign", text)]


def _sign(text: str) -> list[tuple[str, str]]:
    if text in _LETTERS:
        return [("letter", f"\\{_LETTERS[text]}")]
    text = _SIGNS.get(text, text)
    if text[0] == "\\":
        return [("command" if text[1:].isalpha() else "sign", text)]
    if text.isalpha() and text != "R":
        raise Unreadable(f"the letter {text!r}")
    return [("command", r"\mathbbR")] if text == "R" else [("sign", text)]


def _command(name: str) -> list[tuple[str, str]]:
    if name in _DROPPED:
        return []
    spelled = _SPELLINGS.get(name, f"\\{name}")
    if spelled[0] != "\\" or not spelled[1:].isalpha():
        return [("letter" if spelled.isalpha() else "sign", spelled)]
    return [("letter" if spelled[1:] in SYMBOLS else "command", spelled)]


def _upright(text: str) -> list[tuple[str, str]]:
    r"""``\mathrm{i}`` is the letter; ``\text{ cm}`` a word, which the reader takes for a unit or a name."""
    word = text.strip(" ~")
    if len(word) == 1 and word.isalpha() and word.isascii():
        return [("upright", word)]
    if word in FUNCTIONS:
        return [("command", f"\\{word}")]
    if re.fullmatch(r"d[A-Za-z]", word):
        return [("letter", "d"), ("letter", word[1])]
    return [("number", word)] if re.fullmatch(r"\d+(?:\.\d+)?", word) else [("word", word)] if word else []


def _run(letters: str) -> list[tuple[str, str]]:
    """Letters in a row: the name of a function, a product, or a word, which is no mathematics."""
    if letters in _PLAIN_FUNCTIONS:
        return _command(letters)
    if letters in ("or", "and"):
        return [("word", letters)]
    if len(letters) > 4 and not looks_like_product(letters):
        return [("word", letters)]
    return [("letter", letter) for letter in letters]


def bracket_depth(parts: Sequence[Token]) -> int:
    deepest = depth = 0
    for part in parts:
        depth += (part.text in OPENERS) - (part.text in CLOSERS)
        deepest = max(deepest, depth)
    return deepest


def closing(parts: Sequence[Token], start: int) -> int:
    """The index of the token that closes the bracket at ``start``, of whatever kind: (1,2] is an interval."""
    depth = 0
    for i in range(start, len(parts)):
        if parts[i].text in OPENERS and parts[i].kind in ("sign", "command"):
            depth += 1
        elif parts[i].text in CLOSERS and parts[i].kind in ("sign", "command"):
            depth -= 1
            if depth == 0:
                return i
    raise Unreadable("a bracket is not closed")


def split(parts: Sequence[Token], *separators: str) -> list[Sequence[Token]]:
    """``parts`` between separators that stand in no bracket."""
    pieces, start, depth = [], 0, 0
    for i, part in enumerate(parts):
        if part.kind in ("sign", "command", "begin", "end"):
            depth += (part.text in OPENERS or part.kind == "begin") - (part.text in CLOSERS or part.kind == "end")
        if depth == 0 and part.text in separators and part.kind in ("sign", "command", "word"):
            pieces.append(parts[start:i])
            start = i + 1
    return [*pieces, parts[start:]]
