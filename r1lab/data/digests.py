"""What a run reads, in a few digits: another content is another run."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from r1lab.artifacts.address import is_artifact
from r1lab.data.hub import HUB, hub_revision
from r1lab.data.rows import existing
from r1lab.leaving import staying
from r1lab.models.folder import folder_digests

DIGITS = 16


def data_digest(path: str | Path) -> str:
    """sha256 of a data file's whole content, or the revision of a data set of the hub. Raises DataError.

    Reading the file once more costs little: it is parsed next, at a hundredth of the speed.
    """
    if str(path).startswith(HUB):
        return hub_revision(str(path))
    with existing(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def model_digests(source: str, with_code: bool = False) -> dict[str, str]:
    """The digest of each file of a model's folder; none of an artifact or a hub id, which their names tell."""
    return {} if is_artifact(source) else folder_digests(source, with_code)


def code_digests(code: Any) -> dict[str, str]:
    """The digest of the file that defines a class or function; none where Python itself does."""
    try:
        path = Path(inspect.getfile(code))
    except TypeError:
        return {}
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]}


def digests_of(part: Any, place: str) -> dict[str, str]:
    """What `part` reads, or the parts that it is made of, however deep: their `digests()`, by their places below.

    The file of a class that r1lab does not define counts as read. Raises DataError.
    """
    if hasattr(part, "digests"):
        with staying(place, type(part).__module__):
            return {f"{place}/{name}": digest for name, digest in part.digests().items()}
    if is_dataclass(part):
        own = {} if type(part).__module__.startswith("r1lab.") else code_digests(type(part))
        part = {field.name: getattr(part, field.name) for field in fields(part)}
        return {f"{place}/{name}": digest for name, digest in own.items()} | digests_of(part, place)
    elif isinstance(part, list):
        part = dict(enumerate(part))
    inner = part.items() if isinstance(part, Mapping) else ()
    return {at: digest for name, one in inner for at, digest in digests_of(one, f"{place}.{name}").items()}
