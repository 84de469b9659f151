"""The README's commands are commands: each composes and passes the check that a run begins with."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", TEXT, flags=re.S | re.M)
COMMANDS = [
    line.split("  #")[0].strip()
    for block in BLOCKS
    for line in block.splitlines()
    if line.startswith("python -m r1lab")
]


def test_there_are_commands():
    assert len(COMMANDS) >= 10
    assert "make run" in TEXT and "make test" in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_composes(command, tmp_path):
    words = shlex.split(command.replace("FOLDER", str(tmp_path)))[3:]
    if "-m" in words:  # a multirun runs, one job here is enough to see that its parts compose
        words.remove("-m")
        words = [word.partition(",")[0] for word in words]
    if "--help" not in words and "--cfg" not in words:
        words += ["--cfg", "job", "--resolve"]
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *words], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "_target_" in done.stdout or "Powered by Hydra" in done.stdout


def test_files_the_readme_names_exist():
    for name in re.findall(
        r"`((?:r1lab/|conf/|training/|functional/|data/|engines/|text/|rewards/|rollouts/|experiments/)[\w/.]*)`", TEXT
    ):
        assert (ROOT / name).exists() or (ROOT / "r1lab" / name).exists(), name
