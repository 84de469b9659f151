"""--help is a page of its own: complete, quick, and right about the files that it speaks of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from r1lab import manual
from r1lab.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_names_every_group_with_its_default_and_its_number_of_choices():
    page = manual.page()
    defaults = yaml.safe_load((ROOT / "conf/config.yaml").read_text())["defaults"]
    named = dict(entry.popitem() for entry in defaults if isinstance(entry, dict))
    for key, choice in named.items():
        group = key.partition("@")[0]
        if group.startswith("override"):
            continue
        (line,) = [line for line in page.splitlines() if re.match(rf"  {group}  ", line)]
        place = ROOT / (group if group in ("experiments", "sweeps") else f"conf/{group}")
        default = {None: "none", "${scale}": "local"}.get(choice, choice)
        assert f"of {len(list(place.glob('*.yaml')))})" in line
        assert f"({default}, " in line or group == "reward"
    folders = {path.parent.relative_to(ROOT / "conf").as_posix() for path in (ROOT / "conf").rglob("*.yaml")}
    for group in folders - {"."}:
        assert re.search(rf"(^| ){group}(,| |$)", page, re.MULTILINE) or group.startswith("hydra"), group
    assert max(map(len, page.splitlines())) <= 120


def test_every_command_of_the_page_composes(hydra):
    from hydra import compose

    commands = re.findall(r"python -m r1lab ((?:-m )?[a-z]+=.*?)(?:   |$)", manual.page(), re.MULTILINE)
    assert len(commands) == 6
    for command in commands:
        words = [word.partition(",")[0] for word in command.split() if word != "-m"]
        compose("config", overrides=words)


@pytest.mark.parametrize("group", manual.groups())
def test_every_choice_of_a_group_has_a_line(group):
    shown = manual.text([group])
    for file in manual.choices(group):
        assert re.search(rf"^  {file.stem}\s+\S", shown, re.MULTILINE), file
        assert manual.about(file)


def test_one_choice_is_its_file():
    shown = manual.text(["model=v3base"])
    path = ROOT / "conf/model/v3base.yaml"
    assert shown.startswith(str(path)) and shown.endswith(path.read_text().rstrip())
    assert manual.text(["+reward@rewards.language=language"]).startswith(str(ROOT / "conf/reward/language.yaml"))
    assert manual.text(["experiments=tiny"]).startswith(str(ROOT / "experiments/tiny.yaml"))
    assert manual.text(["stage", "model=v3base"]).count("\n\n") >= 2


@pytest.mark.parametrize(
    ("word", "wrong", "remedy"),
    [
        ("objectiv", "no group objectiv", "Did you mean objective?"),
        ("stage=r1zer", "no stage=r1zer", "Choose from"),
        ("run.seed=3", "no group run.seed", "--help shows all groups"),
    ],
)
def test_what_there_is_not_is_said(word, wrong, remedy):
    with pytest.raises(ConfigError, match=wrong) as error:
        manual.text([word])
    assert remedy in error.value.remedy


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["stage=r1zero", "-h"], 0), (["--help", "nothing"], 1)])
def test_help_needs_no_heavy_import(words, code):
    program = (
        "import sys\nfrom r1lab.__main__ import main\n"
        "try:\n    main()\nfinally:\n    sys.exit(7) if {'hydra', 'omegaconf', 'torch'} & set(sys.modules) else None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, encoding="utf-8", cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("There is no group nothing" in done.stderr) == (code == 1) and bool(done.stdout) == (code == 0)
