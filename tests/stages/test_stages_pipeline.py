"""A pipeline, whole: killed at any moment it comes to the same end, and a change reruns what depends on it alone."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from r1lab.artifacts.address import output_address

ROOT = Path(__file__).resolve().parents[2]
NODES = (
    "r1zero", "evaluate_base", "evaluate_r1zero", "cold_start_data", "dev1", "evaluate_dev1", "dev2", "evaluate_dev2",
    "sft_data", "general_data", "dev3", "evaluate_dev3", "helpful_pairs", "safety_labels", "reward_helpful",
    "reward_safety", "r1", "evaluate_r1",
)  # fmt: skip
STUDENTS = ("distilled", "evaluate_distilled", "student_rl", "evaluate_student_rl")
WITHOUT_STUDENTS = [
    *(f"~stage.nodes.{name}" for name in STUDENTS), "~stage.columns.distilled", "~stage.columns.student_by_RL",
    "~stage.gains.distilled",
]  # fmt: skip


def command(root, *words):
    return [sys.executable, "-m", "r1lab", "experiments=tiny_r1", *WITHOUT_STUDENTS, f"run.root={root}", *words]


def said(root, *words, status=0):
    done = subprocess.run(command(root, *words), cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def states(root, *words):
    """The state of every node, as plan=true shows it."""
    rows = [re.match(r"(\w+) .* [0-9a-f]{12}  (.+)", line) for line in said(root, "plan=true", *words).splitlines()]
    table = {row[1]: row[2] for row in rows if row and row[1] in NODES}
    assert tuple(table) == NODES
    return table


def essence(root):
    """Every artifact's files by content, every node's numbers, and how often each was begun."""
    files = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "artifacts").rglob("*"))
        # what says when a thing was made, and how long it took
        if path.is_file() and path.name not in ("manifest.json", "README.md") and path.suffix != ".lock"
    }
    numbers = {}
    for path in sorted(root.glob("*/*/attempt_1/summary.json")):
        found = json.loads(path.read_text())
        kept = {k: v for k, v in found.items() if k not in ("seconds", "peak_rss_bytes", "policy", "path", "model")}
        numbers[str(path.parent.relative_to(root))] = kept
    return files, numbers


def lineage(root, policy):
    """How deep every artifact stands on the policy's card, and its address."""
    card = (root / "artifacts" / "policy" / policy / "README.md").read_text()
    lines = card[card.index("## Lineage") : card.index("## Cost")].splitlines()
    return [(line.index("-"), line.rpartition(" ")[2]) for line in lines if line.lstrip().startswith("- ")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The root of a pipeline that nothing disturbed, and what it said."""
    root = tmp_path_factory.mktemp("whole")
    return root, said(root)


def test_every_node_runs_and_the_end_is_a_table(whole):
    root, text = whole
    assert all(f"[{number}/{len(NODES)}] {name}" in text for number, name in enumerate(NODES, start=1))
    told = text[text.rindex("node  ") :].strip().rpartition("\n")[0].split("\n\n")
    nodes, shares, gained = ([line.split() for line in part.splitlines()] for part in told)
    assert [row[0] for row in nodes] == ["node", *NODES, "all"]
    heading, *rows = shares
    assert heading == ["base", "R1-Zero", "Dev1", "Dev2", "Dev3", "R1"]
    paper = [row for row in rows if row[0] == "paper:"]
    assert rows[-len(paper) :] == paper, "the paper's stand below ours"
    found = {row[0]: row[1:] for row in rows[: -len(paper)]}
    # the order of mathematics and logic is the alphabet's; the judges follow as the evaluation names them
    assert list(found) == [
        "pass@1", "cons@4", "logic", "math", "format", "language", "helpful", "harmless", "length"
    ]  # fmt: skip
    lengths = {}
    for path in root.glob("evaluate/*/attempt_1/run.json"):
        weights = json.loads(path.read_text())["config"]["model"]["weights"]
        lengths[weights] = json.loads((path.parent / "summary.json").read_text())["mean_length"]
    made = {path.parent.parent.parent.name: path.parent.parent.name for path in root.glob("*/*/attempt_1/checkpoints")}
    stages = ("r1zero", "sft_cold_start", "rl_reasoning", "sft_800k", "rl_all_scenarios")
    policies = [None, *(f"artifact:policy/{output_address(made[stage], 'policy')}" for stage in stages)]
    assert found["length"] == [f"{lengths[policy]:,.1f}" for policy in policies], "each column is its own policy's"
    assert len(set(found["length"])) > 1
    assert {" ".join(row[1:-6]): row[-6:] for row in paper} == {
        "AIME 2024 pass@1": ["15.6%", "77.9%", "59.0%", "74.0%", "78.1%", "79.8%"],
        "IF-Eval": ["58.6%", "46.6%", "71.7%", "72.0%", "78.1%", "83.3%"],
        "AlpacaEval 2.0": ["-", "24.7%", "50.1%", "55.8%", "62.1%", "87.6%"],
        "Arena-Hard": ["-", "53.6%", "77.0%", "73.2%", "75.6%", "92.3%"],
    }
    assert " ".join(gained[0]).endswith("Dev1 - R1-Zero Dev2 - Dev1 Dev3 - Dev2 R1 - Dev3")
    columns = {row[0]: row[1:] for row in shares}
    for name, *rest in gained[1:]:
        means = [float(part.rstrip("%")) for part in columns[name] if part.endswith("%")]
        points = [float(part) for part in rest if part[0] in "+-" and not part.endswith("]")]
        assert points == pytest.approx([new - old for old, new in pairwise(means[1:])], abs=0.11), name
    nodes = json.loads(next(root.glob("tiny_r1/*/attempt_1/nodes.json")).read_text())
    assert all((Path(place) / "attempt_1" / "summary.json").exists() for place in nodes.values())


def test_nothing_is_done_twice(whole):
    root, _ = whole
    assert set(states(root).values()) == {state for state in states(root).values() if state.startswith("done")}
    began = {path: path.stat().st_mtime_ns for path in root.glob("*/*/attempt_1/run.json")}
    assert "This run is finished" in said(root)
    assert began == {path: path.stat().st_mtime_ns for path in root.glob("*/*/attempt_1/run.json")}


def test_a_change_reruns_its_node_and_what_follows(whole):
    root, _ = whole
    told = states(root, "nodes.sft_data.stage.plan.temperature=0.5")
    assert told["sft_data"] == "to do: new are stage.plan.temperature: 1.0 -> 0.5"
    assert told["dev3"] == "to do: waits for sft_data" and told["evaluate_dev3"] == "to do: waits for dev3"
    assert all(told[name].startswith("done") for name in (*NODES[:8], "general_data"))
    told = states(root, "nodes.dev3.run.resume=auto")  # how it goes on decides no number
    assert all(state.startswith("done") for state in told.values())


def test_a_card_names_all_that_went_into_a_policy(whole):
    root, _ = whole
    stored = {
        path.name: json.loads((path / "manifest.json").read_text()) for path in root.glob("artifacts/policy/*[0-9a-f]")
    }
    assert all((root / "artifacts" / "policy" / name / "README.md").exists() for name in stored)
    policies = {name: manifest for name, manifest in stored.items() if "run" in manifest}
    (base,) = stored.keys() - policies.keys()
    (dev2,) = [key for key, manifest in policies.items() if "rl_reasoning" in manifest["config"]["run"]["name"]]
    (dev1,) = [key for key, manifest in policies.items() if "sft_cold_start" in manifest["config"]["run"]["name"]]
    (zero,) = [key for key, manifest in policies.items() if "r1zero" in manifest["config"]["run"]["name"]]
    assert policies[dev2]["parents"]["model.weights"] == f"artifact:policy/{dev1}"
    made = root.glob("artifacts/demonstrations/*/manifest.json")
    data = {json.loads(path.read_text())["config"]["run"]["name"]: path.parent.name for path in made}
    of_dev1 = [(0, data["cold_start_data"]), (2, zero), (4, base), (0, base)]
    of_dev2 = [(0, dev1), *((depth + 2, key) for depth, key in of_dev1)]
    assert lineage(root, dev1) == of_dev1 and lineage(root, dev2) == of_dev2
    # the base has written the general demonstrations itself
    of_reasoning = [(0, data["rejection_sampling"]), (2, dev2), *((depth + 4, key) for depth, key in of_dev2)]
    (dev3,) = [key for key, manifest in policies.items() if "sft_800k" in manifest["config"]["run"]["name"]]
    assert lineage(root, dev3) == [*of_reasoning, (0, data["general_data"]), (2, base), (0, base)]
    # what was found out later stands there, too
    card = (root / "artifacts" / "policy" / dev1 / "README.md").read_text()
    assert re.search(r"Loss: .*\n\n6 questions of .* x 4, run \w+-attempt_1: pass@1 .*\n\n## Recipe", card), card


def test_a_lost_artifact_is_made_again(whole, tmp_path):
    root, _ = whole
    shutil.copytree(root, tmp_path, dirs_exist_ok=True, symlinks=True)
    (folder,) = {path.parent for path in tmp_path.glob("sft_800k/*/attempt_1")}
    key = output_address(folder.name, "policy")
    shutil.rmtree(tmp_path / "artifacts" / "policy" / key)
    assert states(tmp_path)["dev3"] == "to do: what it made is not there any more"
    text = said(tmp_path)
    assert f"[11/{len(NODES)}] dev3" in text and (folder / "attempt_2").exists()
    assert not list(tmp_path.glob("rl_reasoning/*/attempt_2"))
    weights = f"artifacts/policy/{key}/model.safetensors"
    assert (tmp_path / weights).read_bytes() == (root / weights).read_bytes()


def test_a_node_alone_is_the_same_run(whole):
    root, _ = whole
    run = json.loads(next(root.glob("rl_reasoning/*/attempt_1/run.json")).read_text())
    words = [word for word in run["overrides"] if not word.startswith("run.root=")]
    alone = [sys.executable, "-m", "r1lab", f"run.root={root}", *words]
    done = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, timeout=99)
    assert "This run is finished" in done.stdout, done.stdout + done.stderr
    assert str(next(root.glob("rl_reasoning/*/attempt_1"))) in done.stdout


def test_killed_at_random_moments_it_comes_to_the_same_end(whole, tmp_path):
    root, _ = whole
    rng, before = random.Random(7), 1
    for number in (2, 5, 7, 10, 15):
        process = subprocess.Popen(
            command(tmp_path), cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        done = []
        for line in process.stdout:
            done += [line] if "done in" in line else []
            if line.startswith(f"[{number}/{len(NODES)}]"):
                break
        time.sleep(rng.uniform(0, 3))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert len(done) >= before - 1, "no finished node runs again"
        before = number
    assert said(tmp_path).count("done in") >= 14
    assert essence(tmp_path) == essence(root)
    attempts = list(tmp_path.glob("*/*/attempt_*/run.json"))
    assert len(attempts) == len(NODES) + 1, "every node has one attempt, and the pipeline its own"


@pytest.mark.parametrize(
    "words, told",
    [
        (["nodes.dev1.optim.lrr=1"], ["stage.nodes.dev1", "lrr"]),
        (["nodes.dev1.objective=dapo"], ["stage.nodes.dev1", "objective changes nothing: the stage reads no"]),
        (["nodes.dev1.optim.lr=-1"], ["stage.nodes.dev1", "(a word for this node alone begins with nodes.dev1.)"]),
        (["nodes.dev2.stage=r1zero"], ["No node has a stage of its own"]),
        (["nodes.dev2.run.root=/elsewhere"], ["No node has a run.root of its own"]),
        (["~nodes.dev2.optim.lr"], ["Nothing can be taken from one node", "nodes.dev2.optim.lr=null"]),
        (["nodes.dev9.optim.lr=1"], ["stage.nodes.dev9: there is no such node", "There are r1zero, evaluate_base"]),
        (["stage.nodes.dev2=null", "nodes.dev2.optim.lr=1"], ["stage.nodes.dev2: there is no such node, or not at"]),
        (["stage.columns.Dev1=dev1"], ["stage.columns.Dev1=dev1: no such node evaluates"]),
        (["+stage.gains.Dev9=Dev1"], ["stage.gains.Dev9=Dev1", "R1-Zero"]),
        (["nodes.evaluate_dev2.evaluation.questions=7"], ["stage.gains.Dev2=Dev1", "not asked the same (evaluation"]),
        (["nodes.dev2.reward@rewards.accuracy=random"], ["cannot be made for one node on the command line"]),
        (["nodes.dev2.stage.plan.minibatches=3"], ["stage.nodes.dev2", "questions=4 do not split into minibatches=3"]),
        (["stage.nodes.dev2.inputs={model.weights: dev4.policy}"], ["stage.nodes.dev2", "dev4.policy"]),
        (["stage.nodes.dev1.inputs={stage.data.cold_start: r1zero.demonstrations}"], ["makes no demonstrations"]),
        (
            ["stage.nodes.evaluate_r1.inputs={model.weights: reward_helpful.reward_model}"],
            ["stage.nodes.evaluate_r1", "model.weights: This is no policy. artifact:reward_model/"],
        ),
    ],
)
def test_what_is_wrong_with_a_node_is_told_before_the_first_begins(tmp_path, words, told):
    text = said(tmp_path, *words, status=1)
    assert all(part in text for part in told), text
    assert "Traceback" not in text and not list(tmp_path.iterdir())
