"""A model's folder: whether it is whole, seen from its headers, and which model it is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from r1lab.errors import ModelError
from r1lab.models.own_code import read_json

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")
INDEX, WEIGHTS = "model.safetensors.index.json", "model.safetensors"
ADAPTER, ADAPTER_WEIGHTS = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")
SAMPLED_BYTES = 2**22
"""Of the beginning, the middle and the end of a file, to tell it from others."""
AGAIN = "Fetch or export the model again."
CLASSIFIER = "ForSequenceClassification"
"""How the names of architectures with a scalar head end."""
REMEDIES = {
    "policy": "Give a language model, such as artifact:policy/ADDRESS.",
    "reward_model": "Give a sequence classifier with one output, such as artifact:reward_model/ADDRESS.",
}


def check_folder(path: str | Path) -> None:
    """A model folder is whole: config, tokenizer, every shard present, none cut short; reads headers only.

    Raises ModelError on the first fault of each kind, with all missing shards listed.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ModelError("There is no such model folder.", str(folder), "Give an existing folder or a hub id.")
    check_adapter(str(folder))
    if not (folder / "config.json").is_file():
        remedy = "Give the folder that holds config.json beside the weights."
        raise ModelError("The folder is not a model: it has no config.json.", str(folder), remedy)
    _read_json(folder / "config.json")
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        remedy = "Copy tokenizer.json and tokenizer_config.json beside the weights."
        raise ModelError(
            "The model folder has no tokenizer.", f"none of {', '.join(TOKENIZER_FILES)} in {folder}", remedy
        )
    _check_weights(folder)


def check_adapter(source: str, revision: str | None = None) -> None:
    """A folder, or a hub id in the local cache, holds no adapter (LoRA). Raises ModelError.

    An adapter beside whole weights would be passed over, or loaded, depending on what else is installed.
    """
    base = read_json(source, ADAPTER, revision).get("base_model_name_or_path")
    there = [name for name in (ADAPTER, *ADAPTER_WEIGHTS) if (Path(source) / name).is_file()]
    if not there and base is None:
        return
    found = f"{source}: {', '.join(there or [ADAPTER])}" + (f", for {base}" if base else "")
    merge = (
        "Merge it first: peft.AutoPeftModelForCausalLM.from_pretrained(FOLDER).merge_and_unload()"
        ".save_pretrained(MERGED), copy the tokenizer, and give MERGED."
    )
    if (Path(source) / "config.json").is_file():
        wrong = "The folder holds a whole model and an adapter, which would be passed over."
        raise ModelError(wrong, found, f"{merge} If it is merged already, move the adapter's files away.")
    raise ModelError("This is an adapter, not a whole model.", found, merge)


def check_head(path: str | Path, kind: str) -> None:
    """A folder's model is a policy or a reward_model, as is asked for, by the architectures that its config names.

    One that names none passes. Raises ModelError.
    """
    named = _read_json(Path(path) / "config.json").get("architectures") or []
    if named and any(name.endswith(CLASSIFIER) for name in named) != (kind == "reward_model"):
        raise ModelError(f"This is no {kind.replace('_', ' ')}.", f"{path}: {few(named)}", REMEDIES[kind])


def _check_weights(folder: Path) -> None:
    """Shards named by the index (or the single file) exist, are whole, and hold the tensors that the index promises."""
    sharded = (folder / INDEX).is_file()
    weight_map = _read_json(folder / INDEX).get("weight_map", {}) if sharded else {}
    shards = sorted(set(weight_map.values())) if sharded else [WEIGHTS]
    missing = [name for name in shards if not (folder / name).is_file()]
    if pickled := sorted(path.name for path in folder.glob("pytorch_model*.bin")) if missing == [WEIGHTS] else []:
        wrong, found = "The weights are a pickle, which is not read.", f"{folder}: {few(pickled)}"
        raise ModelError(wrong, found, "Save the model as safetensors: model.save_pretrained(FOLDER) of transformers.")
    if sharded and WEIGHTS not in shards and (folder / WEIGHTS).is_file():
        # transformers would take the single file, whatever the index says
        wrong, found = "The folder holds two sets of weights.", f"{folder}: {WEIGHTS} beside {INDEX}"
        raise ModelError(wrong, found, "Move one of them away.")
    if missing or not shards:
        found = f"{len(missing)} of {len(shards)} missing in {folder}: {few(missing)}"
        raise ModelError("Weight files are missing.", found, AGAIN)
    for name in shards:
        held = safetensors_names(folder / name)
        absent = [tensor for tensor, shard in weight_map.items() if shard == name and tensor not in held]
        if absent:
            wrong = "A weight file is not the one that its index describes."
            raise ModelError(wrong, f"{name} lacks {few(absent)}", AGAIN)


def safetensors_names(path: Path) -> set[str]:
    """Names of the tensors in a safetensors file, its length compared with its header; ModelError if it is cut short.

    The file is: header length (8 bytes, little endian), JSON header with ``data_offsets``, data.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(length) if 8 + length <= size else b""
    try:
        ends = {name: entry["data_offsets"][1] for name, entry in json.loads(header).items() if name != "__metadata__"}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError("A weight file is broken.", f"{path.name}: unreadable header", AGAIN) from error
    promised = 8 + length + max(ends.values(), default=0)
    if size != promised:
        found = f"{path.name}: {size} bytes where its header promises {promised}"
        raise ModelError("A weight file is cut short or overwritten.", found, AGAIN)
    return set(ends)


def folder_digests(path: str | Path, with_code: bool = False) -> dict[str, str]:
    """The digest of each file that makes the model of a folder, by its name; `with_code`: of its Python files too."""
    kinds = (".json", ".safetensors", ".jinja", *((".py",) if with_code else ()))
    files = sorted(file for file in Path(path).glob("*") if file.suffix in kinds)
    return {file.name: file_digest(file) for file in files}


def file_digest(path: Path) -> str:
    """Size, beginning, middle and end of a file, hashed: training changes every tensor, and a shard has gigabytes."""
    size = path.stat().st_size
    hashed = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for start in sorted({0, max(0, size // 2 - SAMPLED_BYTES // 2), max(0, size - SAMPLED_BYTES)}):
            file.seek(start)
            hashed.update(file.read(SAMPLED_BYTES))
    return hashed.hexdigest()[:16]


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path.name} is not valid JSON.", f"{path}: {error}", AGAIN) from error


def few(names: list[Any], limit: int = 8) -> str:
    """A list for people: the first names and how many more."""
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return (", ".join(map(str, names[:limit])) or "nothing") + rest
