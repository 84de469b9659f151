"""Where conf/, experiments/ and sweeps/ lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
TOP_FOLDERS = ("experiments", "sweeps")


def folder(name: str) -> Path:
    """The absolute path of a top folder of the project.

    >>> folder("conf").name
    'conf'
    """
    return next((p for p in (PACKAGE.parent / name, PACKAGE / name) if p.is_dir()), PACKAGE / name)
