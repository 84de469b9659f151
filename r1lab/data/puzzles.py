"""The families of generated logic puzzles (paper v2, Table 4: code input and output, cryptography, logic, 24 game)."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from r1lab.data.ciphers import backwards, caesar, substitution
from r1lab.data.game24 import game24
from r1lab.data.knights_and_knaves import knights_and_knaves
from r1lab.data.problem import Problem
from r1lab.data.programs import code_input, code_output
from r1lab.data.zebra import zebra

FAMILIES: Mapping[str, Callable[[random.Random, int, str], Problem]] = {
    family.__name__: family
    for family in (knights_and_knaves, zebra, game24, backwards, caesar, substitution, code_output, code_input)
}
