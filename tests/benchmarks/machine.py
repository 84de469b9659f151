"""What the benchmarks share: options, repeats that alternate with a peer, and what the machine can do at best.

Every benchmark measures r1lab and a peer in the same run, in turns, for a shared machine is never twice as busy. Both
sides have the same threads and the same dtype of matrix products.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DTYPES = ("float32", "bfloat16")
ROOFLINE_SIZE = (512, 576, 1536)
"""Rows, inner and columns of the product that tells which dtype is faster: tokens and layers of a small model."""


def parser(doc):
    """Options that all benchmarks have; the first line of a module's docstring says what it measures."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    options = argparse.ArgumentParser(description=doc.partition("\n")[0])
    options.add_argument("--dtype", choices=DTYPES, help="of matrix products; default: the faster one here")
    options.add_argument("--threads", type=int, default=1, help="of each side")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--out", type=Path, help="file for the JSON")
    return options


def run(options, measure):
    """Prints and returns what ``measure(options)`` found, on what; writes it where ``options.out`` says."""
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    use_threads(options.threads)
    load = os.getloadavg()[0]
    rates = {name: mm_rate(*ROOFLINE_SIZE, dtype=name) for name in DTYPES}
    options.dtype = options.dtype or max(rates, key=rates.get)
    figures = {
        "benchmark": Path(sys.argv[0]).stem,
        **measure(options),
        "dtype": options.dtype,
        "threads": options.threads,
        "load_average": [round(load, 2), round(os.getloadavg()[0], 2)],
        "mm_gflops": {name: round(rate / 1e9, 1) for name, rate in rates.items()},
        "copy_gbytes_per_second": round(copy_bandwidth() / 1e9, 1),
        "machine": described(),
    }
    text = json.dumps(figures, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")
    return figures


def compare(ours, peer, repeats, lower_is_better=False):
    """Calls two functions that return a figure in turns; medians, and how many times better the first one is."""
    found = {"r1lab": [], "peer": []}
    for _ in range(repeats):
        for name, measure in (("r1lab", ours), ("peer", peer)):
            found[name].append(measure())
            print(f"{name}: {found[name][-1]:,.2f}", file=sys.stderr, flush=True)
    mine, its = (statistics.median(values) for values in found.values())
    ratio = its / mine if lower_is_better else mine / its
    return {"r1lab": round(mine, 2), "peer": round(its, 2), "ratio": round(ratio, 2), "all": rounded(found)}


def rounded(found):
    return {name: [round(value, 2) for value in values] for name, values in found.items()}


def child(python, *words):
    """The JSON of the last line that another process of a benchmark prints; its errors go to the terminal."""
    done = subprocess.run([python, *map(str, words)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def use_threads(num):
    import torch

    torch.set_num_threads(num)


def mm_rate(rows, inner, columns, dtype, seconds=0.3):
    """FLOP/s of torch.mm, [rows, inner] x [inner, columns]."""
    import torch

    left, right = (torch.randn(shape).to(getattr(torch, dtype)) for shape in ((rows, inner), (inner, columns)))
    return 2 * rows * inner * columns / seconds_of(lambda: torch.mm(left, right), seconds)


def copy_bandwidth(seconds=0.3):
    """Bytes/s of a copy that no cache holds, read and written counted both."""
    import torch

    source = torch.ones(2**26)
    target = torch.empty_like(source)
    return 2 * source.nbytes / seconds_of(lambda: target.copy_(source), seconds)


def seconds_of(work, seconds):
    """Median time of one call, over as many calls as fill the seconds; the first one warms up and does not count."""
    work()
    times, end = [], time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def described():
    """The machine as a run records it, and its commit."""
    from r1lab.records.machine import code, machine

    named = {name: value for name, value in machine().items() if name != "host"}
    return {**named, "r1lab": code()}
