"""Files that survive kill -9: written beside, synced, renamed; and locks that die with their process."""

import errno
import fcntl
import json
import math
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from r1lab.characters import json_escape, shown, valid
from r1lab.errors import StorageError

DAMAGED = "Put the file back as it was, or start a new attempt beside it: run.resume=never."


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn an error of the operating system while writing `path` into a StorageError with its remedy."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        wrong = f"No space left to write {path}." if full else f"{path} cannot be written."
        remedy = "Free some space" if full else "Choose a folder that you may write and that is no file"
        raise StorageError(wrong, str(error), f"{remedy}, then give the same command again.") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a hidden path beside `path` to write; on leaving the block it is synced and takes the place of `path`.

    A kill at any moment leaves the old file or the new one, never a part. Raises StorageError.
    """
    beside = path.with_name(f".{path.name}.writing")
    with storing(path):
        try:
            yield beside
            sync(beside)
            beside.replace(path)
            sync(path.parent)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def sync(path: Path) -> None:
    """Have the disk keep a file's content or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json_atomic(path: Path, obj: Any) -> None:
    """Write `obj` as readable JSON, whole or not at all; raises StorageError."""
    text = json_text(obj, indent=2) + "\n"
    with replacing(Path(path)) as beside:
        beside.write_text(text, encoding="utf-8")


def json_text(obj: Any, indent: int | None = None) -> str:
    """JSON of `obj` in the words of `plain`, with control characters escaped: a terminal that shows it obeys none."""
    return shown(json.dumps(plain(obj), indent=indent, ensure_ascii=False), json_escape)


def read_json(path: Path) -> Any:
    """What a JSON file of a run holds; raises StorageError where it cannot be read or is damaged."""
    try:
        return parsed_json(path.read_bytes(), path)
    except OSError as error:
        raise StorageError(f"{path} cannot be read.", str(error), DAMAGED) from error


def parsed_json(text: bytes, path: Path) -> Any:
    """What a JSON text of the file `path` means; raises StorageError where it is damaged."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StorageError(f"{path} is damaged.", str(error), DAMAGED) from error


def plain(value: Any) -> Any:
    """Return `value` in the words of JSON: paths as strings, scalars of arrays as numbers, and "nan" and "inf" as
    strings, because JSON has no such numbers and null would hide them; strings as UTF-8 can hold them."""
    if isinstance(value, Mapping):
        return {valid(str(key)): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, (str, Path)):
        return valid(str(value))
    if hasattr(value, "item"):  # a scalar of numpy or torch
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def require_space(folder: Path, min_free_bytes: int) -> None:
    """Make `folder`, write to it and look at the disk, so that a run fails before it starts and not after hours.

    Raises StorageError where the folder cannot be written or fewer than `min_free_bytes` are free.
    """
    probe = folder / f".probe-{os.getpid()}"
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"r1lab")
        probe.unlink()
    free = shutil.disk_usage(folder).free
    if free < min_free_bytes:
        raise StorageError(
            f"The disk of {folder} is too full for this run.",
            f"{free / 1e9:.2f} GB free, {min_free_bytes / 1e9:.2f} GB wanted",
            "Free some space, choose a folder on another disk, or lower run.min_free_bytes.",
        )


class Lock:
    """A lock file held by this process and no child of it; the kernel releases it at the process's death."""

    def __init__(self, path: Path, descriptor: int):
        self.path, self._descriptor = path, descriptor
        # a forked worker would keep the lock alive after its parent was killed, and refuse the resumed run
        os.register_at_fork(after_in_child=self.release)

    @classmethod
    def take(cls, path: Path, wait: bool) -> "Lock | None":
        """Take the lock, waiting for its holder or else returning None where there is one."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        return cls(path, descriptor)

    def release(self) -> None:
        """Give the lock back; once is enough, twice does no harm."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> "Lock":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def holder(path: Path) -> str:
    """Return who holds the lock file `path`, in words: "process 4711 on node3"."""
    return path.read_text(encoding="utf-8", errors="replace") or "another process"
