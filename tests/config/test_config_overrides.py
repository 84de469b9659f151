"""The nearest key to one that there is not."""

import pytest

from r1lab.config.overrides import groups, key_paths, nearest, placed, unknown_key

TREE = {
    "stage": {"max_steps": 1, "plan": {"max_new_tokens": 2}},
    "evaluation": {"max_new_tokens": 3},
    "run": {"seed": 0},
}
KNOWN = list(key_paths({**TREE, "hydra": {"seed": 1}}))


def test_paths_are_all_keys_but_hydras():
    assert KNOWN == [
        "stage", "stage.max_steps", "stage.plan", "stage.plan.max_new_tokens", "evaluation",
        "evaluation.max_new_tokens", "run", "run.seed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "key, meant",
    [
        ("stage.max_stepz", "stage.max_steps"),
        ("max_steps", "stage.max_steps"),
        ("seed", "run.seed"),
        # two keys of that name: the one whose whole path is nearer
        ("stage.max_new_tokens", "stage.plan.max_new_tokens"),
        ("evalution.max_new_tokens", "evaluation.max_new_tokens"),
        ("stge", "stage"),
        ("something.else.entirely", None),
    ],
)
def test_the_nearest(key, meant):
    assert nearest(key, KNOWN) == meant


def test_without_a_near_one_the_remedy_says_where_all_stand():
    assert "--cfg job" in unknown_key("something.else.entirely", KNOWN).remedy


def test_groups_without_a_key_are_known():
    assert {"experiments", "sweeps", "model", "scale"} <= set(groups())


@pytest.mark.parametrize(
    "override, remedy",
    [
        ("run=outputs/short", "stage.folder=outputs/short "),
        ("reward=repetition", "reward@rewards.accuracy=repetition "),
        ("+reward=repetition", "+reward@rewards.NAME=repetition "),
        ("+filter=length", "+filter@mix.filters.length=length"),
        ("difficulty=pools", "+difficulty@mix.difficulty=pools"),
    ],
)
def test_a_choice_without_its_place_is_told_with_it(override, remedy):
    error = placed(override)
    assert remedy in error.remedy and error.found == override


@pytest.mark.parametrize(
    "override",
    ["run.name=a", "reward@rewards.accuracy=random", "~reward@rewards.accuracy", "stage=rescore", "-m", "run="],
)
def test_other_overrides_are_left_to_hydra(override):
    assert placed(override) is None
