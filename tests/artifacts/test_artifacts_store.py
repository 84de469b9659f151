"""An artifact is there whole or not at all, whoever is killed, whatever the disk says."""

import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest

from r1lab.artifacts.store import Store
from r1lab.errors import StorageError

STATED = {"parents": {"policy": "aaa"}, "config": {"lr": 0.1}, "code": {"commit": "c0ffee"}}


def build(folder: Path) -> None:
    (folder / "weights.bin").write_bytes(b"w" * 1000)
    (folder / "deep").mkdir()
    (folder / "deep" / "vocab.txt").write_text("abc")


def visible(store: Store) -> set[str]:
    return {path.name for path in (store.root / "policy").iterdir() if not path.name.endswith(".lock")}


def start(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_put_stores_files_and_manifest_and_get_returns_them(tmp_path):
    store = Store(tmp_path / "new" / "artifacts")
    assert store.get("policy", "abc") is None
    artifact = store.put("policy", "abc", build, STATED)
    assert artifact == store.get("policy", "abc")
    assert artifact.path == store.path("policy", "abc") == tmp_path / "new/artifacts/policy/abc"
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    assert manifest["kind"] == "policy" and manifest["address"] == "abc" and manifest["seconds"] >= 0
    assert {key: manifest[key] for key in STATED} == STATED
    assert manifest["files"] == {
        "deep/vocab.txt": {"bytes": 3, "sha256": sha256(b"abc").hexdigest()},
        "weights.bin": {"bytes": 1000, "sha256": sha256(b"w" * 1000).hexdigest()},
    }


def test_a_stored_artifact_is_not_built_again(tmp_path):
    store = Store(tmp_path)
    store.put("policy", "abc", build, STATED)
    store.put("policy", "abc", lambda folder: pytest.fail("built twice"), STATED)


def test_what_is_said_of_its_parents_decides_nothing(tmp_path):
    """What was stored before a lineage named the local base is still what the run has made."""
    before = Store(tmp_path).put("policy", "abc", build, {"run": "r-attempt_1", "parents": {}})
    stated = {"run": "r-attempt_1", "parents": {"base": "artifact:policy/0f3a5c11d2e4"}}
    assert Store(tmp_path).put("policy", "abc", lambda folder: pytest.fail("built twice"), stated) == before


@pytest.mark.parametrize("damage", ["zeros", "shorter", "missing", "no manifest", "torn manifest"])
def test_a_damaged_artifact_is_none_is_said_and_is_built_anew(tmp_path, damage, caplog):
    store = Store(tmp_path)
    path = store.put("policy", "abc", build, STATED).path
    if damage == "zeros":  # of the same size, as a disk leaves them that lost its power
        (path / "weights.bin").write_bytes(bytes(1000))
    elif damage == "shorter":
        os.truncate(path / "weights.bin", 999)
    elif damage == "missing":
        (path / "deep/vocab.txt").unlink()
    elif damage == "no manifest":
        (path / "manifest.json").unlink()
    else:
        os.truncate(path / "manifest.json", 20)
    assert store.get("policy", "abc") is None
    named = {"zeros": "weights.bin", "shorter": "weights.bin", "missing": "deep/vocab.txt"}.get(damage, "manifest.json")
    assert f"{path} is damaged ({named}) and counts as not there." in caplog.text
    built = store.put("policy", "abc", build, STATED)
    assert (path / "weights.bin").read_bytes() == b"w" * 1000 and (path / "deep/vocab.txt").exists()
    assert store.get("policy", "abc") == built
    assert visible(store) == {"abc"}


def test_what_is_read_before_a_run_is_compared_by_hash_and_heavy_weights_by_size(tmp_path, monkeypatch):
    def shards(folder: Path) -> None:
        for name in ("a.safetensors", "b.safetensors", "rows.jsonl"):
            (folder / name).write_bytes(b"w" * 600)

    store = Store(tmp_path)
    path = store.put("policy", "abc", shards, STATED).path
    assert store.sound("policy", "abc") and not store.sound("policy", "abd")
    (path / "b.safetensors").write_bytes(b"v" * 600)
    monkeypatch.setattr("r1lab.artifacts.store.HASHED_BYTES", 1200)
    assert store.has("policy", "abc") and not store.sound("policy", "abc")
    monkeypatch.setattr("r1lab.artifacts.store.HASHED_BYTES", 1199)
    assert store.sound("policy", "abc") and store.get("policy", "abc") is None
    (path / "rows.jsonl").write_bytes(b"v" * 600)
    assert store.has("policy", "abc") and not store.sound("policy", "abc")
    (path / "rows.jsonl").write_bytes(b"w" * 600)
    os.truncate(path / "a.safetensors", 599)
    assert not store.sound("policy", "abc")
    (path / "manifest.json").write_text("{}")
    assert not store.sound("policy", "abc")


def test_a_failing_builder_leaves_nothing_and_its_own_error(tmp_path):
    def fail(folder: Path) -> None:
        build(folder)
        raise RuntimeError("loss is not finite")

    store = Store(tmp_path)
    with pytest.raises(RuntimeError, match="loss is not finite"):
        store.put("policy", "abc", fail, STATED)
    assert visible(store) == set()


BUILDER = """
import sys, time
from pathlib import Path
from r1lab.artifacts.store import Store
root, name, seconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
def build(folder):
    (folder / "half.bin").write_bytes(b"h" * 100)
    with open(root / "builders", "a") as file:
        file.write(name + "\\n")
    print("building", flush=True)
    time.sleep(seconds)
    (folder / "name").write_text(name)
Store(root).put("policy", "abc", build, {})
"""


def test_kill_9_of_a_builder_leaves_no_artifact_and_no_lock(tmp_path):
    builder = start(BUILDER, tmp_path, "killed", 60)
    assert builder.stdout.readline() == "building\n"
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    store = Store(tmp_path)
    assert store.get("policy", "abc") is None
    assert visible(store) == {".abc.building"}  # what the next builder removes
    artifact = store.put("policy", "abc", build, STATED)
    assert visible(store) == {"abc"} and not (artifact.path / "half.bin").exists()


def test_a_resumable_build_finds_what_the_killed_one_left(tmp_path):
    builder = start(BUILDER, tmp_path, "killed", 60)
    assert builder.stdout.readline() == "building\n"
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    store, found = Store(tmp_path), []

    def go_on(folder):
        found.extend(file.name for file in folder.iterdir())
        raise KeyboardInterrupt

    for _ in range(2):  # neither a kill nor Ctrl-C takes it away
        with pytest.raises(KeyboardInterrupt):
            store.put("policy", "abc", go_on, STATED, resumable=True)
    assert found == ["half.bin", "half.bin"]


def test_of_two_builders_one_builds_and_the_other_waits(tmp_path):
    first = start(BUILDER, tmp_path, "first", 1.0)
    assert first.stdout.readline() == "building\n"
    second = start(BUILDER, tmp_path, "second", 0.0)
    assert (first.wait(), second.wait()) == (0, 0)
    assert (tmp_path / "builders").read_text() == "first\n"
    assert (Store(tmp_path).get("policy", "abc").path / "name").read_text() == "first"


def test_when_the_builder_is_killed_the_one_that_waits_takes_over(tmp_path):
    first = start(BUILDER, tmp_path, "first", 60)
    assert first.stdout.readline() == "building\n"
    second = start(BUILDER, tmp_path, "second", 0.0)
    time.sleep(0.5)
    first.kill()
    assert second.wait(timeout=20) == 0
    assert (Store(tmp_path).get("policy", "abc").path / "name").read_text() == "second"


def test_a_worker_that_outlives_its_killed_builder_does_not_keep_the_lock(tmp_path):
    code = BUILDER.replace("time.sleep(seconds)", "import os; os.fork(); time.sleep(seconds)")
    first = start(code, tmp_path, "first", 10)
    assert first.stdout.readline() == "building\n"
    time.sleep(0.5)  # until it has forked
    first.kill()
    began = time.monotonic()
    Store(tmp_path).put("policy", "abc", build, STATED)
    assert time.monotonic() - began < 5


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="cannot be stored") as caught:
        Store(tmp_path / "file" / "artifacts").put("policy", "abc", build, STATED)
    assert "Not a directory" in caught.value.found and caught.value.remedy


READ_ONLY = """
import os, sys
from pathlib import Path
from r1lab.artifacts.store import Store
from r1lab.errors import StorageError
if os.geteuid() == 0:
    os.setuid(65534)  # permission bits do not bind root
try:
    Store(Path(sys.argv[1])).put("policy", "abc", lambda folder: None, {})
except StorageError as error:
    print(error)
"""


def test_a_read_only_folder_is_said_so(tmp_path):
    tmp_path.chmod(0o555)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and folder.stat().st_mode & 0o777 == 0o700:
            folder.chmod(0o711)  # pytest's own folders are closed to others
    printed, _ = start(READ_ONLY, tmp_path).communicate()
    assert "cannot be stored" in printed and "Permission denied" in printed
    assert not any(tmp_path.iterdir())


def test_a_builder_that_cannot_find_its_input_keeps_its_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Store(tmp_path / "store").put("policy", "abc", lambda folder: (tmp_path / "missing").read_text(), STATED)


FULL = """
import sys
from pathlib import Path
from r1lab.artifacts.store import Store
from r1lab.errors import StorageError
try:
    Store(Path(sys.argv[1])).put("policy", "abc", lambda f: (f / "big").write_bytes(b"b" * 3_000_000), {})
except StorageError as error:
    print(error)
"""


def test_a_full_disk_is_said_so_and_leaves_nothing(tmp_path):
    mounted = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs -o size=1m none "$1" && "$0" -c "$2" "$1"; ls -A "$1"/policy',
    ]
    command = [*mounted, sys.executable, str(tmp_path), FULL]
    try:
        result = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no unshare on this machine")
    if "denied" in result.stderr or "not permitted" in result.stderr:
        pytest.skip("this user may not mount")
    assert "No space left to store" in result.stdout and "try:" in result.stdout
    assert result.stdout.splitlines()[-1] == "abc.lock"


def test_a_file_limit_is_said_so_and_leaves_nothing(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
    printed, _ = start(limit + FULL, tmp_path).communicate()
    assert "cannot be stored" in printed and "File too large" in printed
    assert visible(Store(tmp_path)) == set()
