"""What becomes of sampled responses: pairs with the better one first, lengths balanced, labels by a judge."""

import json
from collections import Counter

import pytest
import torch

from r1lab.data.demonstrations import demonstration_of
from r1lab.rewards.preference import Scope
from r1lab.rollouts.products import Compared, Demonstrated, Labeled
from r1lab.text.spans import parse_response
from r1lab.types import Completion, Finish, Question, Rollout, Score, Status

ASKED = Question("q", "Say something.", "", "general", "en", details={"aspect": "helpful"})


def rollouts(*answers, question=ASKED):
    done = Completion(torch.tensor([1, 2, 3]), torch.zeros(3), Finish.STOP)
    texts = (f"<think> hm </think> <answer> {answer} </answer>" for answer in answers)
    return [Rollout(question, torch.tensor([0]), done, parse_response(text), i) for i, text in enumerate(texts)]


class ByNumber:
    """The higher number at the end is better, by the difference; 13 cannot be judged."""

    def __call__(self, pairs):
        values = [[float(text.split()[-1]) for text in pair[1:]] for pair in pairs]
        return [Score(0.0, Status.DISAGREED) if 13.0 in pair else Score(pair[0] - pair[1]) for pair in values]

    def faults(self):
        return ["judge.load: gone"]


by_number = ByNumber()


HELPFUL = Scope("helpful", "summary")


def test_demonstrations_are_read_back_as_they_were():
    made = Demonstrated()([rollouts("7"), []], "artifact:policy/0f3a5c11d2e4")
    (row,) = made.rows
    read = demonstration_of(json.dumps(row), "here")
    assert (read.question, read.num_tokens, read.writer) == (ASKED, 3, "artifact:policy/0f3a5c11d2e4")
    assert read.response == "<think> hm </think> <answer> 7 </answer>" and not +made.gone


def test_pairs_have_the_better_one_first_and_what_is_too_close_is_left_out():
    compared = Compared(by_number, HELPFUL, least=1.0)
    first, second = rollouts("a 1", "b 3", "c 5", "d 4", "e 9", "e 9"), rollouts("f 13", "g 2", "h 7")
    made = compared([first, second, rollouts("j 8", "i 1")], "w")
    kept = [(row["chosen"], row["rejected"], row["margin"]) for row in made.rows]
    assert kept == [("b 3", "a 1", 2.0), ("j 8", "i 1", 7.0)], "each with its neighbour of the same question"
    assert +made.gone == {"too much alike": 1, "the same twice": 1, "disagreed": 1}
    assert (made.rows[0]["prompt"], made.rows[0]["language"], made.rows[0]["writer"]) == ("Say something.", "en", "w")
    # what a budget of faults is to see
    assert [r.scores["judge"].status for r in made.judged] == ["ok", "ok", "disagreed", "ok"]
    assert compared.faults() == ["judge.judge.load: gone"]


def test_a_prompt_of_another_aspect_is_not_compared():
    other = Question("q", "?", "", "general", details={"aspect": "harmless"})
    made = Compared(by_number, HELPFUL, 1.0)([rollouts("a 1", "b 3", question=other), rollouts("a 1", "")], "w")
    assert made.rows == [] and +made.gone == {"for another aspect": 2, "nothing is said": 1}


def test_as_many_pairs_have_the_longer_one_chosen_as_rejected():
    rows = [{"chosen": "x" * a, "rejected": "x" * b, "place": i} for i, (a, b) in
            enumerate([(5, 1), (4, 2), (1, 3), (2, 2), (9, 1), (1, 7), (8, 1)])]  # fmt: skip
    kept = list(Compared(by_number, HELPFUL, 1.0).settled(lambda: iter(rows)))
    assert [row["place"] for row in kept] == [0, 1, 2, 3, 5]
    lengths = Counter((len(r["chosen"]) > len(r["rejected"])) - (len(r["chosen"]) < len(r["rejected"])) for r in kept)
    assert lengths == {1: 2, -1: 2, 0: 1}


WORDS = {
    "rejected": Score(0.8), "safe": Score(1.0), "unsafe": Score(0.0), "torn": Score(0.5),
    "odd": Score(0.0, Status.DISAGREED),
}  # fmt: skip


class Guidelines:
    def __call__(self, responses):
        return [WORDS[text.split()[-2]] for _, text in responses]


def test_responses_are_labeled_safe_or_not():
    asked = Question("q", "May I?", "", "general", "zh", details={"aspect": "harmless"})
    said = rollouts("safe", "unsafe", "rejected", "odd", "torn", question=asked)
    made = Labeled(Guidelines(), Scope("harmless", "response"))([said[:2], said[2:]], "w")
    assert [row["label"] for row in made.rows] == [1.0, 0.0, 1.0]
    assert +made.gone == {"disagreed": 1, "undecided": 1} and len(made.judged) == 5
    assert (
        made.rows[0]["response"] == "<think> hm </think> <answer> safe </answer>" and made.rows[0]["language"] == "zh"
    )


def test_a_least_difference_below_zero_is_refused():
    with pytest.raises(ValueError, match="least"):
        Compared(by_number, HELPFUL, -1.0)
