"""A checkpoint that cannot be written is said so, and leaves the ones before it and no draft."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder where the base is stored: the limits are to strike what comes after it."""
    root = tmp_path_factory.mktemp("limited")
    words = [f"run.root={root}", "stage.max_steps=2", "stage.checkpoint_steps=2", "stage.ref_refresh_steps=2"]
    command = [sys.executable, "-m", "r1lab", "experiments=tiny", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=ENVIRONMENT, timeout=200)
    return root


@pytest.mark.parametrize("limit", [30_000, 60_000, 150_000])
def test_a_file_limit_stops_the_run_with_a_remedy(limit, root):
    command = ["r1lab", "experiments=tiny", f"run.root={root}", f"run.name=limit_{limit}"]
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
    program = f"{limited} import sys; sys.argv = {command!r}; from r1lab.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env=ENVIRONMENT, timeout=200
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "StorageError" in done.stderr and "try:" in done.stderr and "Traceback" not in done.stderr
    assert list(root.glob(f"limit_{limit}/*/attempt_1/checkpoints"))
    assert not list(root.glob(f"limit_{limit}/*/attempt_1/checkpoints/.*.draft"))
