"""The page of --help, the choices of a group, and one choice; read from the files of conf/, without Hydra."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from r1lab import terminal
from r1lab.characters import shown
from r1lab.errors import ConfigError
from r1lab.folders import TOP_FOLDERS, folder

FLAGS = ("--help", "-h")
WIDTH = 110
FIRST = ("stage", "model", "scale", "mix")
"""The groups that a command names most often."""
PAGE = """r1lab runs the experiments of the DeepSeek-R1 paper from configurations that you compose by words.

  python -m r1lab [GROUP=CHOICE ...] [KEY=VALUE ...]

Commands to begin with:
  python -m r1lab stage=r1zero model=v3base                       R1-Zero on this machine, with a small base
  python -m r1lab stage=r1 model=v3base plan=true                 what the whole pipeline would do; nothing is run
  python -m r1lab stage=explain stage.of=r1zero                   the objective, and every value that is not the paper's
  python -m r1lab stage=evaluate model=smollm2_135m mix=gsm8k mix.path=FOLDER
                                                                  a real model on real questions
  python -m r1lab -m experiments=r1zero_local run.seed=0,1,2      a sweep, one run for each seed

Groups (in brackets the choice that holds where none is named, and how many there are):
{groups}

Their parts have groups, too:
{parts}

More:
  python -m r1lab --help GROUP                  the choices of a group, a line each
  python -m r1lab --help GROUP=CHOICE           one choice: its values, and where they come from
  python -m r1lab GROUP=CHOICE ... --cfg job    the configuration that these words compose
  python -m r1lab stage=explain stage.of=r1zero stage.key=optim.lr
                                                where a value comes from, line by line, and the paper's
  python -m r1lab --hydra-help                  options of Hydra: sweeps, launchers, output
"""


def wanted(words: Sequence[str]) -> bool:
    """Whether a command asks for help."""
    return any(word in FLAGS for word in words)


def show(words: Sequence[str]) -> None:
    """Prints the help for a command's words; leaves with 1 where they name no group or choice."""
    try:
        terminal.tell(text(words))
    except ConfigError as error:
        sys.exit(shown(f"{type(error).__name__}: {error}"))


def text(words: Sequence[str]) -> str:
    """The help for a command's words: the page, or the groups and choices that they name. Raises ConfigError."""
    named = [word for word in words if not word.startswith("-")]
    return "\n\n".join(map(_topic, named)) if named else page()


def page() -> str:
    """The first page."""
    rows = sorted(_defaults(), key=lambda row: FIRST.index(row[0]) if row[0] in FIRST else len(FIRST))
    width = max(len(group) for group, _, _ in rows)
    lines = [
        f"  {group.ljust(width)}  {said} ({default or 'none'}, of {len(choices(group))})"
        for group, default, said in rows
    ]
    parts = [group for group in groups() if group not in {group for group, _, _ in rows}]
    wrapped = textwrap.fill(", ".join(parts), WIDTH, initial_indent="  ", subsequent_indent="  ")
    return PAGE.format(groups="\n".join(lines), parts=wrapped)


def groups() -> list[str]:
    """The groups that have files, by name; those below another ("judge/pairs") behind it."""
    conf = folder("conf")
    found = {path.parent.relative_to(conf).as_posix() for path in conf.rglob("*.yaml")} - {"."}
    return sorted({*found, *TOP_FOLDERS} - {group for group in found if group.startswith("hydra")})


def choices(group: str) -> list[Path]:
    """The files of a group."""
    place = folder(group) if group in TOP_FOLDERS else folder("conf") / group
    return sorted(place.glob("*.yaml"))


def about(file: Path) -> str:
    """What a file's header says that it is; of an experiment its question."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = (re.match(r"# (?:what|question):\s*(.+)", line) for line in lines)
    return next((match[1] for match in found if match), "")


def _topic(word: str) -> str:
    group, _, choice = word.lstrip("+~").partition("=")
    group = group.partition("@")[0]
    if group not in groups():
        near = get_close_matches(group, groups(), 1)
        remedy = f"Did you mean {near[0]}?" if near else "--help shows all groups."
        raise ConfigError(f"There is no group {group}.", word, remedy)
    files = {file.stem: file for file in choices(group)}
    if not choice:
        return "\n".join([f"{group}=CHOICE", *_rows(files)])
    if choice not in files:
        raise ConfigError(f"There is no {group}={choice}.", word, f"Choose from {', '.join(files)}.")
    return f"{files[choice]}\n\n{files[choice].read_text(encoding='utf-8').rstrip()}"


def _rows(files: dict[str, Path]) -> Iterator[str]:
    width = max(map(len, files))
    for name, file in files.items():
        lines = textwrap.wrap(about(file), WIDTH - width) or [""]
        yield f"  {name.ljust(width)}  {lines[0]}"
        yield from (" " * (width + 4) + line for line in lines[1:])


def _defaults() -> Iterator[tuple[str, str, str]]:
    """(group, default choice, what it is) of config.yaml, whose comments say the last."""
    said = ""
    for line in (folder("conf") / "config.yaml").read_text(encoding="utf-8").splitlines():
        if comment := re.fullmatch(r"  # (.+)", line):
            said = comment[1]
        elif entry := re.fullmatch(r"  - (\w+)(?:@[\w.]+)?: (\S+)", line):
            if said:
                yield entry[1], _plain(entry[2]), said
            said = ""


def _plain(choice: str) -> str:
    """A default as a word: that of a group which follows the scale is the local one."""
    return {"null": "", "${scale}": "local"}.get(choice, choice)
