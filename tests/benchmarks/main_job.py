"""Time of the main job until held-out accuracy reaches 78 %, against another checkout of r1lab.

``python tests/benchmarks/main_job.py --peer FOLDER --seeds 0 1 2 --out main_job.json``. Both start with the base there
is, which a first run of each makes; two made by different code may differ by rounding, so copy one to the other's
outputs/artifacts. Evaluations are part of the time, for both have the same ones.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from machine import ROOT, compare, parser, run

GOAL = 0.78


def seconds_to_goal(checkout, seed, root):
    """Wall time from the command to the first evaluation at the goal, where the run is ended; infinite without one."""
    start, name = time.time(), f"seed{seed}-{time.time_ns()}"
    command = [sys.executable, "-m", "r1lab", "stage=r1zero", "model=v3base", f"run.seed={seed}", f"run.name={name}"]
    run = subprocess.Popen([*command, f"run.root={root}", "tracker=disabled"], cwd=checkout, stdout=sys.stderr)
    ended = False
    while not ended:
        time.sleep(0.2)
        ended = run.poll() is not None
        for path in sorted(Path(root).glob(f"{name}/*/attempt_1/evaluations/*.json")):
            if json.loads(path.read_text())["pass_at_1"]["mean"] >= GOAL:
                run.terminate()
                run.wait()
                return path.stat().st_mtime - start
    assert run.returncode == 0, f"the run in {checkout} failed"
    return float("inf")


def measure(options):
    found, roots = {}, {checkout: checkout / "outputs" for checkout in (ROOT, options.peer)}
    for seed in options.seeds:
        ours, peer = (lambda c=c, s=seed: seconds_to_goal(c, s, roots[c]) for c in (ROOT, options.peer))
        found[f"seed {seed}"] = compare(ours, peer, options.repeats, lower_is_better=True)
    return {"goal": GOAL, "seconds": found}


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--peer", type=Path, required=True, help="another checkout")
    options.add_argument("--seeds", type=int, nargs="+", default=[0])
    options.set_defaults(repeats=1)
    parsed = options.parse_args()
    parsed.peer = parsed.peer.resolve()
    run(parsed, measure)
