"""Sandboxes that are servers: Sandbox Fusion and Piston, over HTTP. Whether they isolate is their keeper's affair.

What the house needs of them is what the local sandbox gives: text in, text out, an exit code, a time limit. The
processor's time they do not tell, so that a program on a busy server may run out of wall time; the seconds of a Run
are those of the whole request.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from r1lab.errors import SandboxError
from r1lab.verifiers.program import Ending, Limits, Run

_PATIENCE_SECONDS = 10.0
"""What a server may take beyond the program's own time: queues, containers, the network."""


@dataclass(frozen=True)
class SandboxFusion:
    """Runs programs on a Sandbox Fusion server (bytedance/SandboxFusion, ``POST /run_code``).

    Example: ``SandboxFusion(url="http://localhost:8080")``
    """

    url: str

    def __call__(self, program: str, stdin: str, limits: Limits) -> Run:
        """Run a program. Errors: SandboxError when the server cannot be reached or says that it failed."""
        request = {
            "language": "python",
            "code": program,
            "stdin": stdin,
            "run_timeout": limits.wall_seconds,
            "memory_limit_MB": -(-limits.memory_bytes // 2**20),
        }
        start = time.monotonic()
        reply = _post(f"{self.url.rstrip('/')}/run_code", request, limits)
        result = reply.get("run_result") or {}
        if reply.get("status") not in ("Success", "Failed") or result.get("status") == "Error" or not result:
            raise _failed(self.url, reply.get("message") or result.get("stderr") or reply)
        code = result.get("return_code")
        code = None if code is None or code < 0 else code
        return _run(result, result.get("status") == "TimeLimitExceeded", code, limits, time.monotonic() - start)


@dataclass(frozen=True)
class Piston:
    """Runs programs on a Piston server (engineer-man/piston, ``POST /api/v2/execute``).

    Example: ``Piston(url="http://localhost:2000", version="3.x")``
    """

    url: str
    version: str
    """Of Python, as the server's list of runtimes has it."""

    def __call__(self, program: str, stdin: str, limits: Limits) -> Run:
        """Run a program. Errors: SandboxError when the server cannot be reached or says that it failed."""
        request = {
            "language": "python",
            "version": self.version,
            "files": [{"name": "program.py", "content": program}],
            "stdin": stdin,
            "run_timeout": round(1000 * limits.wall_seconds),
            "run_memory_limit": limits.memory_bytes,
        }
        start = time.monotonic()
        reply = _post(f"{self.url.rstrip('/')}/api/v2/execute", request, limits)
        result = reply.get("run")
        if not isinstance(result, dict) or result.get("status") == "XX":
            raise _failed(self.url, reply)
        return _run(result, result.get("status") == "TO", result.get("code"), limits, time.monotonic() - start)


def _run(result: dict[str, Any], timed_out: bool, code: int | None, limits: Limits, seconds: float) -> Run:
    out, err = result.get("stdout") or "", result.get("stderr") or ""
    if timed_out:
        ending = Ending.TIME
    elif max(len(out), len(err)) > limits.output_bytes or result.get("status") in ("OL", "EL"):
        ending = Ending.OUTPUT
    else:
        ending = Ending.KILLED if code is None else Ending.EXITED
    return Run(ending, code if ending is Ending.EXITED else None, out, err, None, seconds)


def _post(url: str, request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """The server's JSON. Errors: SandboxError."""
    import urllib.error
    import urllib.request

    body = urllib.request.Request(url, json.dumps(request).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(body, timeout=limits.wall_seconds + _PATIENCE_SECONDS) as answer:
            # standard output, standard error and both together, every character escaped
            reply = json.loads(answer.read(12 * limits.output_bytes + 2**16))
    except urllib.error.HTTPError as error:
        raise _failed(url, f"{error.code} {error.reason}: {error.read(300).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise _failed(url, f"{type(error).__name__}: {error}") from error
    if not isinstance(reply, dict):
        raise _failed(url, reply)
    return reply


def _failed(url: str, found: object) -> SandboxError:
    return SandboxError(
        f"The sandbox server {url} did not run a program.", str(found)[:300], "Is it up at this address?"
    )
