"""A reward of one's own that leaves, hangs or fails ends the run with 1 and a sentence that names it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
TINY = (
    "experiments=tiny", "stage.max_steps=2", "stage.ref_refresh_steps=2", "stage.plan.max_new_tokens=4",
    "evaluation.questions=2", "evaluation.samples=2", "evaluation.max_new_tokens=4",
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """One root, so that the base is trained once."""
    return tmp_path_factory.mktemp("runs")


def start(root, *words, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "r1lab", *TINY, f"run.root={root}", *words], cwd=HERE.parents[1], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)} | environment,
    )  # fmt: skip


def run(root, *words, **environment):
    process = start(root, *words, **environment)
    out, error = process.communicate(timeout=240)
    return process.returncode, out, error


def own(function, *words, place="rewards"):
    return (f"+reward@{place}.mine=own", f"{place}.mine.function=own_rewards.{function}", *words)


@pytest.mark.parametrize(
    "words, environment, sentence",
    [
        (own("fails"), {"OWN_REWARDS_IMPORT": "exit"}, "rewards.mine.function: own_rewards.fails cannot be found: "
         "own_rewards calls sys.exit(0), which would end the run."),
        (("+rewards.mine._target_=own_rewards.Built", "+rewards.mine.weight=1"), {},
         "stage.rewards.mine: own_rewards.Built calls os._exit(0), which would end the run."),
        (("+rewards.mine._target_=own_rewards.Light",), {"OWN_REWARDS_CLOSE": "exit"},
         "LeftError: Reward mine calls sys.exit(0), which would end the run."),
    ],
    ids=["import", "built", "close"],
)  # fmt: skip
def test_a_reward_that_leaves_is_no_success(words, environment, sentence, root):
    code, out, error = run(root, "run.name=leaves", *words, **environment)
    assert (
        code == 1
        and sentence in error
        and "Traceback" not in error
        and "own_rewards.py, line " in error
        and "Time:" not in out
    )


def test_a_thread_that_leaves_on_another_rank_ends_all(root):
    code, out, error = run(root, "run.name=thread", "strategy.cpu_devices=2", *own("leaves_in_a_thread"))
    assert code == 1 and "Time:" not in out
    assert "LeftError: Reward mine calls os._exit(96) in a thread of its own: the run ends." in error


@pytest.mark.parametrize("place", ["rewards", "evaluation.rewards"])
def test_a_reward_that_judges_nothing_is_refused_in_a_short_run_too(place, root):
    name = place.partition(".")[0]
    forgiven = f"{'stage' if name == 'rewards' else name}.fault_budget.max_share=1.0"
    code, _, error = run(root, f"run.name={name}", forgiven, *own("fails", place=place))
    assert (
        code == 1
        and "Traceback" not in error
        and "mine scores are faults of verifiers or data, and none was judged." in error
    )
    assert "mine: crash (ValueError: it never works)" in error
    (folder,) = root.glob(f"{name}/*/attempt_1")
    assert list((folder / "rollouts.parquet").glob("*.parquet")), "what was sampled is kept"


def test_a_weight_by_default_stands_on_the_card(root):
    code, _, error = run(root, "run.name=light", "+rewards.mine._target_=own_rewards.Light")
    assert code == 0, error
    assert any('"mine": 0.25' in card.read_text() for card in root.glob("artifacts/policy/*/README.md"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_reward_that_never_returns_ends_the_run_which_goes_on_with_more_time(ranks, root, tmp_path):
    words = (f"run.name=once{ranks}", f"strategy.cpu_devices={ranks}", *own("hangs_once"))
    code, _, error = run(root, *words, "rewards.mine.deadline_s=2", OWN_REWARDS_MARK=str(tmp_path / "mark"))
    assert code == 1 and "VerifierError: Reward mine has not returned after 2 seconds: the run ends." in error
    assert "rewards.mine.deadline_s=4" in error and "own_rewards.py, line " in error
    code, out, error = run(root, *words, "rewards.mine.deadline_s=60", OWN_REWARDS_MARK=str(tmp_path / "mark"))
    assert code == 0 and "Time:" in out, error
    assert len(list(root.glob(f"once{ranks}/*/attempt_*"))) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_whose_reward_hangs_and_ignores_signals(number, root, tmp_path):
    mark = tmp_path / "mark"
    process = start(root, f"run.name=hangs{number}", *own("hangs"), OWN_REWARDS_MARK=str(mark),
                    OWN_REWARDS_IMPORT="ignore")  # fmt: skip
    for _ in range(1200):
        if mark.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    process.send_signal(number)
    began = time.monotonic()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number and "Stopped." in error, error
    assert time.monotonic() - began < 30
