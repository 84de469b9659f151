"""Scores of mathematics a second, from the text of a completion to its status, a phase of 8,192 at a time.

``python tests/benchmarks/score_math.py --out scores.json``. Three workloads: grade-school answers as a run judges them
(text and numbers decide in the process itself), the same with every answer sent to a worker and no two alike, and
competition answers, which have to be read as formulas.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def measure(checker, kind, num, group_size, num_workers):
    """Best and worst of three passes: scores a second, parsing of the text included."""
    from math_workload import reward, rollouts

    judge = reward(checker, 5.0, 512 * 2**20, num_workers)
    judge(rollouts(4 * num_workers, [kind], False, group_size=1, seed=99)[0])
    rates, wrong = [], 0
    for seed in range(3):
        start = time.perf_counter()
        made, truth = rollouts(num, [kind], False, group_size, seed)
        scores = judge(made)
        rates.append(num / (time.perf_counter() - start))
        wrong += sum(not score.judged or score.value != expected for score, expected in zip(scores, truth))
    judge.close()
    return {"num": num, "scores_per_second": [round(rate) for rate in sorted(rates)], "wrong": wrong}


def main(num_workers):
    from faulty_math import WorkerOnly
    from math_workload import GROUP_SIZE, competition, grade_school

    from r1lab.verifiers.math_answer import MathChecker

    load = os.getloadavg()[0]
    return {
        "num_workers": num_workers,
        "cores": os.cpu_count(),
        "grade_school": measure(MathChecker, grade_school, 8192, GROUP_SIZE, num_workers),
        "grade_school_in_workers": measure(WorkerOnly, grade_school, 8192, 1, num_workers),
        "competition": measure(MathChecker, competition, 1024, GROUP_SIZE, num_workers),
        "load_average": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--num-workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/verifiers")]
    text = json.dumps(main(options.num_workers), indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
