"""Checkpoints: a Hugging Face folder with the trainer's state beside it, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)

from r1lab import ranks
from r1lab.errors import StorageError
from r1lab.models.export import export
from r1lab.training.state_reader import StatePlanner, StateReader

MANIFEST = "checkpoint.json"
NAME = re.compile(r"step-\d{6,}")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one attempt: `step-000040/` holds what transformers loads, and `trainer/` what resuming needs.

    `trainer/` is a torch distributed checkpoint: every rank writes its own shard, and it loads on any number of ranks.
    """

    folder: Path
    keep: int
    """Newest checkpoints that stay on disk; at least 2, so that a broken one has another behind it."""

    def save(self, module: Any, tokenizer: Any, state: dict[str, Any]) -> Path:
        """Writes the module's models, its optimizer and `state` beside the others, then renames; all ranks call it."""
        target = self.folder / f"step-{state['step']:06d}"
        draft = self.folder / f".{target.name}.draft"
        if ranks.is_first():
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(parents=True)
        ranks.barrier()
        try:
            export(module.policy.model, tokenizer, draft / "policy")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of running without process groups, which is meant
                dcp.save(trainer_state(module), checkpoint_id=draft / "trainer", no_dist=ranks.count() == 1)
            ranks.barrier()
            if ranks.is_first():
                for file in (draft / "policy").iterdir():
                    file.rename(draft / file.name)
                (draft / "policy").rmdir()
                written = json.dumps({"state": state, "files": digests(draft)}, indent=1)
                (draft / MANIFEST).write_text(written, encoding="utf-8")
                shutil.rmtree(target, ignore_errors=True)
                draft.rename(target)
                self.prune()
        except BaseException as error:
            shutil.rmtree(draft, ignore_errors=True)
            reason = cause(error)
            # a full disk shows as RuntimeError where torch writes its own container
            if not isinstance(reason, (OSError, RuntimeError)):
                raise reason from None
            free = shutil.disk_usage(self.folder).free
            raise StorageError(
                "The checkpoint could not be written; the ones before it are untouched.",
                f"{reason}; {free / 1e6:,.1f} MB free under {self.folder}",
                "Free space and run the same command: it goes on from the newest checkpoint.",
            ) from error
        ranks.barrier()
        return target

    def all(self) -> list[Path]:
        """Finished checkpoints, oldest first."""
        return sorted(path for path in self.folder.glob("step-*") if NAME.fullmatch(path.name) and path.is_dir())

    def newest(self, tell=print) -> tuple[Path, dict[str, Any]] | None:
        """The newest checkpoint whose files are whole, with its state; a broken one is passed over with a word."""
        for path in reversed(self.all()):
            fault = broken(path)
            if fault is None:
                return path, json.loads((path / MANIFEST).read_text(encoding="utf-8"))["state"]
            tell(f"Checkpoint {path.name} is broken ({fault}); falling back to the one before it.")
        if self.all():
            tell("No checkpoint is whole: starting again from the first step.")
        return None

    def load(self, path: Path, module: Any) -> None:
        """Restores the module's models and its optimizer in place; all ranks call it.

        Raises StorageError: the checkpoint holds something other than numbers, texts and tensors.
        """
        state = trainer_state(module)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader = StateReader(path / "trainer")
                dcp.load(state, storage_reader=reader, planner=StatePlanner(), no_dist=ranks.count() == 1)
        except CheckpointException as error:
            raise cause(error) from None
        for name, model in module.models.items():
            set_model_state_dict(model, state[name])
        for (name, (model, _)), optimizer in zip(module.trained.items(), module.trainer.optimizers, strict=True):
            set_optimizer_state_dict(model, optimizer, state[optimizer_key(name)])

    def drop_after(self, step: int) -> None:
        """Removes checkpoints of later steps: the run that wrote them is being done again from here."""
        for path in self.all():
            if int(path.name.removeprefix("step-")) > step:
                shutil.rmtree(path)

    def prune(self) -> None:
        """Removes all but the newest."""
        for path in self.all()[: -max(self.keep, 2)]:
            shutil.rmtree(path)


def cause(error: BaseException) -> BaseException:
    """The first rank's own error, where torch wraps what happened while it wrote."""
    return next(iter(error.failures.values()))[0] if isinstance(error, CheckpointException) else error


def trainer_state(module: Any) -> dict[str, Any]:
    """What a distributed checkpoint saves and loads in place: the same tree before and after."""
    state = {name: get_model_state_dict(model) for name, model in module.models.items()}
    for (name, (model, _)), optimizer in zip(module.trained.items(), module.trainer.optimizers, strict=True):
        state[optimizer_key(name)] = get_optimizer_state_dict(model, optimizer)
    return state


def optimizer_key(name: str) -> str:
    """Where a model's optimizer stands in a checkpoint."""
    return "optimizer" if name == "policy" else f"optimizer of {name}"


def copy_policy(checkpoint: Path, folder: Path) -> None:
    """Copies a checkpoint's Hugging Face folder, without what only resuming needs."""
    for file in checkpoint.iterdir():
        if file.is_file() and file.name != MANIFEST:
            shutil.copy2(file, folder / file.name)


def broken(path: Path) -> str | None:
    """What is wrong with a checkpoint, or None when every file is there with the bytes that were written."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        files, _ = manifest["files"], manifest["state"]["step"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} is missing or unreadable"
    for name, expected in files.items():
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if digest(file) != expected:
            return f"{name} is not what was written"
    return None


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder, by its relative name."""
    return {str(f.relative_to(folder)): digest(f) for f in sorted(folder.rglob("*")) if f.is_file()}


def digest(file: Path) -> str:
    """blake2b of a file's bytes."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
