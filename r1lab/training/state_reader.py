"""Reads a torch distributed checkpoint as data: its pickles may name a short list of types, and nothing is called.

torch unpickles `.metadata`, and every value that is not a tensor, without a restriction: resuming a run that somebody
else wrote would run whatever those files hold. The digests in checkpoint.json are no signature.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint import DefaultLoadPlanner, FileSystemReader, Metadata, filesystem, metadata
from torch.distributed.checkpoint._traverse import set_element
from torch.distributed.checkpoint.planner import ReadItem
from torch.serialization import _get_layout

from r1lab.errors import StorageError

KINDS = (
    metadata.BytesStorageMetadata, metadata.ChunkStorageMetadata, metadata.Metadata, metadata.MetadataIndex,
    metadata.StorageMeta, metadata.TensorProperties, metadata.TensorStorageMetadata, metadata._MEM_FORMAT_ENCODING,
    filesystem._StorageInfo, torch.Size,
)  # fmt: skip
NAMED = {(kind.__module__, kind.__name__): kind for kind in KINDS} | {
    ("torch.serialization", "_get_layout"): _get_layout,
    # the folder that the checkpoint was written to; no file is touched by its name
    **{("pathlib", name): Path for name in ("Path", "PosixPath", "WindowsPath")},
    **{("pathlib._local", name): Path for name in ("Path", "PosixPath", "WindowsPath")},
}
"""What `.metadata` may name, besides the dtypes of torch."""


class StateReader(FileSystemReader):
    """The files of a checkpoint; `.metadata` is read at once. Raises StorageError for one that r1lab does not write."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self._found = read_metadata(folder)

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        self._found.storage_meta = self._found.storage_meta or metadata.StorageMeta()
        self._found.storage_meta.load_id = self.load_id
        return self._found


class StatePlanner(DefaultLoadPlanner):
    """Puts values that are not tensors in their places: numbers, texts, lists. Raises StorageError for all others."""

    def load_bytes(self, read_item: ReadItem, value: io.BytesIO) -> None:
        name = read_item.dest_index.fqn
        try:
            found = torch.load(value, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
            raise refusal(f"{name} is no plain value ({type(error).__name__})") from error
        set_element(self.original_state_dict, self.mappings[name], found)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if isinstance(dtype := getattr(torch, name, None) if module == "torch" else None, torch.dtype):
            return dtype
        if (module, name) not in NAMED:
            raise pickle.UnpicklingError(f"it would call {module}.{name}")
        return NAMED[module, name]


def read_metadata(folder: Path) -> Metadata:
    """The `.metadata` of a checkpoint's folder. Raises StorageError where it is no plain description of tensors."""
    path = folder / ".metadata"
    try:
        with path.open("rb") as stream:
            found = _Unpickler(stream).load()
        files = [stored.relative_path for stored in found.storage_data.values()]
        tensors = found.state_dict_metadata.keys()
    except OSError as error:
        raise StorageError("The checkpoint cannot be read.", str(error), "Delete the folder of this step.") from error
    except Exception as error:  # bytes that are no pickle make the unpickler raise anything
        raise refusal(f"{path}: {error}") from error
    if not isinstance(found, Metadata) or not all(isinstance(name, str) for name in tensors):
        raise refusal(f"{path} describes no tensors")
    if outside := [name for name in files if not isinstance(name, str) or Path(name).name != name]:
        raise refusal(f"{path} names a file outside of its folder: {outside[0]!r}")
    return found


def refusal(found: str) -> StorageError:
    """What is said of a checkpoint that r1lab has not written like this."""
    return StorageError(
        "The checkpoint is refused: resuming from it could run code of whoever wrote it.",
        found,
        "If the run is yours, delete the folder of this step: the run goes on from the one before. If it is somebody "
        "else's, take its weights alone: model.weights=FOLDER.",
    )
