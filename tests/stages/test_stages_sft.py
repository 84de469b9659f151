"""Supervised training as a command: on two ranks what it is on one, and refusals before anything is trained."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file

from r1lab.data.corpus import example
from r1lab.data.demonstrations import write_demonstrations
from r1lab.data.mix import GeneratedSource
from r1lab.data.template import R1ZeroTemplate
from r1lab.stages.sft import SFTStage
from r1lab.types import Demonstration, Question

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    "stage=sft_cold_start", "tracker=disabled", "run.min_free_bytes=100000000", "strategy.cpu_devices=1",
    "model.local.architecture.hidden_size=32", "model.local.architecture.intermediate_size=64",
    "model.local.architecture.moe_intermediate_size=32", "model.local.architecture.num_hidden_layers=2",
    "model.local.tokenizer_texts=200",
    "model.local.processes=1", "model.local.steps=12", "stage.batch_size=8", "stage.checkpoint_steps=4",
    "optim.lr=0.005", "stage.final_lr_share=0.2",
)  # fmt: skip


def command(root, *words, status=0, tiny=TINY):
    done = subprocess.run(
        [sys.executable, "-m", "r1lab", *tiny, f"run.root={root}", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def demonstrations(tmp_path_factory):
    """Gold completions of generated sums, and where they lie."""
    source = GeneratedSource(families=["sums"], levels=[1], languages=["en"])
    path = tmp_path_factory.mktemp("data") / "sums.jsonl"
    questions = [source.train(cursor, seed=0) for cursor in range(30)]
    write_demonstrations(path, [Demonstration(question, example(question)) for question in questions])
    return path


@pytest.fixture(scope="module")
def alone(demonstrations, tmp_path_factory):
    root = tmp_path_factory.mktemp("alone")
    return root, command(root, f"+stage.data.sums={demonstrations}")


def policy_of(root):
    (summary,) = root.glob("sft_cold_start/*/attempt_1/summary.json")
    return json.loads(summary.read_text())


def test_the_loss_falls_along_the_cosine(alone):
    root, text = alone
    rows = rows_of(root)
    # 30 demonstrations twice in batches of 8
    assert [row["step"] for row in rows] == list(range(1, 9))
    assert rows[-1]["loss"] < rows[0]["loss"] - 0.5 and "30 demonstrations, 8 steps" in text
    assert rows[0]["lr"] == pytest.approx(0.005) and rows[-1]["lr"] == pytest.approx(0.001)
    assert [row["lr"] for row in rows] == sorted((row["lr"] for row in rows), reverse=True)
    assert next(root.glob("sft_cold_start/*/attempt_1/training.png")).stat().st_size > 1000


@pytest.mark.parametrize("devices", [1, 2])
def test_what_is_too_long_is_left_out_and_counted_and_the_run_goes_on(devices, alone, demonstrations, tmp_path):
    _, text = alone
    assert "Left out" not in text
    lines = demonstrations.read_text().splitlines()
    long = json.loads(lines[0])
    long["response"] = "one " * 900
    # two of 32, in the midst of the others
    mixed = [*lines[:10], json.dumps(long), *lines[10:20], json.dumps(long), *lines[20:]]
    (tmp_path / "mixed.jsonl").write_text("".join(line + "\n" for line in mixed))
    words = ("strategy=ddp", "strategy.devices=2", "strategy.cpu_devices=2") if devices == 2 else ()
    text = command(tmp_path, f"+stage.data.sums={tmp_path / 'mixed.jsonl'}", *words)
    assert "Left out: 2 of 32 demonstrations looked at. A demonstration is longer than the context" in text
    assert "30 demonstrations, 8 steps" in text and "Left out: 2 of 32 demonstrations, which are too long" in text
    found = policy_of(tmp_path)
    assert (found["demonstrations"], found["left_out"]) == (30, 2)
    assert "Left out: 2 of 32" in (Path(found["policy"]) / "README.md").read_text()
    # 32 twice in batches of 8, of which four places are empty; what is learned is what is left
    samples = [row["samples"] for row in rows_of(tmp_path)]
    assert (len(samples), sum(samples), max(samples)) == (8, 60, 8)
    assert found["tokens_trained"] == policy_of(alone[0])["tokens_trained"]


@pytest.mark.parametrize("changes, row_tokens, learned", [("", 999, True), ("sum", 999, False), ("", 9, False)])
def test_what_the_tokenizer_changes_or_no_row_holds_is_not_learned(changes, row_tokens, learned, tokenizer):
    class Changing:
        eos_token_id, encode = tokenizer.eos_token_id, staticmethod(tokenizer.encode)

        def decode(self, ids, **_):
            return tokenizer.decode(ids) + changes

        def __call__(self, *texts, **words):
            return tokenizer(*texts, **words)

    stage = SimpleNamespace(template=R1ZeroTemplate(), row_tokens=row_tokens)
    stage.sample = partial(SFTStage.sample, stage)
    shown = Demonstration(Question("q", "What is 7+5?", "12"), "<think> 7+5=12 </think> <answer> 12 </answer>")
    assert (SFTStage.learnable(stage, shown, Changing()) is not None) is learned
    assert (SFTStage.fault(stage, shown, Changing()) is None) is learned


def rows_of(root):
    (log,) = root.glob("sft_cold_start/*/attempt_1/log.jsonl")
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("kind", ["ddp", "fsdp"])
def test_two_ranks_learn_what_one_does(kind, alone, demonstrations, tmp_path):
    root, _ = alone
    words = (f"strategy={kind}", "strategy.devices=2", "strategy.cpu_devices=2")
    command(tmp_path, f"+stage.data.sums={demonstrations}", *words)
    one, two = (load_file(Path(policy_of(r)["policy"]) / "model.safetensors") for r in (root, tmp_path))
    assert policy_of(root)["tokens_trained"] == policy_of(tmp_path)["tokens_trained"]
    worst = max(float((two[k] - one[k]).norm() / one[k].norm().clamp(min=1e-6)) for k in one)
    assert worst < 1e-3, worst
    # AdamW does not see a factor that all gradients have; their norm does
    for ours, theirs in zip(rows_of(root), rows_of(tmp_path), strict=True):
        assert theirs["grad_norm"] == pytest.approx(ours["grad_norm"], rel=1e-3)
        assert theirs["loss"] == pytest.approx(ours["loss"], rel=1e-4)


def test_the_card_says_where_it_comes_from(alone, demonstrations):
    root, _ = alone
    card = (Path(policy_of(root)["policy"]) / "README.md").read_text()
    assert f"- sums: {demonstrations}" in card and "Loss: " in card and "AutoModelForCausalLM" in card
    assert card.startswith("---\nlibrary_name: transformers")


@pytest.mark.parametrize("model", ["v3base", "qwen2_5_math_1_5b", "llama3_1_8b"])
def test_any_process_loads_the_policy_with_transformers(alone, demonstrations, tmp_path, model):
    root, _ = alone
    if model != "v3base":
        root, words = tmp_path, [word for word in TINY if "moe_" not in word]
        command(root, f"model={model}", f"+stage.data.sums={demonstrations}", tiny=words)
    program = (
        "import sys, torch\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "model = AutoModelForCausalLM.from_pretrained(sys.argv[1]).eval()\n"
        "tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])\n"
        "ids = tokenizer('What is 3+4?', return_tensors='pt').input_ids\n"
        "print(model.generate(ids, max_new_tokens=12, do_sample=False)[0].tolist())\n"
        "assert not [name for name in sys.modules if name.startswith('r1lab')]\n"
    )
    policy = policy_of(root)["policy"]
    done = subprocess.run([sys.executable, "-c", program, policy], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.strip().splitlines()[-1]) == greedy(policy)


def greedy(folder):
    """A prompt, and what our engine writes."""
    import torch

    from r1lab.engines.base import Request, SamplingParams
    from r1lab.engines.torch_engine import TorchEngine
    from r1lab.models.causal import CausalPolicy
    from r1lab.models.policy import load_model

    model, tokenizer = load_model(folder, "float32")
    prompt = torch.tensor(tokenizer.encode("What is 3+4?"))
    engine = TorchEngine(CausalPolicy(model), tokenizer.pad_token_id, max_rows=4)
    params = SamplingParams(max_new_tokens=12, temperature=0.0, stop_ids=(tokenizer.eos_token_id,))
    ((_, (completion,)),) = engine.generate([Request(prompt, (0,))], params)
    return [*prompt.tolist(), *completion.ids.tolist()]


@pytest.mark.parametrize(
    "words, told",
    [
        ((), "stage.data names no demonstrations"),
        (("+stage.data.sums=/nowhere.jsonl",), "stage.data.sums=/nowhere.jsonl: there is no such file or folder"),
        (("+stage.data.sums=artifact:demonstrations/0123456789ab",), "No run has made this"),
        (("+stage.data.sums=artifact:demonstrations",), "This names no artifact"),
        (("+stage.data.sums={data}", "stage.row_tokens=16"), "longer than the context"),
        (("+stage.data.sums={data}", "stage.row_tokens=1024"), "The context is longer than the model's"),
        (("+stage.data.sums={data}", "optim.lr=[[0, 1.0]]"), "a number, from which a cosine leads down"),
        (("+stage.data.sums={data}", "stage.row_tokens=16", "stage.microbatch_tokens=8"), "microbatch_tokens"),
        (("+stage.data.sums={data}", "model.weights=/nowhere"), "model.weights: There is no such model folder"),
    ],
)
def test_what_cannot_be_learned_is_refused(words, told, demonstrations, alone, tmp_path):
    root, _ = alone  # its base is made already
    text = command(root, *(word.format(data=demonstrations) for word in words), status=1)
    assert told in text and "Traceback" not in text, text
