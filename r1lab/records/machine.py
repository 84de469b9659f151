"""What a run ran on: the code and the machine, in words for run.json."""

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "lightning", "hydra-core", "mpmath", "pyarrow")


def code() -> dict[str, Any]:
    """Return the package's version and, in a git checkout, its commit and whether files differ from it."""
    root = Path(__file__).resolve().parents[2]
    commit = _git(root, "rev-parse", "HEAD") if (root / ".git").exists() else None
    changed = _git(root, "status", "--porcelain", "--untracked-files=no") if commit else None
    return {"version": _version("r1lab"), "commit": commit, "dirty": None if changed is None else changed != ""}


def machine() -> dict[str, Any]:
    """Return host, processor, cores, memory, GPUs, operating system and the versions of what the numbers depend on."""
    return {
        "host": socket.gethostname(),
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": [_field(path, "Model") for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))],
        "os": platform.platform(),
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


def _git(root: Path, *words: str) -> str | None:
    """Return what git answers, or None where there is no git or it refuses this checkout."""
    try:
        answer = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *words], capture_output=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.decode(errors="replace").strip() if answer.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _field(path: str | Path, name: str) -> str | None:
    """Return the value of the first line ``name : value`` of a file of /proc."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name) and ":" in line), None)
