"""Seconds from the command to its answer, against the import that a TRL script begins with.

``python tests/benchmarks/startup.py --peer-python PYTHON --out startup.json``. Ours: the help, the whole configuration
of the main job, and a value that cannot be; the peer's: ``from trl import GRPOConfig, GRPOTrainer``, which comes before
its first argument is read.
"""

import subprocess
import sys
import time

import machine

OURS = {
    "help": (["--help"], 0),
    "configuration": (["stage=r1zero", "model=v3base", "--cfg", "job"], 0),
    "wrong value": (["stage=r1zero", "model=v3base", "stage.plan.group_size=1"], 1),
}
PEER = "from trl import GRPOConfig, GRPOTrainer"


def seconds(command, code):
    start = time.perf_counter()
    done = subprocess.run(command, cwd=machine.ROOT, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return time.perf_counter() - start


def measure(options):
    figures = {"unit": "seconds"}
    for name, (words, code) in OURS.items():
        figures[name] = machine.compare(
            lambda: seconds([sys.executable, "-m", "r1lab", *words], code),  # noqa: B023
            lambda: seconds([options.peer_python, "-c", PEER], 0),
            options.repeats,
            lower_is_better=True,
        )
    return figures


if __name__ == "__main__":
    parser = machine.parser(__doc__)
    parser.add_argument("--peer-python", required=True, help="interpreter that has TRL")
    machine.run(parser.parse_args(), measure)
