"""The house: imports go down only, no circles, no names of the standard library."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "r1lab"
FLOORS = [
    ["characters", "folders"],
    ["types", "errors", "ranks"],
    ["disk", "terminal", "leaving"],
    ["processes", "manual"],
    ["functional", "text", "config", "paper"],
    ["models", "verifiers", "records", "artifacts"],
    ["data", "engines"],
    ["rewards"],
    ["rollouts"],
    ["training", "evaluation"],
    ["diagnosis"],
    ["stages"],
    ["launch"],
    ["cli"],
    ["__main__"],
]
FLOOR = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}
FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Modules of r1lab that a file imports anywhere, for annotations too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("r1lab."):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {n if (PACKAGE.parent / (n.replace(".", "/") + ".py")).exists() else node.module for n in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("r1lab.")}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    here = FLOOR[room_of(path)]
    for module in imports_of(path):
        room = module.split(".")[1]
        assert room == room_of(path) or FLOOR[room] < here, f"{path.name} climbs up to {module}"


def test_no_circles():
    graph = {"r1lab." + str(p.relative_to(PACKAGE).with_suffix("")).replace("/", "."): imports_of(p) for p in FILES}
    done, open_ = set(), []

    def visit(module):
        assert module not in open_, " -> ".join([*open_[open_.index(module) :], module])
        if module in done or module not in graph:
            return
        open_.append(module)
        for target in sorted(graph[module]):
            visit(target)
        done.add(open_.pop())

    for module in graph:
        visit(module)
    assert len(done) == len(graph)


def test_no_names_of_the_standard_library():
    for path in FILES:
        if path.stem not in ("types", "__main__"):
            assert path.stem not in sys.stdlib_module_names, path


@pytest.mark.parametrize("name", ["utils", "common", "helpers", "misc", "core"])
def test_no_room_without_a_purpose(name):
    assert not [p for p in PACKAGE.rglob(f"{name}*")]
