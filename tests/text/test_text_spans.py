"""The corpus of format cheats, and the cost of hostile text."""

import json
import time
from pathlib import Path

import pytest

from r1lab.text.spans import format_fault, last_boxed, parse_response

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "corpora/format_cheats.jsonl").open()]


@pytest.mark.parametrize("case", CASES, ids=lambda c: (c["prefill"] + c["text"])[:50].encode("unicode_escape"))
def test_corpus(case):
    response = parse_response(case["text"], case["prefill"])
    assert response.text == case["prefill"] + case["text"]
    assert response.answer == case["answer"]
    assert format_fault(response.text) == case["fault"]
    assert response.well_formed == (case["fault"] == "")


def test_corpus_is_large():
    assert len(CASES) >= 40


def test_reasoning():
    assert parse_response("<think> 3+4=7 </think> <answer> 7 </answer>").reasoning == "3+4=7"
    assert parse_response("a</think>b", prefill="<think>").reasoning == "a"
    assert parse_response("<think>cut of").reasoning == "cut of"
    assert parse_response("<think></think>").reasoning == ""
    assert parse_response("<answer>7</answer>").reasoning is None
    assert parse_response("a</think>").reasoning is None


def test_last_boxed():
    assert last_boxed(r"\boxed{a{b}c} \boxed{d") == "a{b}c"
    assert last_boxed(r"\boxed {3}") == "3"
    assert last_boxed(r"} \boxed{4} }") == "4"
    assert last_boxed(r"\boxed{a\}b}") == r"a\}b"
    assert last_boxed("nothing") is None


@pytest.mark.parametrize(
    "unit", ["<think>", "</think>", "<answer>", "</answer>", "<answer></answer>", r"\boxed{", "{", "}", "\\", "<", " ",
             r"\boxed" + " " * 20, "<think><answer></think></answer>"]
)  # fmt: skip
def test_a_megabyte_of_anything_is_linear(unit):
    text = unit * (2**20 // len(unit))
    start = time.process_time()
    parse_response(text)
    parse_response("<think>" + text + "</think><answer>7</answer>")
    assert time.process_time() - start < 10.0  # what is quadratic takes hours
