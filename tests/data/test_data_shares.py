"""The shares of the paper's domains, counted."""

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from r1lab.data.mix import GeneratedSource, Mix
from r1lab.data.shares import shares_of, take_turn

CONF = Path(__file__).parents[2] / "conf"
DOMAINS = {"math": 26, "code": 17, "stem": 22, "logic": 15}
"""Thousands of prompts (paper v2, Table 4), 80 together."""


def mix_of(weights, seed=0):
    """Each domain stood for by a generated family of its own."""
    families = {"math": "sums", "code": "products", "stem": "equation", "logic": "digits"}
    return Mix({name: GeneratedSource([families[name]], [1], ["en"]) for name in weights}, weights, seed)


def domains(questions):
    names = {"sums": "math", "products": "code", "equation": "stem", "digits": "logic"}
    return [names[question.source] for question in questions]


def test_a_thousand_draws_of_the_paper_have_its_shares():
    mix = mix_of(DOMAINS)
    names = domains(mix.draw(mix.start(), 1000, step=0)[0])
    # 1000 x 26/80 = 325, x 17/80 = 212.5, x 22/80 = 275, x 15/80 = 187.5: the halves fall to one of the two
    counts = Counter(names)
    assert (counts["math"], counts["stem"]) == (325, 275)
    assert sorted([counts["code"] - 212, counts["logic"] - 187]) == [0, 1]
    # every 80 draws are whole shares
    for start in range(0, 960, 80):
        assert Counter(names[start : start + 80]) == DOMAINS


def test_scheduled_weights_give_the_new_shares_from_their_step_on():
    scheduled = {
        name: [[0, weight], [1300, weight * (0.5 if name == "math" else 1)]] for name, weight in DOMAINS.items()
    }
    mix = mix_of(scheduled)
    before, state = mix.draw(mix.start(), 800, step=1299)
    after, state = mix.draw(state, 670, step=1300)
    assert Counter(domains(before)) == {name: 10 * weight for name, weight in DOMAINS.items()}
    # 13 + 17 + 22 + 15 = 67
    assert Counter(domains(after)) == {"math": 130, "code": 170, "stem": 220, "logic": 150}
    only = mix_of({"math": [[0, 1], [1300, 0.5]], "stem": 1})
    assert Counter(domains(only.draw(only.start(), 30, 0)[0])) == {"math": 15, "stem": 15}
    assert Counter(domains(only.draw(only.start(), 30, 1300)[0])) == {"math": 10, "stem": 20}


def test_a_schedule_is_given_on_the_command_line():
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose(overrides=["+mix=word_problems", "+run.seed=1", "mix.weights.mawps=[[0,2],[1300,0.5]]"])
    mix = instantiate(config.mix)
    # weights 2, 2, 1, then 0.5, 2, 1
    assert mix.shares(1299) == {"mawps": 0.4, "asdiv": 0.4, "svamp": 0.2}
    assert mix.shares(1300) == {"mawps": 0.5 / 3.5, "asdiv": 2 / 3.5, "svamp": 1 / 3.5}


def test_resuming_in_the_middle_gives_the_same_questions():
    mix, again = mix_of(DOMAINS), mix_of(DOMAINS)
    whole, _ = mix.draw(mix.start(), 200, step=0)
    head, state = mix.draw(mix.start(), 73, step=0)
    tail, _ = again.draw(json.loads(json.dumps(state)), 127, step=0)
    assert head + tail == whole
    assert len({question.id for question in whole}) > 150  # it moves on


@pytest.mark.parametrize("count", [80_000, 512 * 650])
def test_no_error_gathers_over_the_whole_of_a_run(count):
    """512 questions x 650 phases are the paper's R1-Zero."""
    shares, owed, counts = shares_of(DOMAINS), dict.fromkeys(DOMAINS, 0.0), Counter()
    for _ in range(count):
        counts[take_turn(owed, shares)] += 1
    assert all(abs(counts[name] - count * Fraction(weight, 80)) < 1 for name, weight in DOMAINS.items())
    assert count % 80 or counts == {name: count // 80 * weight for name, weight in DOMAINS.items()}


def test_shares_leave_out_what_has_no_weight():
    assert shares_of({"a": 3, "b": 0, "c": 1}) == {"a": 0.75, "c": 0.25}
