import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.mix import FileSource, GeneratedSource, Mix
from r1lab.data.questions import Fields
from r1lab.data.tasks import split_of
from r1lab.errors import ConfigError, DataError

CONF = Path(__file__).parents[2] / "conf"
DATA = Path(__file__).parents[3] / "shared" / "data"
PLAIN = Fields(text="question", answer="answer")
GENERATED = GeneratedSource(families=["sums", "story"], levels=[1, 3], languages=["en", "zh"])


def folder(path: Path, **counts: int) -> str:
    """A folder with one file for each name, of so many questions."""
    path.mkdir(exist_ok=True)
    for name, count in counts.items():
        rows = [{"question": f"{path.name} {name} {i}?", "answer": i} for i in range(count)]
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def source(path: str, **changes) -> FileSource:
    return FileSource(**{"path": path, "train": "train.jsonl", "heldout": "test.jsonl", "fields": PLAIN} | changes)


def mix_of(tmp_path: Path, weights: dict, seed: int = 1) -> Mix:
    """Sources of 7 training and 3 held-out questions each."""
    return Mix({name: source(folder(tmp_path / name, train=7, test=3)) for name in weights}, weights, seed)


def test_weights_three_and_one_draw_a_a_a_b(tmp_path):
    mix = mix_of(tmp_path, {"a": 3, "b": 1})
    questions, state = mix.draw(mix.start(), 8, step=0)
    # the n-th a is due at n/.75, the n-th b at n/.25: 1.3, 2.7, 4 for a and 4 for b, where the first named goes first
    assert "".join(question.source for question in questions) == "aaabaaab"
    assert state == {"a": {"cursor": 6, "owed": 0.0}, "b": {"cursor": 2, "owed": 0.0}}
    # due at 7/3, 14/3, 7 for a and b, at 7 for c; a second a would run ahead of 2 * 3/7 < 1, so b comes between
    names = [question.source for question in _drawn(mix_of(tmp_path, {"a": 3, "b": 3, "c": 1}), 7)]
    assert "".join(names) == "abababc"


@pytest.mark.parametrize("seed", range(5))
def test_every_prefix_is_within_one_question_of_its_share(tmp_path, seed):
    draw = random.Random(seed)
    weights = {name: draw.choice([draw.random(), draw.random() / 20, 1, 7]) for name in "abcdef"}
    names = [question.source for question in _drawn(mix_of(tmp_path, weights), 600)]
    total = sum(weights.values())
    for length in range(1, 601):
        taken = Counter(names[:length])
        assert all(abs(taken[name] - length * weight / total) < 1 for name, weight in weights.items())


def _drawn(mix: Mix, count: int, step: int = 0) -> list:
    return mix.draw(mix.start(), count, step)[0]


def test_a_draw_depends_on_its_arguments_alone_and_resumes_from_json(tmp_path):
    mix, again = (mix_of(tmp_path, {"a": 0.3, "b": 0.5, "c": [[0, 0.2], [2, 1.0]]}) for _ in range(2))
    whole, state, parts = [], mix.start(), []
    states = []
    for step in range(4):
        states.append(state)
        questions, state = mix.draw(state, 13, step)
        whole += questions
    assert states[0] == mix.start()  # the state given in is not changed
    for step in (3, 1, 2, 0):  # another object, another order, states from disk
        parts.append((step, again.draw(json.loads(json.dumps(states[step])), 13, step)[0]))
    assert [question for _, questions in sorted(parts, key=lambda part: part[0]) for question in questions] == whole


def test_one_draw_of_ten_is_ten_draws_of_one(tmp_path):
    mix = mix_of(tmp_path, {"a": 2, "b": 5})
    state, singly = mix.start(), []
    for _ in range(10):
        questions, state = mix.draw(state, 1, 0)
        singly += questions
    assert singly == _drawn(mix, 10)


def test_a_scheduled_weight_acts_from_its_step_on_without_catching_up(tmp_path):
    mix = mix_of(tmp_path, {"a": 1, "b": [[0, 0], [5, 1]]})
    early, state = mix.draw(mix.start(), 100, step=4)
    late, _ = mix.draw(state, 100, step=5)
    assert Counter(q.source for q in early) == {"a": 100}
    assert Counter(q.source for q in late) == {"a": 50, "b": 50}


def test_every_phase_needs_a_weight(tmp_path):
    mix = mix_of(tmp_path, {"a": [[0, 1], [2, 0]], "b": [[0, 0], [4, 1]]})
    assert mix.faults(range(0, 2, 2)) == mix.faults([0, 4]) == []
    # 1 and 0, then 0 and 0, then 0 and 1
    assert mix.faults(range(0, 6, 2)) == ["mix.weights: no source has one at step 2. Try mix.weights.a=1"]


def test_a_source_for_evaluation_is_refused_before_its_phase_comes(tmp_path):
    later = {"aime": source(folder(tmp_path / "aime", test=3), train=None), "made": GENERATED}
    mix = Mix(later, {"aime": [[0, 0], [2, 1]], "made": 1}, seed=1)
    assert mix.check() == mix.check(steps=range(0, 2, 2)) == {"aime": 0, "made": None}
    with pytest.raises(DataError, match="aime is for evaluation alone"):
        mix.check(steps=range(0, 4, 2))


def test_examples_are_the_first_questions_of_every_source_that_comes_in(tmp_path):
    mix = mix_of(tmp_path, {"a": 1, "b": [[0, 0], [5, 1]], "c": 0})
    assert mix.examples(2, [0, 4]) == _drawn(mix, 2)
    assert [q.source for q in mix.examples(2, [0, 5])] == ["a", "a", "b", "b"]
    # what step 5 draws, a and b in turn
    assert sorted(q.id for q in mix.examples(2, [0, 5])) == sorted(q.id for q in _drawn(mix, 4, step=5))


def test_silenced_sources_do_not_stop_the_others(tmp_path):
    quiet, loud = [[0, 1], [1, 0]], [[0, 1], [1, 1]]
    mix = mix_of(tmp_path, {"a": loud, "b": loud, "c": quiet, "d": quiet})
    _, state = mix.draw(mix.start(), 2, step=0)  # a and b; a half is owed to c and d when they fall silent
    assert Counter(q.source for q in mix.draw(state, 6, step=1)[0]) == {"a": 3, "b": 3}


def test_every_epoch_has_each_training_question_once_in_another_order(tmp_path):
    mix = mix_of(tmp_path, {"a": 1})
    ids = [question.id for question in _drawn(mix, 21)]
    epochs = [ids[i : i + 7] for i in (0, 7, 14)]
    assert all(sorted(epoch) == [f"a/train:{i}" for i in range(1, 8)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert ids != [question.id for question in _drawn(mix_of(tmp_path, {"a": 1}, seed=2), 21)]


def test_heldout_is_the_same_for_every_seed_and_never_trained_on(tmp_path):
    mix, other = mix_of(tmp_path, {"a": 1, "b": 1}), mix_of(tmp_path, {"a": 1, "b": 1}, seed=2)
    assert mix.heldout(4) == other.heldout(4) == mix.heldout(6)[:4]
    assert Counter(q.source for q in mix.heldout(4)) == {"a": 2, "b": 2}
    assert len({q.id for q in mix.heldout(99)}) == 6  # all there are
    assert not {q.text for q in mix.heldout(99)} & {q.text for q in _drawn(mix, 28)}


def test_an_exhausted_source_leaves_its_part_to_the_others(tmp_path):
    sources = {
        "small": source(folder(tmp_path / "s", train=1, test=1)),
        "large": source(folder(tmp_path / "l", train=1, test=9)),
    }
    assert Counter(q.source for q in Mix(sources, {"small": 1, "large": 1}, seed=1).heldout(6)) == {
        "small": 1,
        "large": 5,
    }


def test_generated_questions_split_by_hash_and_differ_by_seed():
    mix, other = (Mix({"made": GENERATED}, {"made": 1}, seed) for seed in (1, 2))
    train, heldout = _drawn(mix, 200), mix.heldout(50)
    assert mix.check() == {"made": None}
    assert {split_of(q.text) for q in train} == {"train"} and {split_of(q.text) for q in heldout} == {"heldout"}
    assert {q.source for q in train} == {"sums", "story"} and {q.level for q in train} == {1, 3}
    assert {q.language for q in train} == {"en", "zh"}
    assert len({q.id for q in heldout}) == 50 and heldout == other.heldout(50)
    assert _drawn(mix, 200) == train != _drawn(other, 200)


def test_one_file_is_split_by_hash(tmp_path):
    path = folder(tmp_path / "one", test=200)
    mix = Mix({"one": source(path, train="test.jsonl", heldout_share=0.25)}, {"one": 1}, seed=1)
    num_train = mix.check()["one"]
    train, heldout = _drawn(mix, num_train), mix.heldout(200)
    assert len(train) + len(heldout) == 200 == len({q.text for q in train + heldout})
    assert 25 <= len(heldout) <= 75  # 50 expected, four standard errors: 4 sqrt(200 * .25 * .75) = 24.5


def test_evaluation_sources_are_not_trained_on(tmp_path):
    mix = Mix({"aime": source(folder(tmp_path / "aime", test=3), train=None)}, {"aime": 1}, seed=1)
    assert mix.check(training=False) == {"aime": 0} and len(mix.heldout(8)) == 3
    for use in (mix.check, lambda: _drawn(mix, 1)):
        with pytest.raises(DataError, match="aime is for evaluation alone"):
            use()


def test_a_source_without_heldout_questions(tmp_path):
    mix = Mix({"a": source(folder(tmp_path / "a", train=3), heldout=None)}, {"a": 1}, seed=1)
    assert mix.check() == {"a": 3}
    with pytest.raises(DataError, match="no held-out questions"):
        mix.heldout(1)


def test_all_sources_report_their_faults_at_once(tmp_path):
    sources = {
        "gone": source(str(tmp_path / "gone")),
        "unset": source(None),
        "filtered": source(folder(tmp_path / "f", train=2, test=2), where={"question": "nothing"}),
    }
    with pytest.raises(DataError) as caught:
        Mix(sources, dict.fromkeys(sources, 1), seed=1).check()
    report = str(caught.value)
    assert report.startswith("3 sources of the mix")
    for words in ("Source gone of the mix: There is no file", "mix.path=FOLDER", "where={'question': 'nothing'}"):
        assert words in report


def test_wrong_mixes_are_refused(tmp_path):
    path = folder(tmp_path / "a", train=2, test=2)
    for sources, weights in (({}, {}), ({"a": GENERATED}, {"b": 1}), ({"a": GENERATED}, {"a": "much"})):
        with pytest.raises(ConfigError):
            Mix(sources, weights, seed=1)
    with pytest.raises(DataError, match="no usable weights at step 0"):
        Mix({"a": GENERATED}, {"a": 0}, seed=1).check()
    for weight in (-1, [[0, 1], [2, -1]], float("nan")):
        with pytest.raises(ConfigError, match=r"try:   mix\.weights\.a=1"):
            Mix({"a": GENERATED}, {"a": weight}, seed=1)
    for change in ({"heldout": "train.jsonl"}, {"heldout_share": 0.5}, {"train": None, "heldout": None}):
        with pytest.raises(ConfigError, match="one file for each split"):
            source(path, **change)
    with pytest.raises(ConfigError, match="not between"):
        source(path, heldout="train.jsonl", heldout_share=1.5)
    with pytest.raises(DataError, match="another mix's"):
        Mix({"a": GENERATED}, {"a": 1}, seed=1).draw({"b": {"cursor": 0, "owed": 0.0}}, 1, 0)
    with pytest.raises(DataError, match="Unknown family"):
        Mix({"a": GeneratedSource(["gold"], [1], ["en"])}, {"a": 1}, seed=1).check()


def composed(name: str, *overrides: str) -> Mix:
    with initialize_config_dir(str(CONF), version_base=None):
        return instantiate(compose(overrides=[f"+mix={name}", "+run.seed=1", *overrides]).mix)


REAL = {  # training questions by source and held-out questions
    "gsm8k": ({"gsm8k": 7473}, 1319),
    "math500": ({"math500": 0}, 500),
    "aime24": ({"aime24": 0}, 30),
    "svamp": ({"svamp": 801}, 199),
    "mawps": ({"mawps": 1649}, 416),
    "asdiv": ({"asdiv": 1649}, 443),
    "humaneval": ({"humaneval": 0}, 164),
    "benchmarks": ({"math500": 0, "aime24": 0}, 530),
    "word_problems": ({"mawps": 1649, "asdiv": 1649, "svamp": 801}, 416 + 443 + 199),
    "mmlu_stem": ({"mmlu_stem": 0}, 3018),
    "knights_knaves": ({"three_people": 900, "five_people": 900}, 200),
}
GENERATED_MIXES = {
    "local", "math", "code", "stem", "logic", "general", "reasoning_gym", "read_reasoning", "read_general",
    "read_all_scenarios",
}  # fmt: skip
DOMAIN_MIXES = {"reasoning", "paper", "open", "all_scenarios", "general_prompts"}
"""In test_data_domain_mixes.py."""
GENERAL_MIXES = {
    "do_not_answer", "hh_harmless", "hh_harmless_pairs", "hh_harmless_points", "hh_helpful_pairs", "pairs", "points"
}  # fmt: skip
"""In test_data_preferences.py."""
ROW_FORMS = {"trl", "verl", "openrlhf", "open_r1"}
"""In test_data_row_forms.py."""
OF_ARTIFACTS = {"refinements"}
"""In test_data_refinement.py."""


def test_every_mix_of_conf_is_tested():
    assert {path.stem for path in (CONF / "mix").glob("*.yaml")} == {
        *GENERATED_MIXES, *REAL, *DOMAIN_MIXES, *GENERAL_MIXES, *ROW_FORMS, *OF_ARTIFACTS}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_mixes_of_conf_read_the_real_data(name):
    path = DATA if name in ("word_problems", "benchmarks") else DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    num_train, num_heldout = REAL[name]
    mix = composed(name, f"mix.path={path}")
    assert mix.check(training=sum(num_train.values()) > 0) == num_train
    heldout = {" ".join(q.text.casefold().split()) for q in mix.heldout(9999)}
    assert len(mix.heldout(9999)) == num_heldout
    if sum(num_train.values()):
        train = _drawn(mix, 2 * sum(num_train.values()))
        assert {q.source: 1 for q in train} == dict.fromkeys(num_train, 1)
        assert not heldout & {" ".join(q.text.casefold().split()) for q in train}


@pytest.mark.parametrize("name", REAL)
def test_mixes_of_conf_ask_for_their_folder(name):
    with pytest.raises(DataError, match=r"mix\.path=FOLDER"):
        composed(name).check(training=False)


def test_local_mix_covers_families_levels_and_languages():
    mix = composed("local", "mix.sources.generated.levels=[1,5]")
    questions = _drawn(mix, 300)
    assert {q.level for q in questions} == {1, 5} and {q.language for q in questions} == {"en", "zh"}
    assert len({q.source for q in questions}) == 6 and mix.seed == 1


def test_a_base_is_asked_what_it_has_read_about():
    with initialize_config_dir(str(CONF), version_base=None):
        read = compose(overrides=["+corpus=all_scenarios", "+run.seed=1"]).corpus.sources
    mix = composed("read_all_scenarios")
    asked = {name: (source.families, source.levels, source.languages) for name, source in mix.sources.items()}
    assert asked == {name: (source.families, source.levels, source.languages) for name, source in read.items()}
    assert {q.domain for q in _drawn(mix, 107)} == {"math", "logic", "general"}
    assert {q.details["aspect"] for q in _drawn(composed("read_general"), 66)} == {"helpful", "harmless"}
    assert {q.domain for q in _drawn(composed("read_reasoning"), 41)} == {"math", "logic"}
