"""CONTRIBUTING.md names files that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = sorted(set(re.findall(r"`((?:r1lab|conf|tests|experiments)/[\w./]+)`", (ROOT / "CONTRIBUTING.md").read_text())))


@pytest.mark.parametrize("path", NAMED)
def test_a_file_to_copy_is_there(path):
    assert (ROOT / path).exists()


def test_there_are_some():
    assert len(NAMED) > 30
