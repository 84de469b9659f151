"""Questions without a rule: a judge compares answers with the reference; rejection sampling keeps the right ones."""

from dataclasses import replace

import pytest
from hydra import compose
from hydra.utils import instantiate
from rule_judge import RuleJudge
from test_rewards_judge import judge_of, rollout

from r1lab.errors import ConfigError
from r1lab.rewards.accuracy import AccuracyReward
from r1lab.rewards.judge import AnswerJudge
from r1lab.rewards.rubric import Rubric
from r1lab.rollouts.screening import screened
from r1lab.types import Group, Question, Status
from r1lab.verifiers.math_answer import MathChecker

BLUE = Question("blue", "Why is the sky blue?", "air scatters blue light most", "open")
SUM = Question("sum", "What is 3+4?", "7", "math")
RIGHT, WRONG = "Most of all, air scatters blue light", "the sea is mirrored in it"


def said(question, answer, sample=0):
    return replace(rollout(f"<think> Hm. </think> <answer> {answer} </answer>", sample=sample), question=question)


def accuracy(judge, **values):
    checkers = {"math": MathChecker(percent="either", degrees="unit", significant_digits=6)}
    return AccuracyReward(1.0, checkers, 1, 20.0, 512 * 2**20, judges={"open": judge}, **values)


def test_a_domain_without_a_rule_is_judged_and_the_others_are_checked(tokenizer):
    engine = RuleJudge(tokenizer)
    reward = accuracy(AnswerJudge(judge_of(engine, tokenizer), "It is what the reference says.", 1))
    answers = [(BLUE, WRONG), (SUM, "7"), (BLUE, RIGHT), (SUM, "8"), (BLUE, WRONG), (BLUE, BLUE.answer)]
    scores = reward([said(*answer) for answer in answers])
    reward.close()
    assert [score.value for score in scores] == [0.0, 1.0, 1.0, 0.0, 0.0, 1.0] and all(s.judged for s in scores)
    assert (scores[0].reason, scores[2].reason) == ("incorrect, incorrect", "correct, correct")
    # two different answers in both orders; neither the repeated one nor the reference itself
    assert len(engine.asked) == 4 and scores[5].reason == "the reference itself"
    for prompt in engine.asked:
        assert BLUE.text in prompt and BLUE.answer in prompt and "Hm." not in prompt and "3+4" not in prompt
    listed = ["\n".join(prompt.splitlines()[-2:]) for prompt in engine.asked]
    assert [text.index("[[correct]]") < text.index("[[incorrect]]") for text in listed].count(True) == 2


def test_what_says_nothing_is_wrong_and_what_has_no_reference_is_no_question(tokenizer):
    def never():
        raise AssertionError("the judge was loaded")

    judge = AnswerJudge(replace(judge_of(None, tokenizer), load=never), "", 1)
    silent = replace(rollout("<think> and so on"), question=BLUE)
    nothing, reference = accuracy(judge)([silent, said(replace(BLUE, answer=""), RIGHT)])
    assert (nothing.value, nothing.reason, nothing.judged) == (0.0, "no answer", True)
    assert reference.status is Status.BAD_GOLD


def test_a_judge_that_contradicts_itself_says_nothing(tokenizer):
    judge = AnswerJudge(judge_of(RuleJudge(tokenizer, "first listed"), tokenizer), "", 2)
    (score,) = accuracy(judge)([said(BLUE, RIGHT)])
    assert (score.status, score.reason) == (Status.DISAGREED, "in turn correct, incorrect, correct, incorrect")


def test_a_domain_has_a_checker_or_a_judge(tokenizer):
    judge = AnswerJudge(judge_of(RuleJudge(tokenizer), tokenizer), "", 1)
    with pytest.raises(ConfigError, match=r"(?s)open has a checker and a judge.*checkers\.open"):
        replace(accuracy(judge), checkers={"open": MathChecker("either", "unit", 6)})
    with pytest.raises(ConfigError, match=r"(?s)domain music.*judges of: open.*judge/answers@"):
        accuracy(judge)([said(replace(BLUE, domain="music"), RIGHT)])
    with pytest.raises(ConfigError, match="at least once"):
        AnswerJudge(judge_of(None, None), "", 0)


def test_rejection_sampling_keeps_what_the_judge_finds_correct(hydra, tokenizer, tiny_model, tmp_path):
    tiny_model("llama").save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    source = "rewards.accuracy.judges.open.judge.load.source"
    config = compose("config", ["stage=rejection_sampling", "scale=paper", f"{source}={tmp_path}"])
    filters = instantiate(config.stage.filters, _convert_="all")
    reward = instantiate(config.rewards.accuracy, _convert_="all")
    asking = reward.judges["open"]

    def loading(load):
        return replace(reward, judges={"open": replace(asking, judge=replace(asking.judge, load=load))})

    assert reward.faults() == []
    (fault,) = loading(replace(asking.judge.load, source=str(tmp_path / "none"))).faults()
    assert fault.startswith("judges.open.judge.load: There is no such model folder")

    def kept(engine):
        known = loading(lambda: (engine, tokenizer))
        texts = [WRONG, RIGHT, "because it is", f"{RIGHT} and the sea"]
        scored = Rubric({"accuracy": known}).score([said(BLUE, text, i) for i, text in enumerate(texts)], 0)
        left, gone = screened(Group(BLUE, tuple(scored)), filters, config.stage.plan.keep)
        return [r.sample for r in left], dict(gone)

    assert kept(RuleJudge(tokenizer)) == ([1, 3], {"correct": 2})
    # verdicts that cannot be read keep nothing
    assert kept(RuleJudge(tokenizer, "silent")) == ([], {"correct": 4})
