"""A checkpoint that cannot be written is said so, and leaves the ones before it and no draft."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("limit", [20_000, 60_000, 150_000])
def test_a_file_limit_stops_the_run_with_a_remedy(limit, tmp_path):
    command = [sys.executable, "-m", "r1lab", "experiments=tiny", f"run.root={tmp_path}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    base = [*command, "stage.max_steps=2", "stage.checkpoint_steps=2", "stage.ref_refresh_steps=2"]
    subprocess.run(base, cwd=ROOT, check=True, capture_output=True, env=environment, timeout=200)
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
    program = f"{limited} import sys; sys.argv = {['r1lab', *command[3:]]!r}; from r1lab.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, env=environment, timeout=200
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "StorageError" in done.stderr and "try:" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("tiny/*/attempt_1/checkpoints/.*.draft"))
