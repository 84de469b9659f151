"""Whatever a completion, a program or a reward says: the rows of its phase are written, and read back."""

import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from pyarrow import parquet

sys.path.insert(0, str(Path(__file__).parents[1] / "verifiers"))
from code_questions import WAYS, asserts, checker, function, program

from r1lab.disk import write_json_atomic
from r1lab.errors import SandboxError
from r1lab.records.ledger import Ledger
from r1lab.records.loggers import JsonlLog
from r1lab.records.tables import rollout_rows, score_rows
from r1lab.rollouts.collect import Collector
from r1lab.types import Completion, Finish, Group, Question, Response, Rollout, Score
from r1lab.verifiers.sandbox import LocalSandbox

SURROGATE = "\ud800"
REASONS = [SURROGATE, "a\udfffb", "\0", "\x1b[2J\x1b]52;c;aGk=\x07", "\u202eabc", "x" * 3_000_000, "é\udce9" * 1000]
ANSWERS = {
    "raises": "def f(x): raise ValueError(chr(0xD800))",
    "returns": "def f(x): return chr(0xD800)",
    "returns it in a list": "def f(x): return [chr(0xDFFF), {chr(0xD83D): x}]",
    "its exception's name": "E = type('E' + chr(0xD800), (Exception,), {})\ndef f(x): raise E('no')",
    "prints": "import sys\ndef f(x):\n    sys.stdout.buffer.write(b'\\xff\\xfe\\xed\\xa0\\x80')\n    return x",
    "escapes in JSON": 'def f(x): print(\'r1lab outcome [0, "error", "\\\\ud800"]\'); return x',
    "complains": "import sys\ndef f(x):\n    sys.stderr.buffer.write(b'\\xed\\xa0\\x80')\n    raise SystemExit(3)",
    "a long message": "def f(x): raise ValueError('y' * 10**6)",
}
QUESTIONS = {
    "function": function([([1], 2)], "def f(x): return 2 * x"),
    "asserts": asserts("def check(candidate): assert candidate(1) == 2", "def f(x): return 2 * x"),
    "program": program({"1\n": "2\n"}, "print(2)"),
}


def written(folder, score: Score, text: str = "", question: Question | None = None) -> list[Score]:
    """The scores that a run folder gives back of a phase with this one."""
    ids = torch.tensor([1, 2])
    completion = Completion(ids, torch.zeros(2), Finish.STOP)
    question = question or Question("q", "3+4?", "7")
    rollout = Rollout(question, ids, completion, Response(text, text, text, False), 0, {"accuracy": score}, 0.0)
    ledger, groups = Ledger(folder), [Group(question, (rollout,))]
    ledger.rollouts.write(1, rollout_rows(groups, phase=1, step=0))
    ledger.scores.write(1, score_rows(groups, phase=1, step=0, weights={"accuracy": 1.0}))
    (part,) = ledger.read(ledger.names(["train"]))
    return [rollout.scores["accuracy"] for group in part.groups for rollout in group.rollouts]


@pytest.mark.parametrize("reason", REASONS, ids=lambda text: ascii(text[:12]))
def test_any_reason_is_written(tmp_path, reason):
    score = Score(0.0, reason=reason, extracted=reason)
    assert written(tmp_path, score) == [score]
    assert parquet.read_table(tmp_path / "scores.parquet").num_rows == 1


@pytest.mark.parametrize("kind", QUESTIONS)
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_verdict_on_any_program_is_written(tmp_path, kind, answer):
    try:
        assert LocalSandbox(WAYS).way
    except SandboxError as error:
        pytest.skip(f"nothing here isolates: {error}")
    if kind == "program":
        answer += "\nf(int(input()))"
    score = checker()(answer, QUESTIONS[kind])
    assert score.value == 0.0
    assert len(score.reason) < 1000
    assert written(tmp_path, score, answer, QUESTIONS[kind]) == [score]


@cache
def code_points():
    """A tokenizer whose ids are code points, so that a model can write half of a pair."""
    from transformers import CanineTokenizer

    return CanineTokenizer()


@pytest.mark.parametrize("codes", [[0xD800], [0x61, 0xDFFF, 0x62], [0xD83D, 0xDE00], [0xE9], [0x1F600], [0]])
def test_what_a_tokenizer_makes_of_ids_is_valid(tmp_path, codes):
    completion = Completion(torch.tensor(codes), torch.zeros(len(codes)), Finish.LENGTH)
    text = Collector(None, code_points(), None, None).text(completion)
    text.encode()
    written(tmp_path, Score(0.0), text)


def test_logs_and_json_files_hold_any_text(tmp_path):
    log = JsonlLog(tmp_path / "log.jsonl")
    log.write({"phase": 1, "said": SURROGATE, SURROGATE: "é"})
    assert log.rows() == [{"phase": 1, "said": "\ufffd", "\ufffd": "é"}]
    write_json_atomic(tmp_path / "run.json", {"error": SURROGATE, "path": Path("\udcff")})
    assert (tmp_path / "run.json").read_text(encoding="utf-8").count("\ufffd") == 2
