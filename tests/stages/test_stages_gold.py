"""What is seen of the questions before anything expensive starts."""

from dataclasses import replace

import pytest

from r1lab.data.template import ChatTemplate, PlainTemplate, R1ZeroTemplate
from r1lab.errors import DataError
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.controls import RandomReward
from r1lab.rewards.format import FormatReward
from r1lab.rewards.preference import RewardModelReward, Scope
from r1lab.rewards.rubric import Rubric
from r1lab.stages import gold
from r1lab.stages.gold import check_aspects, check_gold, tell_golds
from r1lab.types import Finish, LabeledResponse, PreferencePair, Question, Score, Status
from r1lab.verifiers.puzzle import PuzzleChecker

PROMPT = Question("general/1", "Why?", "", "general", details={"aspect": "harmless"})
SUM = Question("sum", "What is 3+4?", "7")


@pytest.mark.parametrize("item", [PreferencePair(PROMPT, "x", "y"), LabeledResponse(PROMPT, "x", 1.0)])
def test_what_reward_models_learn_from_is_not_asked(item):
    with pytest.raises(DataError) as caught:
        check_gold(Rubric({}), R1ZeroTemplate(), [PROMPT, item])
    assert f"general/1 is a {type(item).__name__}" in str(caught.value) and "mix=hh_harmless" in str(caught.value)


class Refusing(FormatReward):
    """Finds no completion well formed, gold ones included."""

    def __call__(self, rollouts):
        return super().__call__([replace(r, completion=replace(r.completion, finish=Finish.LENGTH)) for r in rollouts])


def test_a_reward_that_counts_later_is_tried_now():
    check_gold(Rubric({"format": FormatReward([[0, 0], [5, 1]])}), R1ZeroTemplate(), [SUM, PROMPT])
    check_gold(Rubric({"format": Refusing(0)}), R1ZeroTemplate(), [SUM])
    for weight in (1, [[0, 0], [5, 1]]):
        with pytest.raises(DataError, match="cut at the length limit"):
            check_gold(Rubric({"format": Refusing(weight)}), R1ZeroTemplate(), [SUM])


def liked(aspect, weight=1.0):
    return RewardModelReward(weight, None, Scope(aspect, "response"))


def test_general_prompts_need_a_reward_for_their_aspect():
    form = FormatReward(1.0)
    for rewards in ({"format": form}, {"r": liked("helpful")}, {"r": liked("harmless", 0), "format": form}):
        with pytest.raises(DataError) as caught:
            check_aspects(rewards, [SUM, PROMPT])
        assert "Nothing rewards being harmless" in str(caught.value) and "question general/1" in str(caught.value)
    check_aspects({"r": liked("harmless", [[0, 0], [5, 1]])}, [SUM, PROMPT])
    check_aspects({"format": form}, [SUM, replace(PROMPT, details={"aspect": "helpful", "rules": {"words": 3}})])
    check_aspects({"random": RandomReward(1.0, 0)}, [PROMPT])


def opening(header: str):
    """A tokenizer whose chat template begins the assistant's turn so."""
    from r1lab.models.local import build_tokenizer

    tokenizer = build_tokenizer(["What is 7+5?"] * 3, vocab_size=300)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}assistant: " + header + "{% endif %}"
    )
    return tokenizer


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        ("", ""),
        ("<think>", ""),
        ("<think>\n", ""),
        ("<think>\n\n</think>\n\n", ""),
        ("<think></think><answer>", ""),
        ("<reasoning>", ""),
        ("</think>", "<think> is missing"),
        ("<answer>", "no think block"),
        ("<think></think></think>", "more than one think block"),
    ],
)
def test_a_gold_completion_is_scored_behind_its_own_prompt(header, fault):
    form, template, tokenizer = Rubric({"format": FormatReward(1.0)}), ChatTemplate(), opening(header)
    assert check_gold(form, template, [SUM]) == []
    if not fault:
        assert check_gold(form, template, [SUM], tokenizer=tokenizer) == []
        return
    with pytest.raises(DataError, match=f"does not score full marks(.|\\n)*{fault}"):
        check_gold(form, template, [SUM], tokenizer=tokenizer)


def test_a_prompt_of_plain_text_that_opens_a_tag_has_its_own_gold():
    form, tokenizer = Rubric({"format": FormatReward(1.0)}), opening("")
    for end in ("<think>", "<think>\n", ""):
        assert check_gold(form, PlainTemplate(text=f"{{question}} A: {end}"), [SUM], tokenizer=tokenizer) == []
    with pytest.raises(DataError, match="text before <think>"):
        check_gold(form, PlainTemplate(text="{question} A:", prefill="Well, "), [SUM])


def test_prompts_that_open_nothing_are_not_scored_twice():
    asked = []

    class Counting(FormatReward):
        def __call__(self, rollouts):
            asked.extend(rollouts)
            return super().__call__(rollouts)

    check_gold(Rubric({"format": Counting(1.0)}), ChatTemplate(), [SUM], tokenizer=opening(""))
    assert not asked
    check_gold(Rubric({"format": Counting(1.0)}), ChatTemplate(), [SUM], tokenizer=opening("<think>"))
    assert len(asked) == 1


def number(place: int, answer: str = "24") -> Question:
    return Question(f"n{place}", "?", answer, "logic", source=f"part{place % 2}", details={"kind": "number"})


@pytest.fixture
def accuracy():
    reward = AccuracyReward(1.0, {"logic": PuzzleChecker()}, 1, 5.0, None)
    yield Rubric({"accuracy": reward})
    reward.close()


def test_golds_that_cannot_be_read_are_counted_and_shown(accuracy):
    golds = [number(place, "four" if place in (3, 40) else "24") for place in range(64)]
    (line,) = check_gold(accuracy, R1ZeroTemplate(), golds)
    assert line == (
        "2 of 64 gold answers cannot be read by their checker, 1 of 32 of part1, 1 of 32 of part0: "
        "question n3, gold 'four' (the gold answer is no number); "
        "question n40, gold 'four' (the gold answer is no number)"
    )
    said = []
    tell_golds(said.append, accuracy.rewards, R1ZeroTemplate(), golds)
    assert said == [line]


@pytest.mark.parametrize(("broken", "of", "refused"), [(3, 64, False), (4, 64, True), (1, 3, True), (5, 100, False)])
def test_more_of_them_than_the_budget_are_refused(accuracy, broken, of, refused):
    golds = [number(place, "four" if place < broken else "24") for place in range(of)]
    if not refused:
        assert f"{broken} of {of} gold answers" in check_gold(accuracy, R1ZeroTemplate(), golds)[0]
        return
    with pytest.raises(DataError) as caught:
        check_gold(accuracy, R1ZeroTemplate(), golds)
    assert caught.value.wrong.startswith(f"{broken} of {of} gold answers cannot be read")
    assert caught.value.found.count("question n") == min(broken, 3)


def test_further_golds_are_read_as_far_as_time_allows(accuracy, monkeypatch):
    golds = [number(place) for place in range(64)]
    further = [number(place, "four" if place == 90 else "24") for place in range(64, 400)]
    assert "1 of 400 gold answers" in check_gold(accuracy, R1ZeroTemplate(), golds, further)[0]
    monkeypatch.setattr(gold, "SECONDS", 0.0)
    assert check_gold(accuracy, R1ZeroTemplate(), golds, further) == []


def test_further_golds_need_no_full_marks_of_other_rewards():
    assert check_gold(Rubric({"format": Refusing(1.0)}), R1ZeroTemplate(), [], [SUM]) == []


def test_a_gold_that_is_judged_wrong_is_refused_whatever_the_budget():
    class Wrong(FormatReward):
        def __call__(self, rollouts):
            return [Score(0.0, Status.TIMEOUT if r.question.id == "n63" else Status.OK, "x") for r in rollouts]

    with pytest.raises(DataError, match="does not score full marks"):
        check_gold(Rubric({"format": Wrong(1.0)}), R1ZeroTemplate(), [number(63)])
