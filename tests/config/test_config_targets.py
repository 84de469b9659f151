"""What a stored configuration may build: parts of r1lab and of named packages; nothing else is imported or called."""

import sys

import pytest

from r1lab.config.build import build
from r1lab.config.targets import locate, packages_of, stored
from r1lab.errors import ConfigError
from r1lab.functional.advantages import GroupNormalized
from r1lab.rollouts.selection import KeepAll, Refilled

OWN = f"{__name__}.Own"
called = []


class Own:
    def __init__(self, size=1):
        called.append(size)


def make_own(size=1):
    return Own(size)


NEVER = [
    "os.system",
    "posix.system",
    "subprocess.run",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "builtins.open",
    "pathlib.Path",
    "hydra.utils.get_method",
    "hydra.utils.instantiate",
    "torch.hub.load",
    "torch.load",
    "importlib.import_module",
    "functools.partial",
    # begins with r1lab, and is of another package
    "r1lab.disk.shutil.rmtree",
    "r1lab.cli.os.system",
    "r1lab.cli.os",
    "r1lab.disk.Path",
    "r1lab.processes.subprocess.Popen",
    "r1lab.processes.import_module",
    "r1lab.config.build.partial",
    # r1lab's own, and no part of a configuration
    "r1lab.disk.write_json_atomic",
    "r1lab.processes._Others",
    "r1lab.processes.main",
    "r1lab.records.run.RunRecord",
    "r1lab.__main__.main",
    "r1lab.errors.ConfigError",
    "r1lab",
    "r1lab.",
    ".r1lab.types.Question",
    "..os.system",
    "r1labs.types.Question",
    "",
    None,
    5,
    ["os.system"],
]


@pytest.mark.parametrize("target", NEVER, ids=str)
def test_a_stored_configuration_does_not_build(target):
    for node in (
        {"_target_": target, "command": "exit"},
        {"_target_": target, "_partial_": True},
        {"_target_": "r1lab.rollouts.selection.Refilled", "rounds": {"_target_": target}},
        [{"deep": {"_target_": target, "_args_": ["exit"]}}],
    ):
        faults = []
        build(node, "selection", faults, stored())
        assert len(faults) == 1 and faults[0].startswith("selection"), faults


def test_what_is_not_trusted_is_not_even_imported():
    sys.modules.pop("antigravity", None)
    with pytest.raises(ConfigError, match="is not called: a stored configuration builds classes of r1lab alone"):
        stored()("antigravity.webbrowser")
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "node, part",
    [
        ({"_target_": "r1lab.rollouts.selection.KeepAll"}, KeepAll()),
        ({"_target_": "r1lab.rollouts.selection.Refilled", "rounds": 2, "_convert_": "all"}, Refilled(2)),
        ({"_target_": "r1lab.functional.advantages.GroupNormalized", "eps": 1e-6, "correction": 0},
         GroupNormalized(1e-6, 0)),
        ([{"_target_": "r1lab.rollouts.selection.KeepAll"}, {"a": 1}], [KeepAll(), {"a": 1}]),
        ("${oc.env:HOME}", "${oc.env:HOME}"),
        (None, None),
    ],
)  # fmt: skip
def test_it_builds_parts_of_r1lab(node, part):
    faults = []
    assert build(node, "selection", faults, stored()) == part and faults == []


def test_classes_of_a_named_package_are_built_and_its_functions_are_not():
    package = __name__.partition(".")[0]
    called.clear()
    faults = []
    assert isinstance(build({"_target_": OWN, "size": 3}, "x", faults, stored([package])), Own) and faults == []
    assert called == [3]
    assert build({"_target_": f"{__name__}.make_own"}, "x", faults, stored([package])) is None
    assert build({"_target_": f"{__name__}.sys.exit"}, "x", faults, stored([package])) is None
    assert build({"_target_": OWN}, "x", faults, stored()) is None
    assert len(faults) == 3 and called == [3]


def test_packages_of_parts():
    assert packages_of([KeepAll(), Own(), len, 1.5, "text"]) == {"r1lab", __name__.partition(".")[0]}
    assert packages_of([]) == set()


@pytest.mark.parametrize("target", ["r1lab.nowhere.X", "r1lab.errors.X", "x", 3, "r1lab.__main__.main", "math.pi"])
def test_locate_says_what_it_does_not_find(target):
    with pytest.raises(ConfigError):
        locate(target)
