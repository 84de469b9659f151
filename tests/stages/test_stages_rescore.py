"""`stage=rescore` from the command line, on a run made by hand."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from stored_run import accuracy, groups, scored, store

from r1lab.diagnosis.rescore import RESCORED
from r1lab.models.folder import file_digest
from r1lab.records.tables import Table
from r1lab.rewards.format import FormatReward
from r1lab.rewards.preference import RewardModelReward, Scope, SequenceClassifier
from r1lab.rollouts.selection import Informative, KeepAll
from r1lab.stages.rescore import RescoreStage, recipe_of

ROOT = Path(__file__).resolve().parents[2]


def rescore(root, *overrides):
    return subprocess.run(
        [sys.executable, "-m", "r1lab", "stage=rescore", f"run.root={root}", "tracker=disabled",
         "run.min_free_bytes=1000000", *overrides],
        cwd=ROOT, capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture
def stored(tmp_path):
    folder = tmp_path / "hand" / "0f3a" / "attempt_1"
    store(folder, scored(groups(), {"accuracy": accuracy()}))
    (tmp_path / "hand" / "latest").symlink_to(Path("0f3a") / "attempt_1")
    return folder


def test_a_run_is_rescored_again_when_it_has_gone_on(tmp_path, stored):
    # with this seed q-7 is judged against 9 and q-9 against 7
    shuffled = ("reward@rewards.accuracy=shuffled_gold", "rewards.accuracy.seed=4", "~reward@rewards.format")
    done = rescore(tmp_path, f"stage.folder={tmp_path / 'hand'}", *shuffled)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "12 completions (train) judged again" in done.stdout
    assert "accuracy: 12 scores, 6 differ" in done.stdout and "6 advantages change sign" in done.stdout
    (folder,) = tmp_path.glob("rescore/*/attempt_1")
    rows = Table(folder / "rescored.parquet", RESCORED).rows()
    assert sum(row["change"] in ("higher", "lower") for row in rows) == 6 and len(rows) == 12
    summary, run = (json.loads((folder / name).read_text()) for name in ("summary.json", "run.json"))
    assert summary["run"] == str(stored) and summary["advantages_change_sign"] == 6
    assert run["parents"] == {"run": "0f3a-attempt_1", "parts": "1"} and run["state"] == "finished"
    assert (folder / "report.txt").read_text() in done.stdout

    again = rescore(tmp_path, f"stage.folder={tmp_path / 'hand'}", *shuffled)
    assert "This run is finished" in again.stdout and "6 differ" in again.stdout
    store(stored, scored(groups(), {"accuracy": accuracy()}), phase=2, step=2)  # the run goes on
    later = rescore(tmp_path, f"stage.folder={tmp_path / 'hand'}", *shuffled)
    assert "24 completions" in later.stdout and "12 differ" in later.stdout


def test_the_rewards_of_training_are_the_default(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "accuracy: 12 scores, 0 differ" in done.stdout and "ok, new" in done.stdout
    left_out = rescore(tmp_path, f"stage.folder={stored}", "~reward@rewards.accuracy")
    assert "judged again, not by accuracy" in left_out.stdout


def test_a_folder_that_is_no_run_lists_the_runs_there_are(tmp_path, stored):
    for override in ((), (f"stage.folder={tmp_path / 'nothing'}",)):
        done = rescore(tmp_path, *override)
        assert done.returncode == 1 and "stage.folder=FOLDER" in done.stderr and str(stored) in done.stderr
    done = rescore(tmp_path / "empty")
    assert done.returncode == 1 and "none" in done.stderr
    assert not (tmp_path / "rescore").exists()


def test_a_reward_model_that_is_not_there_is_a_fault(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}", "+reward@rewards.helpful=helpful",
                   "rewards.helpful.model.source=/nowhere")  # fmt: skip
    assert done.returncode == 1 and "rewards.helpful.model: There is no such model folder. /nowhere" in done.stderr
    assert not (tmp_path / "rescore").exists()


def test_completions_that_are_not_there_name_those_that_are(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}", "stage.kinds=[train,evaluation-after]")
    assert done.returncode == 1 and "has no evaluation-after. Try stage.kinds=[train]" in done.stderr


@pytest.fixture
def weighted(tmp_path):
    """A run in which the format weighed nothing, with the selection that keeps what is informative."""
    folder = tmp_path / "hand" / "0f3a" / "attempt_1"
    store(folder, scored(groups(), {"accuracy": accuracy(), "format": FormatReward(0.0)}),
          weights={"accuracy": 1.0, "format": 0.0})  # fmt: skip
    advantage = {"_target_": "r1lab.functional.advantages.GroupNormalized", "eps": 1e-6, "correction": 0}
    write_config(folder, "r1lab.rollouts.selection.Informative", advantage)
    return folder


def write_config(folder, selection, advantage):
    config = {"stage": {"selection": {"_target_": selection}, "objective": {"advantage": advantage}}}
    (folder / ".hydra").mkdir(exist_ok=True)
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))


def test_the_runs_weights_and_selection_hold_until_the_commands_are_asked_for(tmp_path, weighted):
    done = rescore(tmp_path, f"stage.folder={weighted}")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "0 rewards differ, 0 change sign" in done.stdout
    assert "the run's are taken (stage.as_in=command: the command's):\n" in done.stdout
    assert "  selection: Informative() in the run, KeepAll() here\n  format: weight 0 in train, 1 here\n" in done.stdout
    assert "advantage: " not in done.stdout
    # eleven of twelve have an answer block: 1 more than they had; of these, 7 wrong ones had 0
    other = rescore(tmp_path, f"stage.folder={weighted}", "stage.as_in=command")
    assert "11 rewards differ, 7 change sign" in other.stdout and "the command's are taken" in other.stdout
    summaries = [json.loads(path.read_text()) for path in tmp_path.glob("rescore/*/attempt_1/summary.json")]
    assert sorted(s["as_in"] for s in summaries) == ["command", "run"]
    assert all("format: weight 0 in train, 1 here" in s["differences"] for s in summaries)


def test_parts_without_scores_are_named(tmp_path, stored):
    store(stored, scored(groups(), {"accuracy": accuracy()}), phase=2, step=2)
    (stored / "scores.parquet" / "phase-000001.rank-0.parquet").unlink()
    done = rescore(tmp_path, f"stage.folder={stored}")
    assert "12 completions" in done.stdout
    assert "in only one of rollouts.parquet and scores.parquet: phase-000001.rank-0.parquet" in done.stdout


def test_other_weights_of_what_judges_are_judged_anew(stored, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    reward = RewardModelReward(1.0, SequenceClassifier(str(model), "float32", 2), Scope("helpful", "summary"))
    stage = RescoreStage(str(stored), "", ("train",), "run", {"helpful": reward}, KeepAll(), None)
    before = stage.parents()
    (model / "model.safetensors").write_bytes(b"w")
    assert stage.parents().items() - before.items() == {
        ("rewards.helpful.model/model.safetensors", file_digest(model / "model.safetensors"))
    }


def faults(folder, kinds=("train",), as_in="run"):
    return RescoreStage(str(folder), str(folder), kinds, as_in, {"accuracy": accuracy()}, KeepAll(), None).faults()


@pytest.mark.parametrize("kinds, said", [([], "stage.kinds=[]"), ("train", "stage.kinds=train"), (None, "kinds=None")])
def test_kinds_that_are_no_list_are_refused(stored, kinds, said):
    (fault,) = faults(stored, kinds)
    assert said in fault and fault.endswith("Try stage.kinds=[train].")


def test_what_cannot_be_judged_is_refused_before_the_start(stored):
    assert faults(stored) == []
    assert "Try stage.as_in=run." in faults(stored, as_in="mine")[0]
    write_config(stored, "r1lab.rollouts.selection.Gone", None)
    assert "Gone" in faults(stored)[0] and "Try stage.as_in=command." in faults(stored)[0]
    assert faults(stored, as_in="command") == [] and recipe_of(stored)[0] == {}
    (stored / "scores.parquet" / "phase-000001.rank-0.parquet").unlink()
    assert "has completions and no scores of train" in faults(stored)[0]


def test_the_recipe_of_a_run_is_what_its_configuration_says(weighted, tmp_path):
    parts, none = recipe_of(weighted)
    assert parts["selection"] == Informative() and parts["advantage"].eps == 1e-6 and none == []
    assert recipe_of(tmp_path) == ({}, [])


def hostile(mark):
    """Configurations of somebody else's run that would leave a file, or tell a secret, if anything were called."""
    touch = f"touch {mark}"
    keep = {"_target_": "r1lab.rollouts.selection.KeepAll"}
    yield {"_target_": "os.system", "command": touch}, None
    yield {"_target_": "subprocess.Popen", "args": touch, "shell": True}, None
    yield {"_target_": "r1lab.cli.os.system", "command": touch}, None
    yield {"_target_": "builtins.open", "file": str(mark), "mode": "w"}, None
    yield {"_target_": "r1lab.disk.write_json_atomic", "path": str(mark), "value": 1}, None
    yield {"_target_": "r1lab.rollouts.selection.Refilled", "rounds": {"_target_": "os.system", "command": touch}}, None
    yield keep, {"_target_": "os.system", "_partial_": True, "command": touch}
    yield keep, [{"_target_": "pathlib.Path.touch", "self": str(mark)}]
    yield keep, {"_target_": "hydra.utils.call", "config": {"_target_": "os.system", "command": touch}}
    # of r1lab, and of another kind
    yield {"_target_": "r1lab.rewards.format.FormatReward", "weight": 1.0}, None
    yield keep, {"_target_": "r1lab.models.policy.PretrainedPolicy", "source": "x", "revision": None,
                 "dtype": "float32", "attn_implementation": "sdpa"}  # fmt: skip


def test_a_run_of_somebody_else_calls_nothing(stored, tmp_path):
    mark = tmp_path / "mark"
    for selection, advantage in hostile(mark):
        config = {"stage": {"selection": selection, "objective": {"advantage": advantage}}}
        (stored / ".hydra").mkdir(exist_ok=True)
        (stored / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
        said = faults(stored)
        assert said and all("Try stage.as_in=command." in fault for fault in said), (selection, advantage)
        assert faults(stored, as_in="command") == []
    assert not mark.exists()


@pytest.mark.parametrize(
    "text",
    ["a: [", "!!python/object/apply:os.system [exit]", "[1, 2]", "stage: 3", "stage: {selection: null}", "\0", ""],
)
def test_a_configuration_that_is_none_is_told_or_has_no_recipe(stored, text):
    (stored / ".hydra").mkdir()
    (stored / ".hydra" / "config.yaml").write_text(text)
    assert recipe_of(stored)[0] == {}
    assert all("Try stage.as_in=command." in fault for fault in faults(stored))


def test_stored_text_is_not_resolved(stored, monkeypatch):
    monkeypatch.setenv("SECRET", "told")
    advantage = {"_target_": "r1lab.functional.advantages.GroupCentered"}
    write_config(stored, "r1lab.rollouts.selection.${oc.env:SECRET}", advantage)
    (fault,) = faults(stored)
    assert "told" not in fault and "${oc.env:SECRET}" in fault


@dataclasses.dataclass(frozen=True)
class OwnSelection:
    rounds = 0

    def __call__(self, groups):
        return list(groups)


def test_classes_of_packages_that_the_command_names_are_built(stored):
    own = f"{__name__}.OwnSelection"
    write_config(stored, own, None)
    assert "is not called" in faults(stored)[0] and "is not called" in recipe_of(stored, ["other"])[1][0]
    given = (str(stored), str(stored), ("train",), "run", {"accuracy": accuracy()})
    assert RescoreStage(*given, KeepAll(), None, [__name__]).faults() == []
    assert RescoreStage(*given, OwnSelection(), None).faults() == []


def test_a_folder_above_runs_of_all_names_is_no_run(tmp_path, stored):
    assert "is no run" in faults(tmp_path)[0] and str(stored) in faults(tmp_path)[0]
    assert faults(tmp_path / "hand") == faults(tmp_path / "hand" / "0f3a") == []


def test_rescoring_that_judges_nothing_is_refused_and_its_rows_kept(tmp_path, stored):
    done = rescore(tmp_path, f"stage.folder={stored}", "~reward@rewards.accuracy", "+reward@rewards.mine=own",
                   "rewards.mine.function=operator.neg")  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "12 of 12 mine scores are faults of verifiers or data, and none was judged." in done.stderr
    assert "mine: crash (TypeError: bad operand type for unary -: 'Rollout') on question q-7" in done.stderr
    (folder,) = tmp_path.glob("rescore/*/attempt_1")
    rows = Table(folder / "rescored.parquet", RESCORED).rows()
    assert sum(row["name"] == "mine" and row["status"] == "crash" for row in rows) == 12
    assert json.loads((folder / "run.json").read_text())["state"] == "failed"
