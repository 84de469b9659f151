r"""Which option does an answer choose: one letter that it commits to, or the text of one option.

The rules, in this order; the first that speaks decides:

1. The answer is one capital letter, brackets and decoration aside: ``C``, ``(C)``, ``C.``, ``\text{C}``, ``Ｃ``.
2. The answer is an option's text, letter by letter, else letter case aside, else as a number: ``0.5 m`` = ``1/2 m``.
3. Letters that it commits to: an announced one ("the answer is C", "option C", "选C", "答案：C"), one that is called
   right ("C is correct", "C项正确"), a label that begins the answer ("C. 5 m/s", "(C) because ..."), or one that ends
   it behind its option's text ("5 m/s (C)").

Committing is to one letter. Two letters, a letter beside another in a list ("A or B", "A/C", "A, B") or with another
that is possible ("C. D is possible, too"), a letter with another option's text, or several texts are no readable
answer. A capital that is a word or a symbol is not a letter: "A cat", "E = F/q". Neither is a denied one: "not A",
"C is wrong", "不选C", nor the second of "B over C" (verifiers/choice_denials.py), nor one that is only spoken of: "Is
it C?", "many choose C", "if it were C" (verifiers/choice_doubts.py). A small letter counts where it stands
alone ("c", "(c)"), labels its option's text ("c) 5 m/s") or ends an announcement ("the answer is c."), unless an
option's text is that letter.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import ClassVar

from r1lab.types import Question, Score, Status
from r1lab.verifiers.choice_denials import MARK, without_denials
from r1lab.verifiers.choice_doubts import without_doubts
from r1lab.verifiers.quantity import clean, exact_key, read_quantity
from r1lab.verifiers.units import units_agree

MAX_ANSWER_CHARS = 1000
"""Longer answers are not read."""
WINDOW = 60
"""Characters before a letter in which its announcement or denial stands."""

_DECORATION = re.compile(
    r"</?(?:answer|choice|option|final)>|\\(?:boxed|text\w*|math\w*|left|right)(?![a-z])|\\[()\[\]]|[*`$\"“”{}「」『』\\]|__+"
)
_ALONE = re.compile(  # ¬C and C ✗ deny C, C? asks, C+ and C# are other things
    r"[^\w¬~!≠✗✘❌]*(?:option |choice |选项|选)?[^\w¬~!≠✗✘❌]*"
    r"([A-Za-z])[^\w+#✗✘❌✖?]*(?:选?项)?[^\w+#✗✘❌✖?]*",
    re.IGNORECASE,
)
_LETTER = re.compile(r"(?<![A-Za-z0-9_'’^])([A-Z])(?![A-Za-z0-9_'’^+#])")
_SMALL = re.compile(r"(?<![A-Za-z0-9_'’^])([a-z])(?=[)\]]?\s*[.。!]?\s*$)")

_OPEN, _CLOSE = r"[(\[【<]?\s*", r"\s*[)\]】>]?"
_SURELY = r"(?:\s+(?:certainly|definitely|surely|clearly|obviously|undoubtedly|indeed|simply|therefore|thus))?"
_ANNOUNCED = re.compile(
    r"(?:\b(?:ans|answer|option|choice|solution)(?:\s+is|'s|\s+must be|\s+should be|\s+would be)?"
    + _SURELY
    + r"\s*[)\]>]?"
    # "such that (C, +)" announces nothing
    r"|\b(?:it|that|one)(?:\s+is|'s|\s+must be|\s+should be|\s+would be)" + _SURELY + r"|\b(?:go|going) with"
    r"|\bAntwort(?:\s+ist)?|\br[ée]ponse(?:\s+est)?|\brespuesta(?:\s+correcta)?(?:\s+es)?|(?:答え|正解|解答)は"
    r"|" + MARK + r"\W*(?:but(?:\s+rather)?|sondern|mais|sino|而是)?"
    r"|\b(?:think|say|believe|guess|pick|choose|select|picked|chose|selected|so|thus|therefore|hence)"
    r"|=>|->|→|(?<!不)[选是为]|选择|选项|答案[\])】>]?)\s*[:,=-]?\s*(?:option|choice|选项)?\s*" + _OPEN + "$",
    re.IGNORECASE,
)
_BEHIND_LABEL = re.compile(r"(?:[)\]】>.:,;、 ]|[–—-](?= ))*")
_BEGINS = re.compile(_OPEN)
_FIRM = re.compile(
    rf"{_CLOSE}(?:\s*$|\s*[(\[]?\s*{MARK}(?!\s+(?:is|are|was|would)\b)"
    r"|\s*[.,:;!?、。)\]]|\s*(?:です|だ|である)(?![A-Za-z])|\s+[-–—]\s|\s+(?:because|since|as|for)\b|\s*(?:选?项|因为|由于))"
)
_PRAISED = re.compile(
    _CLOSE + r"\s*(?:(?:is|was|must be)\s+(?:the\s+)?(?:correct|right|best|true|answer)\b|(?:选?项)?(?:是)?(?:正确|对))"
)
_BEFORE_OWN_TEXT = re.compile(
    _BEHIND_LABEL.pattern + r"(?:=>|->|→|=|[(\[]|(?:which\s+)?(?:is|equals)\b|i\.e\.,?|是|即)?\s*[(\[]?"
)
_SMALL_LABEL = re.compile(r"(|[^.?]*\s)[(\[]?([a-z])\s*[)\].:]+\s*(\S.*)")
_BEHIND_OWN_TEXT = re.compile(
    r"[\s(\[,;:–—-]*(?:(?:=>|->|→|=|\b(?:which\s+)?is|\bi\.e\.|\bcorresponds to|是|即)\s*[(\[]?)?$"
)
_NAMED = re.compile(r"\b(?:vitamin|hepatitis|figure|fig\.|section|appendix|chapter|table)\s+$", re.IGNORECASE)
_SENTENCE_BEFORE = re.compile(r"[^\W\d]\W?[.!?。！？]\s*" + _OPEN + "$")
_ANSWER_LINE = re.compile(r"^\W*(?:(?:the|my|final|correct)\s+)*answer\W*$", re.IGNORECASE)
_LINKED = re.compile(
    r"[\s,:;]*(?:=>|->|→|=|[(\[]|\b(?:which\s+)?(?:is|equals|means)\b|\bi\.e\.,?|\bcorresponds to\b|是|即)"
    r"[\s(\[]*(?:(?:option|choice|answer|letter|选项|选)\s*)?[\s(\[]*$",
    re.IGNORECASE,
)
_DENIED = re.compile(
    _CLOSE + r"[\s.,:;()\[\]–—-]*(?:(?:is|was|it is|isn't)\s+)?"
    r"(?:wrong|incorrect|false|no|never|not(?!\s+[(]?[A-Z]\b))\b"
    r"|" + _CLOSE + r"\W*(?:选?项)?(?:是)?[不错]|" + _CLOSE + r"[\s.,:;()\[\]–—-]*[✗✘❌✖×]",
    re.IGNORECASE,
)
_REFUSED = re.compile(
    r"(?:\bnot|\bthan|\bnor|\bneither|n't|\binstead of|[不非][是选]?)\s*(?:option\s*|choice\s*|选项)?" + _OPEN + "$",
    re.IGNORECASE,
)
_LISTED = re.compile(
    _CLOSE + r"[\s,、;/&+|~-]*(?:(?:and/or|or|and|nor|maybe|perhaps|either|if not|to|或者?|和|与|及|以及|还是)[\s,]*)*"
    r"(?:[Oo]ption\s+|[Cc]hoice\s+|选)?" + _OPEN + r"([A-Z])(?![A-Za-z0-9_'’^])(?!\s+(?!or\b|and\b|is\b)[a-z]|\s*=)"
)
_RIVAL = re.compile(r"\s*[.):\]】、]|\s+(?:is\s+)?(?:also|possible|could|may|might)\b|\s*(?:也|可能)")
_ENDS = re.compile(_CLOSE + r"\W*$")
_PARTS = re.compile(r"\s*(?:\bor\b|\band\b|[,;或和、]|\s/\s)\s*")


@dataclass(frozen=True)
class ChoiceChecker:
    """Checks answers to multiple-choice questions: gold is a letter, ``details["choices"]`` holds the options' texts.

    Example: ``checker("(B)", Question("q", "", answer="B", details={"choices": ["3 m", "5 m"]})).value == 1.0``
    """

    preload: ClassVar[str] = "r1lab.verifiers.choice"
    """Nothing heavy: no verdict needs a worker."""

    def cheap(self, answer: str, question: Question) -> Score:
        """Always the verdict; an option that reads the same as the gold one is as right."""
        choices, gold = question.details.get("choices") or (), question.answer.strip()
        if not choices or gold not in ascii_uppercase[: len(choices)] or len(gold) != 1:
            found = f"gold answer {gold[:20]!r} names none of {len(choices)} options"
            return Score(0.0, Status.BAD_GOLD, found)
        letter, fault = read_choice(answer, choices)
        if letter is None:
            return Score(0.0, reason=f"no readable answer: {fault}", extracted=answer[:100])
        if letter not in ascii_uppercase[: len(choices)]:
            return Score(0.0, reason="no such option", extracted=letter)
        chosen, wanted = (_key(choices[ascii_uppercase.index(mark)]) for mark in (letter, gold))
        right = letter == gold or chosen == wanted
        return Score(float(right), reason="same option" if right else "other option", extracted=letter)

    def __call__(self, answer: str, question: Question) -> Score:
        return self.cheap(answer, question)


def read_choice(answer: str, choices: Sequence[str]) -> tuple[str | None, str]:
    """The letter that an answer commits to, or None and what keeps it from being readable.

    >>> read_choice("A cat is heavier, so the answer is C.", ["1 kg", "2 kg", "3 kg"])
    ('C', '')
    >>> read_choice("A or B", ["1 kg", "2 kg", "3 kg"])
    (None, 'several letters')
    """
    if len(answer) > MAX_ANSWER_CHARS:
        return None, "too long"
    text = _plain(answer)
    alone = _ALONE.fullmatch(text)
    if alone and alone[1] in ascii_uppercase[: len(choices)]:
        return alone[1], ""
    # "the answer is C" is not an option's text, even where an option's text is "C"
    if (alone or not re.fullmatch("[A-Za-z]", _key(answer))) and (letter := option_of(answer, choices)):
        return letter, ""
    if alone:
        return alone[1].upper(), ""
    small = _SMALL_LABEL.fullmatch(text)
    if small and (_ANNOUNCED.search(small[1]) or not small[1]) and option_of(small[3], choices) == small[2].upper():
        return small[2].upper(), ""
    text, denied = without_denials(_without_own_texts(text, choices))
    text, asked = without_doubts(text)
    letter, fault = _committed(text, choices)
    if letter in denied:
        return None, "the letter is denied, too"
    return (None, "several letters") if letter and asked - {letter} else (letter, fault)


def option_of(text: str, choices: Sequence[str]) -> str | None:
    """The letter of the option whose text this is; None where it is none's, or several's by a looser comparison."""
    key = _key(text)
    keys = [_key(choice) for choice in choices]
    if key in keys:
        return ascii_uppercase[keys.index(key)]
    for same in (_same_words, _same_number):
        letters = [letter for letter, other in zip(ascii_uppercase, keys) if same(key, other)]
        if letters:
            return letters[0] if len(letters) == 1 else None
    return None


def _committed(text: str, choices: Sequence[str]) -> tuple[str | None, str]:
    """The one letter that running text commits to, by rule 3."""
    found: dict[str, int] = {}
    for match in [*_LETTER.finditer(text), *_SMALL.finditer(text)]:
        if _commits(text, match) or _follows_own_text(text, match, choices):
            found.setdefault(match[1].upper(), match.end())
    if not found:
        return None, "no letter and no option's text"
    (letter, end), *others = found.items()
    if others or _has_rival(text, letter, end):
        return None, "several letters"
    rest = text[_BEHIND_LABEL.match(text, end).end() :]
    if _names_another(rest, letter, choices) or _stands_behind_another(text[: end - 1], letter, choices):
        return None, "letter and text disagree"
    return letter, ""


def _commits(text: str, match: re.Match[str]) -> bool:
    before, after = text[max(0, match.start() - WINDOW) : match.start()], text[match.end() :]
    if _REFUSED.search(before) or _NAMED.search(before):
        return False
    if match[1].islower():
        return bool(_ANNOUNCED.search(before))
    if _PRAISED.match(after):
        return True
    if _DENIED.match(after):
        return False
    begins = _BEGINS.fullmatch(text, 0, match.start()) is not None
    alone = _SENTENCE_BEFORE.search(before) is not None and _ENDS.match(text, match.end()) is not None
    announced = begins or alone or _ANNOUNCED.search(before) is not None
    return announced and (_FIRM.match(after) is not None or _LISTED.match(after) is not None)


def _follows_own_text(text: str, match: re.Match[str], choices: Sequence[str]) -> bool:
    """Whether the letter stands at the end behind its option's text: "15 m/s (C)"."""
    if _ENDS.match(text, match.end()) is None:
        return False
    cut = max(0, match.start() - WINDOW)
    before = text[:cut] + _BEHIND_OWN_TEXT.sub("", text[cut : match.start()], count=1)
    return option_of(before.rstrip("([ ,:-"), choices) == match[1].upper()


def _without_own_texts(text: str, choices: Sequence[str]) -> str:
    """The text with "C. 5 m/s" as "C. " where C is 5 m/s, so that letters within an option's text are not seen."""
    place = 0
    while match := _LETTER.search(text, place):
        place = match.end()
        number = ascii_uppercase.index(match[1])
        own = _plain(choices[number]) if number < len(choices) else ""
        for behind in (_BEHIND_LABEL, _BEFORE_OWN_TEXT):
            start = behind.match(text, place).end()
            end = start + len(own)
            if own and text[start:end].casefold() == own.casefold() and not text[end : end + 1].isalnum():
                text = f"{text[:place]}. {text[end:].lstrip(')]')}"
                break
    return text


def _has_rival(text: str, letter: str, end: int) -> bool:
    """Whether another letter stands in a list with this one, or is a label of its own or ends the text."""
    listed = _LISTED.match(text, end)
    if listed and listed[1] != letter:
        return True
    for match in _LETTER.finditer(text):
        if match[1] == letter or _REFUSED.search(text[max(0, match.start() - WINDOW) : match.start()]):
            continue
        follower = _LISTED.match(text, match.end())
        if _RIVAL.match(text, match.end()) or _ENDS.match(text, match.end()) or (follower and follower[1] == letter):
            return True
    return False


def _names_another(rest: str, letter: str, choices: Sequence[str]) -> bool:
    """Whether the text behind a label is, or lists, the text of another option."""
    others = {option_of(part, choices) for part in (rest, *_PARTS.split(rest)) if part.strip(" .")}
    return bool(others - {None, letter})


def _stands_behind_another(before: str, letter: str, choices: Sequence[str]) -> bool:
    """Whether a letter stands right behind the text of another option: "25 m/s (C)", "25 m/s, which is option C"."""
    linked = _LINKED.search(before)
    if linked is None or not linked[0].strip():
        return False
    own, said = ascii_uppercase.index(letter), before[: linked.start()].casefold()
    texts = [_plain(choice).casefold() for number, choice in enumerate(choices) if number != own]
    behind = [text for text in texts if text and said.endswith(text) and not said[: -len(text)][-1:].isalnum()]
    mine = _plain(choices[own]).casefold() if own < len(choices) else ""
    return any(not mine.endswith(text) or not said.endswith(mine) for text in behind)


def _plain(text: str) -> str:
    """Full-width and circled letters as ASCII, decoration off, one space at most; a line ends like a sentence."""
    lines = unicodedata.normalize("NFKC", text).strip().split("\n")
    ended = "".join(f"{line}{': ' if _ANSWER_LINE.match(line) else '. '}" for line in lines[:-1]) + lines[-1]
    return " ".join(_DECORATION.sub(" ", ended).split())


def _key(text: str) -> str:
    return exact_key(clean(text)).rstrip(".。")


def _same_words(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def _same_number(one: str, other: str) -> bool:
    left, right = read_quantity(one), read_quantity(other)
    if left is None or right is None or left.percent != right.percent:
        return False
    return left.value == right.value and units_agree(left.unit, right.unit)
