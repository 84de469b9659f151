"""Each way to isolate is attacked; the attacks find a missing lock; where nothing isolates, nothing runs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from code_questions import WAYS

from r1lab.errors import ConfigError, SandboxError
from r1lab.verifiers import custody, isolation
from r1lab.verifiers.custody import Warden
from r1lab.verifiers.isolation import choose_way, interpreters, prove
from r1lab.verifiers.program import Limits

ROOT = Path(__file__).resolve().parents[2]
LIMITS = Limits(cpu_seconds=1.0, wall_seconds=5.0, memory_bytes=1 << 27, output_bytes=1 << 16)
NOBODY = 65534


@pytest.fixture(params=WAYS)
def warden(request):
    """A fresh warden of each way that is to be had here."""
    try:
        prefix, python, _ = choose_way((request.param,))
    except SandboxError as error:
        pytest.skip(error.found)
    warden = Warden(list(prefix), python)
    yield warden
    warden.close()


def test_all_attacks_fail(warden):
    with isolation._bait() as (folder, port):
        attacks = isolation.ATTACKS.format(bait=folder, port=port, memory=2 * LIMITS.memory_bytes)
        assert warden.run(attacks, "", LIMITS).stdout == "end\n"
        assert Path(folder, "secret").read_text() == "secret" and os.listdir(folder) == ["secret"]
        assert Path(folder, "secret").stat().st_mode & 0o777 == 0o666


SEEN = """
import os, sys
def seen(look):
    try:
        return str(look())
    except OSError:
        return "nothing"
link, file, pid = {link!r}, {file!r}, {pid!r}
print(seen(lambda: os.readlink(link)), seen(lambda: os.stat(file).st_size))
print(seen(lambda: os.stat(f"/proc/{{pid}}").st_uid))
print(seen(lambda: os.stat(os.__file__).st_atime != 0))
for look in (lambda: os.listdir("/proc"), lambda: os.readlink(f"/proc/{{pid}}/exe"), lambda: os.listdir(link + "/..")):
    print(seen(look))
for name in ("cmdline", "environ", "maps", "status"):
    print(seen(lambda: open(f"/proc/{{pid}}/{{name}}").read()))
"""


def test_what_remains_visible_is_what_the_module_says(warden, request):
    """By way of landlock: where a link leads, a file's size, a process's owner; by bubblewrap neither."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        link, file = Path(folder, "link"), Path(folder, "file")
        link.symlink_to("somewhere")
        file.write_text("secret", encoding="utf-8")
        program = SEEN.format(link=str(link), file=str(file), pid=os.getpid())
        first, owner, library, *rest = warden.run(program, "", LIMITS).stdout.splitlines()
    hidden = "bubblewrap" in request.node.name
    assert (first, owner) == (("nothing nothing", "nothing") if hidden else ("somewhere 6", str(os.getuid())))
    assert library == "True" and rest == ["nothing"] * 7


# What the self-test finds when one of the locks is missing: it has teeth.
HOLES = [
    (
        "_checked(_libc.prctl(_PR_SET_SECCOMP,",
        "(lambda *_: 0)((_PR_SET_SECCOMP,",
        {"datagrams", "processes", "memory files"},
    ),
    ("if ruleset is not None:", "if False:", {"reading files", "reading /etc"}),
    ("resource.setrlimit(kind, (value", "(lambda *_: 0)(kind, (value", {"many threads", "memory"}),
]


@pytest.mark.parametrize(("lock", "hole", "attacks"), HOLES, ids=["seccomp", "landlock", "limits"])
def test_the_self_test_finds_a_missing_lock(monkeypatch, lock, hole, attacks):
    boot = custody._boot
    assert lock in boot(3)
    monkeypatch.setattr(custody, "_boot", lambda fd: boot(fd).replace(lock, hole))
    with pytest.raises(SandboxError) as caught:
        # without seccomp an attack becomes another program: the output ends there
        prove(Warden([], interpreters()[-1]), needs_landlock=True)
    found = caught.value.found
    assert attacks <= set(found.replace("\n", ", ").split(", ")), found


def test_where_nothing_isolates_the_error_says_what_was_found_and_what_to_do(monkeypatch, tmp_path):
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, path=None: which(name, path=path or str(tmp_path)))
    choose_way.cache_clear()
    with pytest.raises(SandboxError) as caught:
        choose_way(("bubblewrap",))
    choose_way.cache_clear()
    assert "bubblewrap is not installed" in caught.value.found and "apt install bubblewrap" in caught.value.remedy
    with pytest.raises(ConfigError, match="Unknown way"):
        choose_way(("chroot",))


def test_a_warden_that_cannot_start_says_why(tmp_path):
    with pytest.raises(SandboxError, match="does not start") as caught:
        Warden([], str(tmp_path / "python"))
    assert str(tmp_path / "python") in caught.value.found
    with pytest.raises(SandboxError) as caught:
        Warden(["/bin/false"], "python3")
    assert "ended at once" in caught.value.found


AS_USER = """
import json, sys
sys.path[:0] = [{root!r}, {tests!r}]
from code_questions import CASES, surprises, LocalSandbox, WAYS
print(json.dumps([LocalSandbox(WAYS).way, surprises(CASES)]))
"""


@pytest.mark.timeout(300)
@pytest.mark.skipif(os.geteuid() != 0, reason="this is an ordinary user already")
def test_the_whole_corpus_as_an_ordinary_user():
    """The other tests run as root; here a user without rights runs the sandbox, on a copy that the user can read."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "r1lab", Path(folder, "r1lab"))
        shutil.copytree(ROOT / "tests/corpora", Path(folder, "tests/corpora"))
        (tests := Path(folder, "tests/verifiers")).mkdir()
        shutil.copy(ROOT / "tests/verifiers/code_questions.py", tests)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        code = AS_USER.format(root=folder, tests=str(tests))
        result = subprocess.run(
            [interpreters()[-1], "-B", "-c", code], user=NOBODY, group=NOBODY, extra_groups=[], env={}, cwd="/",
            capture_output=True, text=True, timeout=280,
        )  # fmt: skip
    assert result.returncode == 0, result.stderr[-2000:]
    way, found = json.loads(result.stdout)
    assert way in WAYS and found == []
