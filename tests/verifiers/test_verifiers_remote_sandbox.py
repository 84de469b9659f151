"""Servers that speak as Sandbox Fusion and Piston do, over real HTTP, with real programs behind them."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from code_questions import CASES, TASKS, WAYS, checker, outcome

from r1lab.errors import SandboxError
from r1lab.verifiers.program import Ending, Limits
from r1lab.verifiers.remote_sandbox import Piston, SandboxFusion
from r1lab.verifiers.sandbox import LocalSandbox

LIMITS = Limits(cpu_seconds=1.0, wall_seconds=1.0, memory_bytes=1 << 27, output_bytes=1 << 16)
LOCAL = LocalSandbox(WAYS)


def fusion(request: dict) -> dict:
    """The reply of ``POST /run_code`` as Sandbox Fusion's RunCodeResponse has it."""
    assert request["language"] == "python" and request["memory_limit_MB"] in (128, 256)
    run = LOCAL(request["code"], request["stdin"], Limits(9.0, request["run_timeout"], 1 << 27, 1 << 20))
    timed_out = run.ending is Ending.TIME
    code = None if timed_out else -9 if run.exit_code is None else run.exit_code
    result = {"status": "TimeLimitExceeded" if timed_out else "Finished", "execution_time": run.wall_seconds,
              "return_code": code, "stdout": run.stdout, "stderr": run.stderr}  # fmt: skip
    return {"status": "Success" if code == 0 else "Failed", "message": "", "compile_result": None, "run_result": result,
            "executor_pod_name": None, "files": {}}  # fmt: skip


def piston(request: dict) -> dict:
    """The reply of ``POST /api/v2/execute``."""
    assert request["language"] == "python" and request["run_memory_limit"] in (1 << 27, 1 << 28)
    (file,) = request["files"]
    run = LOCAL(file["content"], request["stdin"], Limits(9.0, request["run_timeout"] / 1000, 1 << 27, 1 << 20))
    result = {"stdout": run.stdout, "stderr": run.stderr, "output": run.stdout + run.stderr, "code": run.exit_code,
              "signal": "SIGKILL" if run.exit_code is None else None}  # fmt: skip
    result |= {"status": "TO"} if run.ending is Ending.TIME else {}
    return {"language": "python", "version": "3.12.0", "run": result}


ANSWERS = {"/run_code": fusion, "/api/v2/execute": piston}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        broken = self.server.broken
        body = broken if broken is not None else json.dumps(ANSWERS[self.path](request)).encode()
        self.send_response(500 if body == b"oops" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def server():
    try:
        LOCAL("print()", "", LIMITS)
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.broken = None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(params=["fusion", "piston"])
def remote(request, server):
    server.broken = None
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    return SandboxFusion(url) if request.param == "fusion" else Piston(url, "3.x")


@pytest.mark.parametrize(
    ("program", "stdin", "ending", "code", "stdout"),
    [
        ("print(input()[::-1])", "né", Ending.EXITED, 0, "én\n"),
        ("raise SystemExit(3)", "", Ending.EXITED, 3, ""),
        ("import time; time.sleep(5)", "", Ending.TIME, None, ""),
        ("import ctypes; ctypes.string_at(0)", "", Ending.KILLED, None, ""),
        ("print('x' * 70000)", "", Ending.OUTPUT, None, "x" * 70000 + "\n"),
    ],
)
def test_runs(remote, program, stdin, ending, code, stdout):
    run = remote(program, stdin, LIMITS)
    assert (run.ending, run.exit_code, run.stdout) == (ending, code, stdout) and run.wall_seconds > 0


def test_the_checker_judges_alike(remote):
    cases = [case for case in CASES if case["task"] in ("sort", "average", "total", "even")][::4]
    assert len(cases) >= 12
    judge = checker(remote)
    for case in cases:
        assert outcome(judge(case["answer"], TASKS[case["task"]])) == case["expect"], case["why"]


@pytest.mark.parametrize(
    "body",
    [
        b"oops", b"not JSON", b"[]", b"{}", b'{"message": "python-9 runtime is unknown"}', b'{"run": {"status": "XX"}}',
        b'{"status": "SandboxError", "message": "no pod", "run_result": {"return_code": 0, "stdout": "1"}}',
    ],
    ids=repr,
)  # fmt: skip
def test_a_server_that_fails_is_no_judgement(remote, server, body):
    server.broken = body
    with pytest.raises(SandboxError, match="did not run a program"):
        remote("print(1)", "", LIMITS)


def test_no_server_is_no_judgement():
    with pytest.raises(SandboxError, match="did not run a program") as caught:
        SandboxFusion("http://127.0.0.1:9")("print(1)", "", LIMITS)
    assert "refused" in caught.value.found and caught.value.remedy
