"""Every text file is UTF-8, whatever the locale: whoever opens one says so."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "r1lab"
FILES = sorted(PACKAGE.rglob("*.py"))

BINARY_UNLESS_ASKED = {"gzip", "bz2", "lzma"}
NO_TEXT = {"os", "tarfile", "zipfile", "webbrowser", "shelve", "dbm"}
"""Modules whose `open` gives no text file."""
TEMPORARY = {"NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"}
RUNNERS = {"run", "Popen", "call", "check_call", "check_output"}
NEVER = {"getoutput", "getstatusoutput", "popen"}
"""Give text in the locale's encoding and take no other."""
WRAPPERS = {"TextIOWrapper": 1, "FileHandler": 2, "RotatingFileHandler": 4, "makefile": 2}
"""By the place of their argument `encoding`."""


def fault(call: ast.Call) -> str:
    """Why a call may depend on the locale; "" where it does not."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    module = owner.id if isinstance(owner, ast.Name) else ""
    name = call.func.attr if owner is not None else getattr(call.func, "id", "")
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    if "encoding" in named:
        return ""
    if name in NEVER:
        return "its output is in the locale's encoding"
    if name in RUNNERS and any(is_true(named.get(word)) for word in ("text", "universal_newlines")):
        return "text=True without encoding"
    if name in ("read_text", "write_text"):
        return "" if len(call.args) > (name == "write_text") else f"{name} without encoding"
    if name in WRAPPERS:
        is_binary = name == "makefile" and "b" in mode_of(call, named, 0, "r")
        return "" if is_binary or len(call.args) > WRAPPERS[name] else f"{name} without encoding"
    if name in TEMPORARY:
        return "" if "b" in mode_of(call, named, 0, "w+b") else "a temporary text file without encoding"
    if (name == "open" and module not in NO_TEXT) or name == "fdopen":
        if module in BINARY_UNLESS_ASKED:
            return "t without encoding" if "t" in mode_of(call, named, 1, "rb") else ""
        of_module = owner is None or module in ("io", "os", "codecs", "builtins")
        mode = mode_of(call, named, 1 if of_module else 0, "r")
        at = 3 if of_module else 2
        return "" if "b" in mode or len(call.args) > at else "a text file without encoding"
    return ""


def mode_of(call: ast.Call, named: dict, at: int, default: str) -> str:
    """The mode of an `open`; one that is computed counts as text, and what is no mode belongs to another `open`."""
    given = named.get("mode") or (call.args[at] if len(call.args) > at else None)
    if given is None:
        return default
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        return given.value
    return "r" if "mode" in ast.unparse(given) else "b"


def is_true(value: ast.expr | None) -> bool:
    return value is not None and not (isinstance(value, ast.Constant) and not value.value)


def faults(source: str) -> list[str]:
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return [f"line {call.lineno}: {why}: {ast.unparse(call)[:80]}" for call in calls if (why := fault(call))]


def test_every_text_file_names_its_encoding():
    found = {str(path.relative_to(PACKAGE)): faults(path.read_text(encoding="utf-8")) for path in FILES}
    assert {path: listed for path, listed in found.items() if listed} == {}


@pytest.mark.parametrize("source", [
    "open(path)",
    "open(path, 'w')",
    "open(path, mode='a')",
    "open(path, mode)",
    "open(path, buffering=1)",
    "io.open(path)",
    "path.open()",
    "path.open('w', buffering=1)",
    "(folder / name).open('r')",
    "path.open(mode)",
    "os.fdopen(fd, 'w')",
    "gzip.open(path, 'rt')",
    "lzma.open(path, mode='wt')",
    "path.read_text()",
    "path.read_text(errors='replace')",
    "path.write_text(text)",
    "subprocess.run(words, text=True)",
    "subprocess.Popen(words, universal_newlines=True)",
    "subprocess.check_output(words, text=flag)",
    "subprocess.getoutput('ls')",
    "os.popen('ls')",
    "tempfile.NamedTemporaryFile('w')",
    "tempfile.TemporaryFile(mode='w+')",
    "io.TextIOWrapper(stream)",
    "logging.FileHandler(path)",
    "channel.makefile('r')",
])  # fmt: skip
def test_what_depends_on_the_locale_is_found(source):
    assert len(faults(source)) == 1


@pytest.mark.parametrize("source", [
    "open(path, 'rb')",
    "open(path, mode='xb')",
    "open(path, encoding='utf-8')",
    "open(path, 'r', -1, 'utf-8')",
    "path.open('ab')",
    "path.open('w', encoding='utf-8')",
    "os.open(path, os.O_RDONLY)",
    "os.fdopen(fd, 'wb')",
    "gzip.open(path)",
    "gzip.open(path, 'rt', encoding='utf-8')",
    "path.read_text('utf-8')",
    "path.read_text(encoding='utf-8')",
    "path.write_text(text, 'utf-8')",
    "path.read_bytes()",
    "subprocess.run(words)",
    "subprocess.run(words, text=False)",
    "subprocess.run(words, text=True, encoding='utf-8')",
    "tempfile.NamedTemporaryFile()",
    "tempfile.NamedTemporaryFile('w', encoding='utf-8')",
    "RunRecord.open(root, name)",
    "self.open(overrides)",
    "channel.makefile('rb')",
])  # fmt: skip
def test_what_does_not_is_let_pass(source):
    assert not faults(source)
