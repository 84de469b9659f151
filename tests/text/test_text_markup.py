"""What is formula, code, link or tag, and that hostile delimiters cost no more than plain text."""

import time

import pytest

from r1lab.text.markup import markup_spans
from r1lab.text.words import sentences


def marked(text):
    return [text[start:end] for start, end in markup_spans(text)]


@pytest.mark.parametrize(
    "text, parts",
    [
        ("a $x$ b $$y$$ c", ["$x$", "$$y$$"]),
        (r"a \(x\) b \[y\] c", [r"\(x\)", r"\[y\]"]),
        ("from $5 to $6 and $7", []),
        ("from $5$ to $6 a", ["$5$"]),
        (r"\$5 and $x$", ["$x$"]),
        ("$ x$ y", []),
        ("from $5 to$6", []),
        ("it is $5 or 6 $ more", []),
        ("$x\n\ny$", []),
        ("$$x\n\ny$$", ["$$x\n\ny$$"]),
        ("`a` ``b ` c`` `d", ["`a`", "``b ` c``"]),
        ("```py\na $b$\n``` c", ["```py\na $b$\n```"]),
        ("see ```\nleft open", ["```\nleft open"]),
        (r"\begin{align}a&=b\end{align} c", [r"\begin{align}a&=b\end{align}", r"\begin", r"\end"]),
        ("https://a.b/c?d=e。好", ["https://a.b/c?d=e"]),
        ("1 < 2 <b> 3 > 2 </b>", ["<b>", "</b>"]),
        ("f(x) max_sum a_", ["f", "max_sum"]),
        ("", []),
    ],
)
def test_spans(text, parts):
    assert sorted(marked(text)) == sorted(parts)


HOSTILE = [
    "$", "$a", "$ ", "`", "``` ", "` ``", "\\(", "\\[", "\\)", "\\begin{", "\\begin{a}", "\\end{", "\\end{a", "\\\\",
    "\\a", "<a", "<", "<a ", "a_", "a_b", "a(", "(", "a", "A ", "a ", "ab ", "Ab, ", "is ", "$we `know` ", "\n", "\n ",
    " \n", ". ", "好", "の", "好a", "\u0301\u0323", "\u200b", "ก", "ि", "www.", "https://", "_", "-", "\0", "ﬀ",
    "\U0001d400", "the $x$ 好。",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE, ids=ascii)
def test_any_repeated_text_is_linear(unit):
    """An eighth of a megabyte takes half a second; where the cost were quadratic, ten seconds at least."""
    start = time.process_time()
    for _ in sentences(unit * (2**17 // len(unit))):
        pass
    assert time.process_time() - start < 4.0


def test_a_megabyte_costs_four_times_a_quarter():
    def seconds(size):
        start = time.process_time()
        for _ in sentences("$a `b \\(c 好\n" * (size // 12)):
            pass
        return time.process_time() - start

    quarter, whole = (min(seconds(size) for _ in range(3)) for size in (2**18, 2**20))
    assert whole < 8 * quarter


@pytest.mark.parametrize("units", [("$a", "\n\n"), ("`a ", "``b "), ("\\(", "\\["), ("<a", "$"), ("a_", "a(")])
def test_openers_before_a_long_tail_are_linear(units):
    """Openers that only the other half of the text could close."""
    text = units[0] * (2**16 // len(units[0])) + units[1] * (2**16 // len(units[1]))
    start = time.process_time()
    for _ in sentences(text):
        pass
    assert time.process_time() - start < 4.0
