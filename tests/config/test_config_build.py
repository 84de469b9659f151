"""A tree of targets is built once, inside out, and every part that does not fit is told by its place."""

import dataclasses
import functools

import pytest

from r1lab.config.build import NOT_CALLED, build, built_without_calls
from r1lab.config.check import built
from r1lab.errors import ConfigError
from r1lab.rewards.format import FormatReward

made = []


class Leaf:
    def __init__(self, size, name="x"):
        if size < 0:
            raise ConfigError("The leaf is too small.", f"size={size}", "size=1")
        if size > 9:
            raise ValueError(f"size must be <= 9, found {size}")
        self.size = size
        made.append(size)


class Tree:
    def __init__(self, left, right=None, rest=()):
        self.left, self.right, self.rest = left, right, rest
        made.append("tree")


LEAF, TREE = f"{__name__}.Leaf", f"{__name__}.Tree"


@pytest.fixture(autouse=True)
def empty():
    made.clear()


def leaf(size, **more):
    return {"_target_": LEAF, "size": size, **more}


def faults_of(node):
    faults = []
    assert build(node, "stage", faults) is None
    return faults


def test_every_part_is_built_once_and_the_inner_ones_first():
    faults = []
    node = {"_target_": TREE, "_convert_": "all", "left": leaf(1), "rest": [leaf(2), {"plain": leaf(3), 0: 4}]}
    tree = build(node, "stage", faults)
    assert faults == [] and made == [1, 2, 3, "tree"]
    assert type(tree) is Tree and tree.left.size == 1 and tree.rest[1]["plain"].size == 3 and tree.rest[1][0] == 4


def test_faults_of_several_places_at_once_and_whole():
    node = {"_target_": TREE, "left": leaf(-1), "right": leaf(10), "rest": [leaf(1, nmae="y"), {"_target_": LEAF}]}
    assert faults_of(node) == [
        "stage.left: The leaf is too small.\n      found: size=-1\n      try:   size=1",
        "stage.right: size must be <= 9, found 10",
        "stage.rest[0].nmae: Leaf takes no such key. Did you mean name?",
        "stage.rest[1].size has no value: Leaf needs it. Try stage.rest[1].size=...",
    ]
    assert made == []


def test_an_error_that_was_not_meant_for_people_has_its_kind():
    (fault,) = faults_of(leaf("three"))
    assert fault.startswith("stage: TypeError: ")


@pytest.mark.parametrize("target", ["r1lab.nowhere.Part", "r1lab.errors.Part", "Part"])
def test_a_target_that_there_is_not(target):
    (fault,) = faults_of({"_target_": target})
    assert fault.startswith(f"stage._target_: {target} cannot be found")


def test_a_part_may_be_given_without_all_arguments():
    faults = []
    part = build({"_target_": LEAF, "_partial_": True, "name": "y"}, "stage", faults)
    assert faults == [] and made == [] and part(5).size == 5
    assert faults_of({"_target_": LEAF, "_partial_": True, "nmae": "y"})


@dataclasses.dataclass
class Part:
    value: object = None


def make(value=None):
    made.append("called")
    return value


class LikeAReward(FormatReward):
    pass


def planned(node):
    faults, not_called = [], []
    return build(node, "stage", faults, not_called=not_called), faults, not_called


@pytest.mark.parametrize(
    "target, arguments",
    [
        ("os.system", {"command": "touch {}"}),
        ("os.mkdir", {"path": "{}"}),
        ("subprocess.run", {"args": ["touch", "{}"]}),
        ("subprocess.Popen", {"args": ["touch", "{}"]}),
        ("builtins.open", {"file": "{}", "mode": "w"}),
        ("io.FileIO", {"file": "{}", "mode": "w"}),
        ("logging.FileHandler", {"filename": "{}"}),
        ("tempfile.TemporaryDirectory", {"dir": "{}"}),
        ("r1lab.disk.write_json_atomic", {"path": "{}", "obj": 1}),
        ("pyarrow.OSFile", {}),
        ("torch.save", {"obj": 1, "f": "{}"}),
        (f"{__name__}.make", {"value": 1}),
    ],
)
def test_a_plan_binds_and_calls_nothing_but_parts(target, arguments, tmp_path):
    filled = {key: eval(repr(value).format(tmp_path / "mark")) for key, value in arguments.items()}
    node = {"_target_": f"{__name__}.Part", "value": [leaf(1), {"_target_": target, **filled}]}
    part, faults, not_called = planned(node)
    assert (part, faults) == (NOT_CALLED, []) and not_called == [f"stage.value[1]._target_={target}"]
    assert made == [1] and not (tmp_path / "mark").exists()
    part, faults, not_called = planned({"_target_": target, "_partial_": True, **filled})
    assert part is NOT_CALLED and faults == [] and len(not_called) == 1


def test_a_plan_checks_the_arguments_of_what_it_does_not_call():
    _, faults, _ = planned({"_target_": f"{__name__}.make", "valeu": 1})
    assert faults == ["stage.valeu: make takes no such key. Did you mean value?"] and made == []


@pytest.mark.parametrize(
    "node, kind",
    [
        (leaf(2), Leaf),  # a class of the user's own
        ({"_target_": f"{__name__}.Part", "value": 1}, Part),
        ({"_target_": f"{__name__}.LikeAReward", "weight": 1.0}, LikeAReward),
        ({"_target_": "r1lab.rewards.format.FormatReward", "weight": 1.0}, FormatReward),
        ({"_target_": f"{__name__}.Part", "value": {"_target_": LEAF, "size": 3}}, Part),
        ({"_target_": "r1lab.rewards.format.FormatReward", "weight": 1.0, "_partial_": True}, functools.partial),
    ],
)
def test_a_plan_builds_parts(node, kind):
    part, faults, not_called = planned(node)
    assert type(part) is kind and faults == not_called == []


def test_what_is_no_part_is_called_when_all_else_is_sound():
    function = {"_target_": f"{__name__}.make", "value": 7}
    faults = []
    assert built({"stage": function, "tracker": leaf(-1)}, faults)["stage"] is NOT_CALLED
    assert len(faults) == 1 and "called" not in made
    assert built({"stage": function, "tracker": leaf(1)}, [])["stage"] == 7 and made.count("called") == 1
    with pytest.raises(ConfigError, match="Planning builds parts") as caught:
        built_without_calls({"stage": function}, [])
    assert caught.value.found == f"stage._target_={__name__}.make" and made.count("called") == 1
