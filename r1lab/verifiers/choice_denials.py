r"""The letters that an answer denies ("not A or B", "C不对", "B ist falsch") or ranks below another ("B over C").

A denial and its letters become one mark, so that a reader of the rest sees neither.
"""

from __future__ import annotations

import re

MARK = "\0"
"""Stands where a denial stood."""

_FOLLOWERS = (
    "or|and|nor|is|are|was|were|but|because|since|as|so|to|for|can|could|cannot|would|do|does|isn|aren|ist|est|es"
)
# "A cat" and "I think" hold no letters of options
_L = (
    rf"[(\[]?(?<![A-Za-z0-9_'’^])(?:[AI](?!\s+(?!(?:{_FOLLOWERS}|no|n)\b)[a-z])|[B-HJ-Z])"
    r"(?![A-Za-z0-9_'’^+#])[)\]]?"
)
_AND = r"(?:and|or|nor|und|oder|noch|et|ou|ni|y|o|和|与|及|或|、|/)"
_LIST = rf"{_L}(?:\s*(?:,\s*{_AND}|,|{_AND})\s*(?:[Oo]ption\s+)?{_L})*"
_GROUP = rf"(?:{_L}(?:\s*[,、]\s*{_L})*\s*,?\s*{_AND}\s*)?{_L}"
"""One letter or several that "and" joins: in "B, A is wrong" only A is denied."""

_FILLERS = (
    r"(?:\s+(?:think|believe|say|pick|choose|select|take|go|with|that|it|is|it['’]s|be|the|correct|right|best|true"
    r"|answer|option|choice|would))*"
)
_BEFORE = (
    r"\b(?:can\s?)?not\b" + _FILLERS, r"n['’]t\b" + _FILLERS, r"\b(?:never|neither|doubt)\b" + _FILLERS,
    r"\b(?:rather than|instead of|in place of|as opposed to|other than|unlike|over|beats|except)(?:\s+option)?",
    r"(?:\b(?:is|are|seems|looks)\s+)?(?:\ba\s+)?\b(?:(?:much|far|clearly)\s+)?"
    r"(?:better|more likely|likelier)(?:\s+\w+)?\s+than",
    r"(?:\b(?:is|seems)\s+)?\bpreferable to", r"\b(?:eliminate|exclude|reject|rul(?:e|ing) out)(?:\s+option)?",
    r"(?:绝|并|而|也)*(?:不|非|不可能|不会|不能|不应|不该|不应该|不要)(?:是|选择?|为)(?:选项)?|[并绝]?非|排除(?:选项)?",
    r"\b(?:nicht|weder|keinesfalls|niemals)(?:\s+(?:die|Antwort|Option))*",
    r"(?:\b(?:ce\s+)?n['’]est\s+)?\b(?:pas|jamais|ni)(?:\s+(?:être|la|réponse|l['’]option|option))*",
    r"\b(?:no|nunca)(?:\s+(?:es|puede ser|la|respuesta|opción))*",
)  # fmt: skip
_WRONG = r"(?:wrong|incorrect|false|impossible|untrue|eliminated|excluded|rejected|ruled\s+out|too\s+\w+)\b"
_BEHIND = (
    rf"\s*(?:\b(?:is|are|was|were|be|seems?|looks?|(?:would|must|can|could|has|have)\s+(?:be|been))\s+)"
    rf"(?:(?:all|both|also|clearly|obviously|certainly)\s+)*{_WRONG}",
    r"\s*\b(?:cannot|can not|(?:is|are|was|were|do|does|could|would|should|must)\s+not"
    r"|(?:ca|is|are|was|were|do|does|could|would|should)n['’]t)\b(?:\s+(?!but\b)[a-z]{2,}){0,4}",
    r"\s*\?+\s*(?:no|nope|wrong)\b",
    r"\s*(?:选?项)?(?:都|均|也|就|显然|肯定|是|可以|并)*"
    r"(?:不对|错误?的?|不正确|不可能|不行|不成立|不符合?|被?排除|不选|不是(?:正确)?答案|非答案)",
    r"\s*(?:では|じゃ)(?:ない|なく|ありません)(?:て|です)?"
    r"|\s*[はが](?:間違い|間違って|違[うい]|誤り|不正解|正しくない|正しくありません)",
    r"\s+(?:ist|sind)\s+(?:\w+\s+)?(?:falsch|nicht)\b|\s+kann\s+(?:es\s+)?nicht\b",
    r"\s+(?:est|sont)\s+(?:fau(?:x|sses?)|incorrecte?s?)\b|\s+n['’]est\s+pas\b",
    r"\s+(?:es|son)\s+(?:incorrect[ao]s?|fals[ao]s?|erróne[ao]s?)\b|\s+no\s+(?:es|puede)\b",
)  # fmt: skip
_SUBJECT = (
    r"(?:\bI\s+(?=doubt|would|do|can|never))?(?:\b(?:and|but|because|since|as)\s+)?(?:\b(?:it|that|this)\s+)?"
    r"(?:\b(?:is|was|could|must|should|would)\s+)?(?:\b(?:ca|is|was|could|would|should|do|does))?"
)
_DENIALS = (
    re.compile(rf"{_SUBJECT}(?i:{'|'.join(_BEFORE)})\s*(?P<letters>{_LIST})"),
    re.compile(rf"(?P<letters>{_L}(?:\s*[,、]\s*(?:{_AND}\s*)?{_L})+)\s+(?i:(?:are|were)\s+(?:\w+\s+)?{_WRONG})"),
    re.compile(rf"(?P<letters>{_GROUP})(?i:{'|'.join(_BEHIND)})"),
)
_PREFERRED = re.compile(rf"\b[Pp]refer\s+(?:option\s+)?(?P<winner>{_L})\s+to\s+(?P<letters>{_LIST})")
_LETTER = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])")


def without_denials(text: str) -> tuple[str, set[str]]:
    r"""The text with a mark for each denial, and the letters that they deny.

    >>> without_denials("Not C but D")
    ('\x00 but D', {'C'})
    """
    denied: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        denied.update(_LETTER.findall(match["letters"]))
        return MARK

    text = text.replace(MARK, " ")
    text = _PREFERRED.sub(lambda match: f"choose {match['winner']} {mark(match)}", text)
    for denial in _DENIALS:
        text = denial.sub(mark, text)
    return text, denied
