r"""The letters that an answer speaks of without choosing them: doubted, supposed, asked about, or chosen by others.

"Many students choose B", "Suppose the answer is B", "The wrong option is B", "Is it B?", "错误的是B".
"""

from __future__ import annotations

import re

from r1lab.verifiers.choice_denials import MARK

_CLAUSE = re.compile(
    r"(?:(?<=[.!?;:])\s+|(?<=[。！？；])"
    r"|(?<=,)\s*(?=(?:but|so|yet|however|hence|therefore|thus|then|mais|aber|pero)\b)|(?<=[，,])(?=但|所以|因此|故|选|应))"
)
"""Where a new clause begins: what is said in one does not hold for the next."""
_CHOOSES = r"(?:choos|pick|select|sa(?:y|id)|answer|think|thought|believ|guess|go(?:es|ing)?\s+(?:for|with)|chose)"
_OTHERS = (
    r"(?:many|most|some|few|other|all)\s+(?:\w+\s+)?(?:students?|people|readers?|candidates?|others|guess(?:es)?)"
    r"|(?:students?|people|others|they|you|one|some|many|most|anyone|someone|somebody|nobody|no\s+one|who(?:ever)?"
    r"|he|she|(?:a|the|my|your|his|her)\s+(?:fool|friend|teacher|student|book|classmate|opponent|model))"
)
_DOUBTS = re.compile(
    "|".join(
        (
            # by somebody else, or at another time
            rf"\b(?:{_OTHERS})\b(?:['’]s)?(?:\s+\w+){{0,3}}?\s+{_CHOOSES}",
            r"\b(?:my|your|his|her|their|our)\s+(?:\w+['’]s\s+)?(?:\w+\s+)?answer\b|\b\w+['’]s\s+answer\b",
            rf"\b(?:used\s+to|at\s+first|first|initially|originally|once|almost|nearly)\b(?:\s+\w+){{0,3}}?\s+"
            rf"(?:{_CHOOSES}|consider|look|tr(?:y|ied)\b)",
            r"\bonly\s+an?\s+\w+\s+would\b",
            # not so
            r"\b(?:unlikely|improbable|doubtful|no\s+way|hardly|scarcely|whether)\b",
            r"\b(?:not|n['’]t)\s+(?:clear|sure|certain|obvious|evident)\s+(?:that|if)\b",
            r"\b(?:refuse|hesitate|decline|fail|reluctant|unable|unwilling|afraid)\s+to\b",
            r"\b(?:choose|choosing|decide|deciding|torn|toss-?up)\s+between\b",
            r"\b(?:false|wrong|untrue|not\s+true|not\s+the\s+case)\s+that\b",
            rf"\b(?:wrong|mistake|mistaken|incorrect|foolish|error|bad\s+idea|unwise)\s+to\s+{_CHOOSES}",
            r"\b(?:incorrect|wrong|worst|false|bad|poor|least(?:\s+\w+)?|unlikeliest|eliminated|rejected|tempting)\s+"
            r"(?:answer|option|choice|one|statement|alternative)s?\b",
            r"\b(?:falsche|richtige\s+nicht)\s+(?:Antwort|Option)\b|\b(?:réponse|option)\s+(?:fausse|incorrecte)\b"
            r"|\b(?:respuesta|opción)\s+(?:incorrecta|falsa|equivocada)\b",
            # supposed
            r"\b(?:suppose|supposing|assum(?:e|ing)|imagine|if|unless|were\s+it|had\s+it|without)\b",
            r"(?:如果|假如|假设|倘若|若|要是)",
            # possible
            r"(?:可能|也许|或许|大概|不一定|未必)(?:是|选|为)?",
            # other people's, and wrong ones, in Chinese
            r"(?:有人|很多人|许多人|不少人|有的人|同学|学生|大家|他|她|他们)(?:\w{0,4})选",
            r"(?:错误|不正确|不对|不符合\w{0,4}|不属于\w{0,6}|误选)(?:的|选项|答案)+(?:是|为|：|:)?",
        )
    ),
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<![A-Za-z0-9_'’^])([A-Z])(?![A-Za-z0-9_'’^+#])")
_SMALL_AT_END = re.compile(r"(?<![A-Za-z0-9_'’^])([a-z])(?=[)\]]?\s*[.。!?？]?\s*$)")
_ASKED = re.compile(r"[?？]\s*$")


def without_doubts(text: str) -> tuple[str, set[str]]:
    r"""The text with a mark for each letter that is spoken of and not chosen, and the letters that it asks about.

    >>> without_doubts("You might think B, but it is C. Is it D?")
    ('You might think \x00, but it is C. Is it \x00?', {'D'})
    """
    asked: set[str] = set()
    parts, place = [], 0
    for break_ in [*_CLAUSE.finditer(text), None]:
        end = len(text) if break_ is None else break_.end()
        clause, place = text[place:end], end
        if _ASKED.search(clause):
            asked.update(_LETTER.findall(clause))
        if _ASKED.search(clause) or _DOUBTS.search(clause):
            clause = _SMALL_AT_END.sub(MARK, _LETTER.sub(MARK, clause))
        parts.append(clause)
    return "".join(parts), asked
