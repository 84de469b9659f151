"""Rewards of one's own that leave, hang or fail; the tests give them to real runs, each started for one of them."""

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from r1lab.rewards.rubric import Reward

MARK = Path(os.environ.get("OWN_REWARDS_MARK", "mark"))

if os.environ.get("OWN_REWARDS_IMPORT") == "exit":
    sys.exit(0)
if os.environ.get("OWN_REWARDS_IMPORT") == "ignore":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def fails(rollout):
    raise ValueError("it never works")


def hangs(rollout):
    MARK.touch()
    time.sleep(600)


def hangs_once(rollout):
    if not MARK.exists():
        MARK.touch()
        time.sleep(600)
    return 0.5


def leaves_in_a_thread(rollout):
    """On the second of two ranks, with the number by which a rank says that it is through."""
    if os.environ.get("LOCAL_RANK") == "1":
        threading.Thread(target=lambda: os._exit(96)).start()
        time.sleep(600)
    return 0.5


@dataclass(frozen=True)
class Built(Reward):
    """Leaves when it is made."""

    weight: float

    def __post_init__(self):
        os._exit(0)

    def __call__(self, rollouts):
        return [1.0] * len(rollouts)


@dataclass(frozen=True)
class Light(Reward):
    """Has a weight that nobody need give."""

    weight: float = 0.25

    def __call__(self, rollouts):
        return [1.0] * len(rollouts)

    def close(self):
        if os.environ.get("OWN_REWARDS_CLOSE") == "exit":
            sys.exit(0)
