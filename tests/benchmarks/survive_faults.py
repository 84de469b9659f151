"""What hangs, crashes and memory bombs cost: the same scores without and with one of each in a hundred.

``python tests/benchmarks/survive_faults.py --out faults.json``. Every score is judged in a worker. The bound: all
other scores right, wall time at most 1.5 times that of the clean run plus the deadlines divided by the workers, no
process left behind, resident memory flat.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BATCHES = 5


def descendants(pid):
    """Pids below ``pid``, zombies included."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def resident_mib(pid):
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, IndexError):
        return 0.0


class Run:
    """Scores of one workload, batch by batch, with what they took."""

    def __init__(self, num, faulty, timeout_seconds, memory_bytes, num_workers):
        from math_workload import competition, grade_school, reward, rollouts

        kinds = [grade_school, competition]
        before = set(descendants(os.getpid()))
        self.judge = reward(faulty_math().WorkerOnly, timeout_seconds, memory_bytes, num_workers)
        self.made, self.truth = rollouts(num, kinds, faulty, group_size=1)
        self.judge(rollouts(100, kinds, faulty=False, group_size=1, seed=1)[0])
        self.nursery = min(set(descendants(os.getpid())) - before)
        self.scores, self.seconds, self.resident = [], 0.0, []

    def batch(self, size):
        start = time.perf_counter()
        self.scores += self.judge(self.made[len(self.scores) : len(self.scores) + size])
        self.seconds += time.perf_counter() - start
        self.resident.append([round(resident_mib(pid)) for pid in (os.getpid(), self.nursery, *self.workers())])

    def workers(self):
        return descendants(self.nursery)

    def figures(self):
        below = [self.nursery, *self.workers()]
        self.judge.close()
        faults = faulty_math().FAULTS
        named = Counter(rollout.response.answer for rollout in self.made)
        ms = {name: [s.ms for r, s in zip(self.made, self.scores) if r.response.answer == name] for name in faults}
        return {
            "seconds": round(self.seconds, 2),
            "faults": {name: named[name] for name in faults},
            "fault_ms": {name: round(sum(values) / len(values), 1) for name, values in ms.items() if values},
            "status": dict(Counter(str(score.status) for score in self.scores)),
            "others_wrong": sum(t is not None and (not s.judged or s.value != t) for s, t in self.pairs()),
            "faults_judged": sum(t is None and s.judged for s, t in self.pairs()),
            "left_behind": len([pid for pid in below if Path(f"/proc/{pid}").exists()]),
            "resident_mib_parent_nursery_workers": [self.resident[0], self.resident[-1]],
        }

    def pairs(self):
        return list(zip(self.scores, self.truth, strict=True))


def faulty_math():
    import faulty_math

    return faulty_math


def compare(num, timeout_seconds, memory_bytes, num_workers):
    """A clean and a faulty run in alternating batches, so that both meet the same load of the machine."""
    loads = [os.getloadavg()[0]]
    settings = (timeout_seconds, memory_bytes, num_workers)
    runs = [Run(num, faulty, *settings) for faulty in (False, True)]
    for _ in range(BATCHES):
        for run in runs:
            run.batch(num // BATCHES)
        loads.append(os.getloadavg()[0])
    clean, faulty = (run.figures() for run in runs)
    deadlines = faulty["faults"]["hang"] * timeout_seconds / num_workers
    bound = 1.5 * clean["seconds"] + deadlines
    return {
        "num": num,
        "timeout_seconds": timeout_seconds,
        "memory_bytes": memory_bytes,
        "num_workers": num_workers,
        "load_average": [round(load, 1) for load in loads],
        "clean_seconds": clean["seconds"],
        "faulty_seconds": faulty["seconds"],
        "deadlines_seconds": deadlines,
        "bound_seconds": round(bound, 2),
        "within_bound": faulty["seconds"] <= bound,
        "all_others_right": faulty["others_wrong"] == clean["others_wrong"] == 0,
        "clean": clean,
        "faulty": faulty,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num", type=int, default=10_000)
    parser.add_argument("--timeout-seconds", type=float, default=1.0)
    parser.add_argument("--memory-bytes", type=int, default=128 * 2**20)
    parser.add_argument("--num-workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/verifiers")]
    figures = compare(options.num, options.timeout_seconds, options.memory_bytes, options.num_workers)
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
