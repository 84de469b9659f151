"""What is known of reasoning-gym's own scorers, from trying all of them with gold answers and wrong ones.

Each of the 106 data sets of the version below was given its gold answers, other questions' gold answers, gold answers
with a number off by one, cut, doubled, reversed or with more behind, and texts that are no answer.
"""

from __future__ import annotations

import re

VERSION = "0.1.25"
"""The version that was tried; another one may judge differently."""

REFUSED = {
    "boxnet": "it gives no gold answer",
    "coin_flip": "its scorer lets every probability within 0.0001 pass: 0 for 0.00005",
    "composite": "it mixes other data sets: name these themselves",
    "decimal_arithmetic": "its scorer asks for 3 decimal places where the question asks for 12 digits",
    "game_of_life_halting": "its scorer gives every answer the whole point",
    "graph_color": "it gives no gold answer",
    "number_format": "its scorer lets the other candidates of the question pass, within 0.01 of the right one",
    "number_sorting": "its scorer lets every number be off by one",
    "prime_factorization": "its scorer fails on answers that are no product of numbers",
    "propositional_logic": "it gives no gold answer",
    "puzzle24": "its scorer lets the numbers of another question pass",
    "rubiks_cube": "it gives no gold answer",
    "rush_hour": "it gives no gold answer",
}
"""Data sets that no question is taken from, and why."""

_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"
# sums, products, powers and calls of functions: no strings, attributes or subscripts, nothing that runs as code
_FUNCTIONS = "exp|log|ln|sqrt|sin|cos|tan|sec|csc|cot|asin|acos|atan|sinh|cosh|tanh|asinh|acosh|atanh|pi|abs|Abs"
_NAME = rf"(?<![A-Za-z\d_])(?:[A-Za-z]|{_FUNCTIONS})(?![A-Za-z\d_])"
_FORMULA = rf"(?:[\d\s+*/(),-]|\.(?=\d)|(?<=\d)\.|{_NAME})*+"  # *+ never goes back: linear

FORMS = {
    # these scorers evaluate what they are given
    "binary_matrix": r"[01\s]*",
    "spiral_matrix": r"[-\d\s]*",
    "string_insertion": r"[A-Za-z]*",
    "n_queens": r"[Q_\s]*",
    "simple_integration": _FORMULA,
    "intermediate_integration": _FORMULA,
    "polynomial_multiplication": _FORMULA,
    # these read the beginning and leave the rest
    "advanced_geometry": r"[^,]*(?:,[^,]*)?",
    "fraction_simplification": r"\D*\d+\D+\d+\D*",
    "gsm_symbolic": r"\D*\d+(?:\.\d+)?\D*",
    "polynomial_equations": rf"\s*{_NUMBER}(?:\s*,\s*{_NUMBER})*\s*",
    "time_intervals": r"\s*(?:\d+\D*|(?:\d+ days?,\s*)?\d+:\d+(?::\d+(?:\.\d+)?)?\D*)",
}
"""Data sets whose scorer sees answers of this form alone; others are not readable."""

_NO_NUMBER = re.compile(r"\b(?:nan|inf|infinity)\b", re.IGNORECASE)


def readable(dataset: str, answer: str, gold: str) -> bool:
    """Whether the scorer of a data set may see an answer.

    >>> readable("puzzle24", "__import__('os')", "6*4"), readable("n_queens", "Q _", "_ Q")
    (False, True)
    """
    if dataset in REFUSED or (_NO_NUMBER.search(answer) and not _NO_NUMBER.search(gold)):
        return False  # to some scorers NaN is no distance at all
    return dataset not in FORMS or re.fullmatch(FORMS[dataset], answer) is not None
