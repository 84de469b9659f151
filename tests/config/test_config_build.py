"""A tree of targets is built once, inside out, and every part that does not fit is told by its place."""

import pytest

from r1lab.config.build import build
from r1lab.errors import ConfigError

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
