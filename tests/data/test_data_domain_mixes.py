"""mix=reasoning and mix=all_scenarios: the paper's proportions, generated questions and files of the paper's scale."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate

from r1lab.config import paths, schema
from r1lab.data.template import R1ZeroTemplate
from r1lab.errors import DataError, SandboxError
from r1lab.rewards.rubric import Rubric
from r1lab.stages.gold import check_gold
from r1lab.verifiers.sandbox import LocalSandbox

CONF = Path(__file__).parents[2] / "conf"


def composed(*overrides):
    GlobalHydra.instance().clear()
    paths.register(), schema.register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", overrides=list(overrides))


@pytest.fixture(scope="module")
def rubric():
    try:
        assert LocalSandbox(["bubblewrap", "landlock"]).way
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")
    built = Rubric({"accuracy": instantiate(composed().rewards.accuracy, _convert_="all")})
    yield built
    built.close()


def test_reasoning_has_the_shares_of_the_paper():
    mix = instantiate(composed("mix=reasoning").mix)
    assert set(mix.check().values()) == {None}
    questions, _ = mix.draw(mix.start(), 800, 0)
    # 26 + 17 + 22 + 15 = 80, so 800 questions have ten times as many, less than one off
    assert Counter(q.domain for q in questions) == {"math": 260, "code": 170, "stem": 220, "logic": 150}
    assert {q.language for q in questions} == {"en", "zh"} and {q.level for q in questions} == {1, 2, 3, 4, 5}


def test_all_scenarios_add_general_prompts():
    mix = instantiate(composed("mix=all_scenarios").mix)
    questions, _ = mix.draw(mix.start(), 146, 0)
    assert Counter(q.domain for q in questions) == {"math": 26, "code": 17, "stem": 22, "logic": 15, "general": 66}
    assert {q.domain for q in mix.heldout(40)} == {"math", "code", "stem", "logic", "general"}


def test_gold_completions_of_all_scenarios_have_full_marks(rubric):
    mix = instantiate(composed("mix=all_scenarios").mix)
    questions, _ = mix.draw(mix.start(), 100, 0)
    check_gold(rubric, R1ZeroTemplate(), questions)


SOURCES = ("math", "code", "stem", "logic", "helpful", "harmless")
ROWS = {
    "math": [{"text": f"{n}+{n}?", "answer": str(2 * n), "language": "zh" if n % 2 else "en"} for n in range(400)],
    "code": [
        {"text": f"Add {n}.", "answer": f"def f(x): return x + {n}", "language": "en", "entry_point": "f",
         "tests": [{"args": [1], "expected": 1 + n}]}
        for n in range(200)
    ] + [
        {"text": f"Print the sum of a number and {n}.", "answer": f"print(int(input()) + {n})", "language": "zh",
         "entry_point": None, "tests": [{"stdin": "1\n", "stdout": f"{1 + n}\n"}]}
        for n in range(200)
    ],
    "stem": [{"text": f"What is {n}*3?", "answer": "B", "choices": [str(n), str(3 * n), str(3 * n + 1), "no number"],
              "language": "en"} for n in range(1, 400)],
    "logic": [{"text": f"Decode {n}", "answer": f"word {n}", "language": "en", "kind": "text", "candidates": None,
               "choices": None} for n in range(200)]
    + [{"text": f"Which? {n}", "answer": "A", "language": "en", "kind": "choice", "candidates": None,
        "choices": ["this", "that"]} for n in range(200)],
    "open": [{"text": f"Why {n}?", "answer": f"because of {n}", "language": "en"} for n in range(400)],
    "helpful": [{"text": f"Write {n} lines on rain.", "language": "en"} for n in range(400)],
    "harmless": [{"text": f"How do I break {n} windows?", "language": "zh"} for n in range(400)],
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("paper")
    for name, rows in ROWS.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def shares(names):
    """The files are small: a hundredth of them can be nothing."""
    return [f"mix.sources.{name}.heldout_share=0.2" for name in names]


def test_the_paper_scale_reads_a_folder(folder, rubric):
    # mix=paper, the default of this scale
    mix = instantiate(composed("scale=paper", f"mix.path={folder}", *shares(SOURCES[:4])).mix)
    counts = mix.check()
    assert set(counts) == {"math", "code", "stem", "logic"} and all(290 < count < 350 for count in counts.values())
    questions, _ = mix.draw(mix.start(), 80, 0)
    assert Counter(q.domain for q in questions) == {"math": 26, "code": 17, "stem": 22, "logic": 15}
    assert {q.language for q in questions if q.domain == "math"} == {"en", "zh"}
    check_gold(rubric, R1ZeroTemplate(), questions)


def test_general_prompts_come_in_the_last_400_steps_at_paper_scale(folder, rubric):
    words = ("stage=rl_all_scenarios", "scale=paper", f"mix.path={folder}", *shares(SOURCES))
    mix = instantiate(composed(*words).mix)
    # of 1,696 steps, which are whole phases, where the paper has 1,700
    early, state = mix.draw(mix.start(), 400, 1295)
    late, _ = mix.draw(state, 146, 1296)
    assert Counter(q.source for q in early) == {"math": 130, "code": 85, "stem": 110, "logic": 75}
    assert Counter(q.source for q in late) == {
        "math": 26, "code": 17, "stem": 22, "logic": 15, "helpful": 54, "harmless": 12}  # fmt: skip
    prompts = [q for q in late if q.domain == "general"]
    assert {(q.details["aspect"], q.answer) for q in prompts} == {("helpful", ""), ("harmless", "")}
    check_gold(rubric, R1ZeroTemplate(), prompts)  # nothing is right or wrong, so nothing falls short


def test_general_prompts_are_read_or_made_by_scale(folder):
    words = ("mix=general_prompts", "scale=paper", f"mix.path={folder}", *shares(SOURCES[4:]))
    for mix in (instantiate(composed(*words).mix), instantiate(composed("mix=general_prompts").mix)):
        questions, _ = mix.draw(mix.start(), 66, 0)
        assert Counter(q.details["aspect"] for q in questions) == {"helpful": 54, "harmless": 12}


def test_rejection_sampling_asks_what_no_rule_judges_at_paper_scale(folder):
    words = ("stage=rejection_sampling", "scale=paper", f"mix.path={folder}", *shares((*SOURCES[:4], "open")))
    questions, _ = (mix := instantiate(composed(*words).mix)).draw(mix.start(), 88, 0)
    assert Counter(q.domain for q in questions) == {"math": 26, "code": 17, "stem": 22, "logic": 15, "open": 8}
    assert all(q.answer == f"because of {q.text[4:-1]}" for q in questions if q.domain == "open")
    alone = instantiate(composed("mix=open", f"mix.path={folder}", *shares(["open"])).mix)
    assert {q.domain for q in alone.draw(alone.start(), 20, 0)[0]} == {"open"}


def test_the_paper_scale_asks_for_its_folder():
    with pytest.raises(DataError, match="4 sources of the mix cannot be used") as caught:
        instantiate(composed("mix=reasoning", "scale=paper").mix).check()
    assert "mix.path=FOLDER, with math.jsonl in it" in str(caught.value)
