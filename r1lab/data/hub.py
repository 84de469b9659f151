"""Data sets of the hub: their rows, and which revision they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from r1lab.data.cells import RowFault
from r1lab.data.parquet import rows_of
from r1lab.errors import DataError

HUB = "hub:"
"""What a path begins with when it names a data set of the hub: ``hub:owner/name[/config]/split``."""
SHOWN_CHARS = 200
BATCH = 1000
"""Rows that are read at a time."""


def hub_rows(path: str) -> Iterator[tuple[str, Mapping[str, Any] | RowFault]]:
    """The rows of a split with their places ("row 17"), a fault in the place of a broken one. Raises DataError."""
    split = path.rpartition("/")[2].split(".")[0]
    found = _asked(path, lambda datasets, *name: datasets.load_dataset(*name, split=split))
    rows = (row for table in found.with_format("arrow").iter(BATCH) for row in rows_of(table))
    yield from ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def hub_revision(path: str) -> str:
    """The commit of the data set that `hub_rows` reads, from its cache where there is no network. Raises DataError."""
    return str(_asked(path, lambda datasets, *name: datasets.load_dataset_builder(*name)).hash)


def _asked(path: str, ask: Callable[..., Any]) -> Any:
    """What the package datasets answers about "owner/name" and the config of a path."""
    try:
        import datasets
    except ImportError as error:
        raise DataError(
            f"{path} is on the hub, and the package datasets is not installed.",
            str(error),
            "pip install 'r1lab[hub]', or give the folder of a copy on this machine.",
        ) from error
    owner, name, *config, split = path.removeprefix(HUB).split("/") if path.count("/") in (2, 3) else [""] * 3
    if not split:
        raise DataError(f"{path} names no split of a hub data set.", path, "Write hub:owner/name[/config]/split.")
    try:
        return ask(datasets, f"{owner}/{name}", *config)
    except Exception as error:  # the hub's client raises its own, requests', and plain kinds for "no network"
        raise DataError(
            f"The data set {owner}/{name} cannot be loaded from the hub.",
            f"{type(error).__name__}: {' '.join(str(error).split())[:SHOWN_CHARS]}",
            "Check name, config, split and network, or give the folder of a copy on this machine.",
        ) from error
