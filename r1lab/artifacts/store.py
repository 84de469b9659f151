"""Artifacts on disk: put, get, manifest; built beside, synced and renamed, so that one is there whole or not at all."""

import errno
import json
import logging
import shutil
import time
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from r1lab.disk import Lock, sync
from r1lab.errors import StorageError

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
CARD = "README.md"
"""Is written on when more is known of an artifact, and so is no part of what it is."""
WEIGHTS = "*.safetensors"
HASHED_BYTES = 2**35
"""Of weights that are read through before a run begins: half a minute; of a terabyte it would be a quarter hour."""


@dataclass(frozen=True)
class Artifact:
    """What one stage hands to the next: a complete folder and its manifest."""

    kind: str
    """policy, demonstrations, preferences, reward_model, rollouts or report."""
    address: str
    path: Path
    manifest: Mapping[str, Any]
    """kind, address, parents, config, code, created, seconds, files {name: {bytes, sha256}}."""


@dataclass(frozen=True)
class Store:
    """Artifacts by kind and address under `root`: ``root/kind/address/``.

    Example: ``Store(Path("outputs/artifacts")).put("policy", "0f3a5c...", model.save_pretrained, {"config": {...}})``
    """

    root: Path

    def path(self, kind: str, address: str) -> Path:
        """Return where the artifact lies or would lie."""
        return Path(self.root) / kind / address

    def get(self, kind: str, address: str) -> Artifact | None:
        """Return the artifact, or None where it is not there or is no longer what was stored, which is said.

        Every byte is compared with the manifest's sha256: a second for a gigabyte or two, less than loading it takes.
        """
        return self._read(kind, address, ())

    def sound(self, kind: str, address: str) -> bool:
        """Return whether `get` returns it, but that weights of more than HASHED_BYTES in all go by their sizes."""
        path = self.path(kind, address)
        weights = {file.relative_to(path).as_posix(): file.stat().st_size for file in path.rglob(WEIGHTS)}
        return self._read(kind, address, weights if sum(weights.values()) > HASHED_BYTES else ()) is not None

    def _read(self, kind: str, address: str, by_size: Container[str]) -> Artifact | None:
        """The artifact as it was stored, or None, which is said; the files that are `by_size` are not read."""
        path = self.path(kind, address)
        if not path.exists():
            return None
        try:
            manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
            damaged = [
                name
                for name, stated in manifest["files"].items()
                if not _is_as_stated(path / name, stated, hashed=name not in by_size)
            ]
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            damaged = [MANIFEST]
        if damaged:
            log.warning("%s is damaged (%s) and counts as not there.", path, ", ".join(damaged))
            return None
        return Artifact(kind, address, path, manifest)

    def manifest(self, kind: str, address: str) -> Mapping[str, Any] | None:
        """Return the artifact's manifest, or None where there is none that can be read."""
        try:
            found = json.loads((self.path(kind, address) / MANIFEST).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def has(self, kind: str, address: str) -> bool:
        """Return whether the artifact is there with all its files, by their sizes; `get` reads them, too."""
        path, files = self.path(kind, address), (self.manifest(kind, address) or {}).get("files")
        try:
            return bool(files) and all((path / name).stat().st_size == file["bytes"] for name, file in files.items())
        except (OSError, KeyError, TypeError, AttributeError):
            return False

    def put(self, kind: str, address: str, build: Callable[[Path], None], manifest: Mapping[str, Any],
            resumable: bool = False) -> Artifact:  # fmt: skip
        """Return the artifact, first calling `build` with an empty folder to fill where it is not there yet.

        Of several processes that want the same address one builds, and the others wait and find it finished. A
        killed builder leaves a hidden folder that the next one removes, or where it is `resumable` finds as it was.
        `manifest` gives parents, config and code; where it names the `run` that makes it, what another attempt has
        made is replaced.

        Raises StorageError where the folder cannot be written or the disk is full; nothing half-written stays.
        """
        if (found := self._made(kind, address, manifest)) is not None:
            return found
        path = self.path(kind, address)
        with _storing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.with_name(f"{address}.lock")):
                if (found := self._made(kind, address, manifest)) is None:  # nobody finished it in the meantime
                    stated = _build(path, build, {"kind": kind, "address": address, **manifest}, resumable)
                    found = Artifact(kind, address, path, stated)
        return found

    def _made(self, kind: str, address: str, manifest: Mapping[str, Any]) -> Artifact | None:
        """The artifact, unless another attempt than the one that `manifest` names has made it."""
        found = self.get(kind, address)
        return found if found and found.manifest.get("run") == manifest.get("run") else None


def _build(
    path: Path, build: Callable[[Path], None], manifest: Mapping[str, Any], resumable: bool
) -> Mapping[str, Any]:
    """Build beside `path`, then rename; returns the manifest as it was written."""
    beside = path.with_name(f".{path.name}.building")
    if beside.exists() and not resumable:  # a killed builder's; this process holds the lock: nobody works in it
        shutil.rmtree(beside)
    try:
        beside.mkdir(exist_ok=True)
        created, started = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
        build(beside)
        seconds = round(time.perf_counter() - started, 3)
        files = {name: _fingerprint(beside / name) for name in _file_names(beside)}
        whole = {**manifest, "created": created, "seconds": seconds, "files": files}
        text = json.dumps(whole, indent=2, default=str) + "\n"
        (beside / MANIFEST).write_text(text, encoding="utf-8")
        for entry in [*beside.rglob("*"), beside]:
            sync(entry)
        if path.exists():  # damaged, or of another attempt
            shutil.rmtree(path)
        beside.rename(path)
        sync(path.parent)
        return json.loads(text)
    except BaseException:
        if not resumable:
            shutil.rmtree(beside, ignore_errors=True)
        raise


def _file_names(folder: Path) -> list[str]:
    names = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return sorted(name for name in names if name != CARD)


def _is_as_stated(path: Path, stated: Mapping[str, Any], hashed: bool) -> bool:
    whole = path.is_file() and path.stat().st_size == stated["bytes"]
    return whole and (not hashed or _fingerprint(path) == stated)


def _fingerprint(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": file_digest(file, "sha256").hexdigest()}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, waiting for its holder."""
    lock = Lock.take(path, wait=False)
    if lock is None:
        log.warning("Waiting for another process that builds %s.", path.with_suffix(""))
        lock = Lock.take(path, wait=True)
    with lock:
        yield


@contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn a full or closed disk into a StorageError; leave alone what else a builder raises."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        # torch and safetensors hide the number of the error in their text
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise StorageError(
                f"No space left to store {path}.", str(error), "Free some space, or choose a folder on another disk."
            ) from error
        if number in (errno.EROFS, errno.EFBIG) or (isinstance(error, OSError) and _concerns(error, path)):
            raise StorageError(
                f"{path} cannot be stored.", str(error), "Choose a folder that you may write and that is no file."
            ) from error
        raise


def _concerns(error: OSError, path: Path) -> bool:
    """Whether the error names the artifact's place: a folder above it, or something beside or in it."""
    if not isinstance(error.filename, (str, Path)):
        return False
    place = Path(error.filename)
    return place in path.parents or path.parent in place.parents
