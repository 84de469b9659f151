"""Where a value of a configuration comes from: the files that set it, line by line, and the words of the command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf

from r1lab.config.nodes import key_of, overlap
from r1lab.errors import ConfigError

POINTER = re.compile(r"\$\{([A-Za-z_][\w.]*)\}")


@dataclass(frozen=True)
class Origin:
    """A line that sets a value, or a word of the command."""

    place: str
    """``conf/stage/r1zero.yaml:14``, or ``command``."""
    said: str
    """The line, or the word."""
    why: tuple[str, ...] = ()
    """The comment above the line."""


def followed(config: DictConfig, key: str) -> str:
    """The key at which a value stands: ``stage.optim.lr`` is ``optim.lr``, because ``stage.optim`` says ${optim}.

    Raises ConfigError: there is no such key.
    """
    parts, node, path = key.split("."), config, ""
    for number, part in enumerate(parts):
        if not isinstance(node, DictConfig) or part not in node:
            raise ConfigError(f"There is no key {key}.", f"{path or 'the configuration'} has {_keys(node)}")
        raw = OmegaConf.to_container(node, resolve=False)[part]
        if isinstance(raw, str) and (pointer := POINTER.fullmatch(raw)):
            return followed(config, ".".join([pointer[1], *parts[number + 1 :]]))
        path = f"{path}.{part}".lstrip(".")
        node = node[part] if number < len(parts) - 1 else None
    return path


def origins(key: str, words: Sequence[str]) -> list[Origin]:
    """What sets a key in a configuration composed by these words, in order: the last one holds.

    To be called where Hydra is initialized.
    """
    from hydra.core.global_hydra import GlobalHydra
    from hydra.types import RunMode

    loader = GlobalHydra.instance().config_loader()
    listed = loader.compute_defaults_list(config_name="config", overrides=list(words), run_mode=RunMode.RUN)
    found = []
    for default in listed.defaults:
        file = _file(loader, default.config_path)
        if file is not None and (rest := _below(key, default.package or "")) is not None:
            found += _lines(file, rest)
    # a word without a dot chooses a file, which is among them
    settings = (word for word in words if "." in key_of(word) or key_of(word) == key)
    return [*found, *(Origin("command", word) for word in settings if overlap(key_of(word), key))]


def _below(key: str, package: str) -> list[str] | None:
    """The part of a key that a file of that package holds; None where it holds none of it."""
    if not package:
        return key.split(".")
    return key.removeprefix(f"{package}.").split(".") if key.startswith(f"{package}.") else None


def _file(loader: object, config_path: str) -> Path | None:
    for source in loader.repository.get_sources():
        if source.scheme() in ("file", "r1lab") and source.is_config(config_path):
            return Path(source.path) / f"{config_path}.yaml"
    return None


def _lines(file: Path, path: Sequence[str]) -> Iterator[Origin]:
    """The line of a file that sets a value, or what the value is part of."""
    text = file.read_text(encoding="utf-8")
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), None
    for part in path:
        if not isinstance(node, yaml.MappingNode):
            break
        pairs = {key.value: (key, value) for key, value in node.value}
        if part not in pairs:
            return
        key, node = pairs[part]
        line = key.start_mark.line
    if line is not None:
        lines = text.splitlines()
        end = node.end_mark.line if isinstance(node, yaml.ScalarNode) else line
        said = " ".join(part.strip() for part in lines[line : end + 1])
        yield Origin(f"{_shown(file)}:{line + 1}", said, tuple(_comment(lines, line)))


def _comment(lines: Sequence[str], line: int) -> list[str]:
    above = line
    while above and lines[above - 1].strip().startswith("#"):
        above -= 1
    return [text.strip() for text in lines[above:line] if "@package" not in text]


def _shown(file: Path) -> str:
    """A file by its place below the folder that one stands in, or whole."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


def _keys(node: object) -> str:
    return ", ".join(map(str, node)) if isinstance(node, DictConfig) else "no keys"
