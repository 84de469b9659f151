"""Which runs of letters are products of variables, and which are words."""

from itertools import pairwise


def looks_like_product(letters: str) -> bool:
    """Whether a run of letters is a product and no word: kTV, mgh, abc, but not Evelyn, east, yes."""
    inner_capital = any(letter.isupper() for letter in letters[1:]) and not letters.isupper()
    in_a_row = all(ord(b) - ord(a) == 1 for a, b in pairwise(letters))
    return inner_capital or in_a_row or not set(letters.lower()) & set("aeiouy")
