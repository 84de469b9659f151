"""No text that a model can write keeps the trainer busy: every parser's time grows with the length, not its square."""

import gc
import re
import signal
import time

import pytest
from linear_parsers import parsers

DEADLINE = 1 / 60_000
"""Seconds of processor time for a character: most parsers take a hundredth of it."""
MEASURABLE = 0.1
"""Seconds from which the growth is looked at; the clock of a busy machine says little of less."""
PARSERS = parsers()
HOSTILE = {
    "spaces": " ",
    "tabs behind a marker": ("The answer is", "\t", ""),
    "spaces behind a marker": ("The answer is", " ", ""),
    "spaces before a colon": ("####", " ", ":"),
    "markers": "The answer is ",
    "markers and colons": "答案:",
    "leads": "so, the final answer is: ",
    "newlines": "\n",
    "newlines before text": ("Tom", "\n", "1"),
    "lines of a space": " \n",
    "carriage returns": "\r",
    "digits": "7",
    "spaced digits": "1 1 1",
    "thousands": "1,000,",
    "slashes": "1/",
    "minus signs": "-",
    "decimals": "1.",
    "opening brackets": "(",
    "closing brackets": ")",
    "braces": "{",
    "closing braces": "}",
    "square brackets": "[",
    "backslashes": "\\",
    "commas": ",",
    "semicolons": ";",
    "equals signs": "= ",
    "letters": "a",
    "capitals": "A ",
    "dotted letters": "a.a.a.",
    "lines of two languages": "a\né",
    "quotes": '"',
    "dollars": "$",
    "dollars and spaces": "$ ",
    "backticks": "`",
    "fences": "```\n",
    "spaces before a fence": ("", " ", "```"),
    "underscores": "_a",
    "think tags": "<think>",
    "closed blocks": "<think></think>",
    "answer tags": "<answer>",
    "closing answer tags": ("<answer>", "</answer>", ""),
    "tag beginnings": "<a",
    "open boxes": r"\boxed{",
    "boxes": r"\boxed{7}",
    "open fractions": r"\frac{",
    "open texts": r"\text{",
    "environments": r"\begin{",
    "formulas": r"\(\[",
    "unicode": "é米のαاก😀",
    "Han": "米",
    "no width": "\u200b",
    "accents": "\u0301",
    "wide spaces": "\u3000",
    "separators": "\u2028",
    "NUL": "\x00",
    "names": "Tom and ",
    "roles": "Tom is a knight. ",
    "letters denied": "not A or B, ",
    "definitions": "\ndef f",
    "assignments": ("f", " ", ":"),
    "verdicts": "VERDICT c0de [[A>B]]\n",
    "verdict brackets": ("VERDICT c0de ", "[[", "]]"),
    "control tokens": "<|end|",
    "links": "http://",
}


def hostile(shape: str | tuple[str, str, str], chars: int) -> str:
    head, unit, tail = ("", shape, "") if isinstance(shape, str) else shape
    return head + unit * (chars // len(unit)) + tail


def seconds(parse, text: str) -> float:
    """Processor time of one call, infinite where it passes the deadline."""

    def late(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, late)
    gc.collect(0), gc.disable()
    signal.setitimer(signal.ITIMER_PROF, DEADLINE * len(text))
    try:
        start = time.process_time()
        parse(text)
        return time.process_time() - start
    except TimeoutError:
        return float("inf")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        gc.enable()
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("chars", [15_000, pytest.param(60_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PARSERS)
def test_no_text_takes_time_that_grows_with_its_square(name, chars):
    slow = {}
    for shape, made in HOSTILE.items():
        taken = seconds(PARSERS[name], hostile(made, chars))
        if taken == float("inf"):
            slow[shape] = f"over {DEADLINE * chars:g} s"
        elif taken > MEASURABLE:
            taken = min(taken, seconds(PARSERS[name], hostile(made, chars)))
            quarter = min(seconds(PARSERS[name], hostile(made, chars // 4)) for _ in range(2))
            if taken > 10 * quarter:  # four times the text: linear is 4, a square 16
                slow[shape] = f"{quarter:.3f} s for a quarter of the text, {taken:.3f} s for all of it"
    assert not slow


def test_there_are_parsers_and_texts_enough():
    assert len(PARSERS) >= 24 and len(HOSTILE) >= 12


def test_a_square_is_found():
    pattern = re.compile(r"x[ \t]*:?[ \t]*(\S.*?)")
    assert seconds(pattern.search, "x" + " " * 15_000) == float("inf")
    assert seconds(pattern.search, "x7" + " " * 15_000) < float("inf")
