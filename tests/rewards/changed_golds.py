"""Gold answers with one thing changed, which are wrong, and in other ways of writing, which are right."""

import re
from fractions import Fraction

_COMMAND = re.compile(r"\\(?:text|mbox|mathrm|textbf) ?\{[^{}]*\}|\\(?:begin|end) ?\{[^{}]*\}|\\[A-Za-z]+")
_UNITS = {
    r"\^\\circ": r"\\text{ radians}", "degrees": "radians", r"inches": "feet", r"cm": "m", r"cents": "dollars",
    r"^\\\$": "€",
}  # fmt: skip


def _at_each(text, pattern, change):
    """``text`` with one match changed, for each match outside commands."""
    hidden = _COMMAND.sub(lambda match: "\0" * len(match[0]), text)
    return [text[: m.start()] + change(m[0]) + text[m.end() :] for m in re.finditer(pattern, hidden)]


def wrong(text):
    """Kind of change -> texts, each of which differs from ``text`` in one place and in meaning.

    Words have no sign and no case, and the gold answer 0 has no sign: these are no changes of the meaning.
    """
    words = not re.search(r"\d", text) and r"\text" in text
    letters = [] if words else _at_each(text, r"[A-Za-z]", str.swapcase)
    primes = [] if words else _at_each(text, r"[A-Za-z](?!')", lambda letter: f"{letter}'")
    signs = [] if words else _at_each(text, r"[+-]", lambda sign: "-" if sign == "+" else "+")
    signed = [] if words or text.strip() in ("0",) else [f"-{text}"]
    units = [re.sub(old, new, text) for old, new in _UNITS.items() if re.search(old, text)]
    return {
        "digit": _at_each(text, r"\d", lambda digit: str((int(digit) + 1) % 10)),
        "sign": signs + [one for one in signed if not one.startswith("--")],
        "case": letters,
        "prime": primes,
        "unit": units[:1],
    }


def right(text):
    """Way of writing -> texts that mean what ``text`` does; ways that do not apply are left out."""
    number = re.fullmatch(r"-?\d+", text)
    words = not re.search(r"\d", text) and r"\text" in text
    spaced = re.sub(r"(?<![{^\\_(,[]) ?([+=]) ?", r"\\,\1\\;", text)
    slashed = re.sub(r"^(-?)\\d?frac\{(\d+)\}\{(\d+)\}$", r"\1\2/\3", text)
    grouped = f"{int(text):,}" if number else ""
    named = not words and not re.search(r"[=<>]|\\in(?![a-z])|text\{\(", text)
    times = r"(?<=\d) ?(?=\\sqrt|\\pi)"
    ways = {
        "\\dfrac and a/b": [text.replace(r"\frac", r"\dfrac"), slashed],
        "\\left and \\right": [_brackets(text)],
        "spaces": [spaced, text if r"\ " in text else text.replace(" ", r"\ ")],
        "boxed": [f"$\\boxed{{{text}}}$", f"\\boxed{{{text}}}"],
        "full stop": [f"{text}.", f"${text}$."],
        "thousands": [grouped, grouped.replace(",", r"{,}"), grouped.replace(",", r",\!")] if number else [],
        "decimals": _decimals(text),
        "order": _order(text),
        "a name in front": [f"x = {text}", f"n={text}"] if named else [],
        "a unit behind": [f"{text}\\text{{ units}}", f"{text} \\text{{ cm}}"] if number else [],
        "\\cdot": [re.sub(times, r" \\cdot ", text), re.sub(times, r"\\times ", text)],
        "signs of Unicode": [_unicode(text)],
    }  # fmt: skip
    return {way: [one for one in texts if one != text] for way, texts in ways.items()}


def _brackets(text):
    if any(command in text for command in (r"\left", r"\text", r"\sqrt[")):
        return text
    closed = re.sub(r"(?<!\\)([)\]])(?!\{)", r"\\right\1", text)
    return re.sub(r"(?<![A-Za-z\\])([(\[])", r"\\left\1", closed)


def _decimals(text):
    match = re.fullmatch(r"(-?)(?:\\d?frac\{(\d+)\}\{(\d+)\}|(\d+))", text)
    if not match:
        return []
    value = Fraction(int(match[2] or match[4]), int(match[3] or 1))
    under = value.denominator
    for prime in (2, 5):
        while under % prime == 0:
            under //= prime
    if under > 1:
        return []
    places = next(n for n in range(30) if 10**n % value.denominator == 0)
    digits = str(value.numerator * 10**places // value.denominator).rjust(places + 1, "0")
    return [
        f"{match[1]}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}" + ("0" if not places else "")
    ]


def _order(text):
    if match := re.fullmatch(r"(\d+) ?(\\sqrt\{?\d+\}?|\\pi)", text):
        return [f"{match[2]} \\cdot {match[1]}"]
    if match := re.fullmatch(r"([\w\\^]+|\d*\\sqrt\{\d+\}) ?([+-]) ?([\w\\^]+|\d*\\sqrt\{\d+\})", text):
        return [f"-{match[3]} + {match[1]}" if match[2] == "-" else f"{match[3]} + {match[1]}"]
    if match := re.fullmatch(r"(\([^()]+\))(\([^()]+\))", text):
        return [match[2] + match[1]]
    return []


def _unicode(text):
    text = text.replace("-", "−").replace(r"\pi", "π").replace(r"\sqrt{", "√{").replace(r"\pm", "±")
    return re.sub(r"\^([0-9])(?![0-9])", lambda m: "⁰¹²³⁴⁵⁶⁷⁸⁹"[int(m[1])], text)
