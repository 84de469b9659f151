"""No gold answer of the real data sets scores with one digit, sign, letter, prime or unit changed; each does rewritten.

The numbers are printed. ``python tests/rewards/test_rewards_changed_golds.py DATA`` prints them alone.
"""

import re
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from changed_golds import right, wrong

from r1lab.types import Question, Status
from r1lab.verifiers.math_answer import MathChecker

CHECKER = MathChecker(percent="either", degrees="unit", significant_digits=6)


def math_golds(folder):
    """The gold answers of MATH-500, AIME 2024 and GSM8K."""
    import json

    def answers(path, key="answer"):
        return [json.loads(line)[key] for line in (folder / path).open()]

    grade_school = [answer.rpartition("####")[2].strip().replace(",", "") for answer in answers("gsm8k/test.jsonl")]
    return {"math500": answers("math500/test.jsonl"), "aime24": answers("aime24/test.jsonl"), "gsm8k": grade_school}


def judged(golds, ways):
    """Kind -> (texts, those that score), the pairs that score and those that do not, unreadable golds."""
    tried, scored, paid, unpaid, unreadable = Counter(), Counter(), [], [], set()
    for gold in golds:
        for kind, texts in ways(gold).items():
            for text in texts:
                score = CHECKER(text, Question("q", "", gold))
                tried[kind] += 1
                scored[kind] += score.value == 1.0
                (paid if score.value == 1.0 else unpaid).append((kind, gold, text, score.reason))
                if score.status is Status.BAD_GOLD:
                    unreadable.add(gold)
    return {kind: (tried[kind], scored[kind]) for kind in tried}, paid, unpaid, unreadable


@pytest.mark.parametrize("name", ["math500", "aime24", "gsm8k"])
def test_changed_golds_score_nothing_and_rewritten_ones_all(name, shared_data, capsys):
    golds = math_golds(shared_data)[name]
    changes, paid, _, unreadable = judged(golds, wrong)
    rewritings, _, unpaid, _ = judged(golds, right)
    with capsys.disabled():
        print(f"\n{name}: {len(golds)} golds, unreadable {len(unreadable)}; changed (tried, scored): {changes}")
        print(f"{name}: rewritten (tried, scored): {rewritings}")
    assert not paid and not unpaid and not unreadable


@pytest.mark.parametrize("shift", [1, 2, 3])
def test_other_letters_score_nothing(shift, accuracy, shared_data):
    from test_rewards_real_golds import said, tagged

    questions = heldout("mmlu_stem", shared_data)
    changed = [said(q, tagged(chr((ord(q.answer) - 65 + shift) % 4 + 65))) for q in questions]
    # An option whose text is itself a letter names what it says, and two options of one text are one answer.
    clear = [r for r in changed if not set("ABCD") & set(options(r)) and len(set(options(r))) == len(options(r))]
    paid = [rollout for rollout, score in zip(clear, accuracy(clear)) if score.value]
    assert not paid and len(changed) > 3000


def options(rollout):
    return rollout.question.details["choices"]


def test_solutions_with_one_role_changed_score_nothing(accuracy, shared_data):
    from test_rewards_real_golds import said, tagged

    changed = []
    for question in heldout("knights_knaves", shared_data):
        for role in re.finditer("knight|knave", question.answer):
            other = "knave" if role[0] == "knight" else "knight"
            text = question.answer[: role.start()] + other + question.answer[role.end() :]
            changed.append(said(question, tagged(text)))
    assert not any(score.value for score in accuracy(changed)) and len(changed) > 500


def heldout(name, folder):
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate
    from test_rewards_real_golds import CONF

    with initialize_config_dir(str(CONF), version_base=None):
        mix = compose(overrides=[f"+mix={name}", f"mix.path={folder / name}", "mix.seed=0"]).mix
    return instantiate(mix).heldout(10_000)


if __name__ == "__main__":
    for set_name, set_golds in math_golds(Path(sys.argv[1])).items():
        for label, ways in (("changed", wrong), ("rewritten", right)):
            counts, paid, unpaid, unreadable = judged(set_golds, ways)
            print(set_name, len(set_golds), "golds,", label, counts, "unreadable", sorted(unreadable))
            for case in (paid if label == "changed" else unpaid)[: int((sys.argv[2:] or [40])[0])]:
                print("   ", *case, sep=" | ")
