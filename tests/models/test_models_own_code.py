"""Code, adapters and pickles in a model's folder: refused in words before anything is loaded, never asked about."""

import io
import json
import sys

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from r1lab.artifacts.address import address
from r1lab.config.build import build
from r1lab.errors import ModelError
from r1lab.models.export import export
from r1lab.models.own_code import auto_map, named_code
from r1lab.models.policy import PretrainedPolicy, check_source, convert_gguf, load_model
from r1lab.rewards.judge import TorchJudge
from r1lab.rewards.preference import SequenceClassifier
from r1lab.stages.plan import changes
from r1lab.stages.policy import ModelChoice

TINY = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 300}
CODE = """
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, PreTrainedTokenizerFast
Path({mark!r}).touch()
class MineConfig(LlamaConfig):
    model_type = "mine"
class MineForCausalLM(LlamaForCausalLM):
    config_class = MineConfig
class MineForSequenceClassification(LlamaForSequenceClassification):
    config_class = MineConfig
class MineTokenizer(PreTrainedTokenizerFast):
    pass
"""
MINE = {
    "AutoConfig": "mine.MineConfig",
    "AutoModelForCausalLM": "mine.MineForCausalLM",
    "AutoModelForSequenceClassification": "mine.MineForSequenceClassification",
}


class Stdin(io.StringIO):
    """Says yes to whatever is asked, and that it was asked."""

    def __init__(self):
        super().__init__("yes\n" * 9)
        self.asked = 0

    def readline(self, *args):
        self.asked += 1
        return super().readline(*args)


@pytest.fixture
def stdin(monkeypatch):
    monkeypatch.setattr(sys, "stdin", Stdin())
    yield sys.stdin
    assert sys.stdin.asked == 0


@pytest.fixture
def folder(tmp_path, tokenizer, monkeypatch):
    """A whole Llama with a file of code beside it, which leaves a mark when it runs."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**TINY, eos_token_id=None, bos_token_id=None)).save_pretrained(tmp_path / "m")
    tokenizer.save_pretrained(tmp_path / "m")
    (tmp_path / "m" / "mine.py").write_text(CODE.format(mark=str(tmp_path / "mark")))
    return tmp_path / "m"


def set_in(folder, name, **values):
    path = folder / name
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))


def tokenizer_of(kind, *names):
    return {"tokenizer_class": kind, "auto_map": {"AutoTokenizer": list(names)}}


# what stands in config.json and tokenizer_config.json, and what the refusal names; None where it loads
CASES = {
    "a file of code that nothing names": ({}, {}, None),
    "an empty auto_map": ({"auto_map": {}}, {"auto_map": None}, None),
    "a family of its own": ({"model_type": "mine", "auto_map": MINE}, {}, "mine.MineConfig"),
    "of another repository": ({"model_type": "mine", "auto_map": {"AutoConfig": "a/b--mine.MineConfig"}}, {}, "a/b--"),
    "a head that the family has not": (
        {"model_type": "vit", "auto_map": {"AutoModelForCausalLM": "mine.M"}}, {}, "mine.M"
    ),
    "a family that transformers has by now": ({"auto_map": MINE}, {}, None),
    "code for another class": ({"auto_map": {"AutoModelForVision2Seq": "mine.M"}}, {}, None),
    "a tokenizer of its own": ({}, tokenizer_of("MineTokenizer", None, "mine.MineTokenizer"), "mine.MineTokenizer"),
    "the same, slow": ({}, tokenizer_of("MineTokenizer", "mine.MineTokenizer", None), "mine.MineTokenizer"),
    "the same in the old form": (
        {}, {"tokenizer_class": "MineTokenizer", "auto_map": ["mine.MineTokenizer", None]}, "mine.MineTokenizer"
    ),
    "a tokenizer that transformers has": ({}, tokenizer_of("PreTrainedTokenizerFast", None, "mine.Mine"), None),
    "generation of its own": ({"custom_generate": "mine.generate"}, {}, None),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_code_is_not_run(what, folder, stdin, tmp_path):
    config, splits, named = CASES[what]
    set_in(folder, "config.json", **config)
    set_in(folder, "tokenizer_config.json", **splits)
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(CODE.format(mark=str(tmp_path / "mark")))
    if named is None:
        check_source(str(folder))
        model, _ = load_model(folder, "float32")
        assert type(model) is LlamaForCausalLM
    else:
        for call in (lambda: check_source(str(folder)), lambda: load_model(folder, "float32")):
            with pytest.raises(ModelError, match="needs Python code of its own, which is not run") as caught:
                call()
            assert named in caught.value.found and "trust_remote_code=true" in caught.value.remedy
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("what", ["a family of its own", "a tokenizer of its own"])
def test_code_that_is_trusted_runs(what, folder, stdin, tmp_path):
    config, splits, _ = CASES[what]
    set_in(folder, "config.json", **config)
    set_in(folder, "tokenizer_config.json", **splits)
    policy = PretrainedPolicy(str(folder), None, "float32", "sdpa", trust_remote_code=True)
    policy.check()
    model, tokenizer = policy(None)
    assert (tmp_path / "mark").exists()
    assert "Mine" in type(model if config else tokenizer).__name__
    assert (
        "mine.py" in policy.digests() and "mine.py" not in PretrainedPolicy(str(folder), None, "float32", "x").digests()
    )


@pytest.mark.parametrize("trusted", ["false", "yes", None, 2])
def test_trust_is_true_or_false(trusted):
    with pytest.raises(ValueError, match="trust_remote_code must be True or False"):
        PretrainedPolicy("x", None, "float32", "sdpa", trust_remote_code=trusted)
    with pytest.raises(ValueError, match="trust_remote_code must be True or False"):
        SequenceClassifier("x", "float32", 1, trusted)
    with pytest.raises(ValueError, match="trust_remote_code must be True or False"):
        TorchJudge("x", "float32", "sdpa", 1, trusted)


def test_judges_and_reward_models_run_no_code_either(folder, stdin, tmp_path):
    set_in(folder, "config.json", **CASES["a family of its own"][0], architectures=["MineForSequenceClassification"])
    model = SequenceClassifier(str(folder), "float32", 1)
    for call in (model.check, lambda: model.loaded):
        with pytest.raises(ModelError, match="needs Python code of its own"):
            call()
    set_in(folder, "config.json", architectures=["MineForCausalLM"])
    judge = TorchJudge(str(folder), "float32", "sdpa", 1)
    for call in (judge.check, judge):
        with pytest.raises(ModelError, match="needs Python code of its own"):
            call()
    assert not (tmp_path / "mark").exists()


def test_a_gguf_beside_code_runs_none(folder, stdin, tmp_path):
    set_in(folder, "tokenizer_config.json", **CASES["a tokenizer of its own"][1])
    (folder / "tiny.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError):
        convert_gguf(folder / "tiny.gguf", tmp_path / "out")
    assert not (tmp_path / "mark").exists()


def test_what_becomes_of_the_code_is_said_and_is_part_of_the_address(folder):
    set_in(folder, "config.json", auto_map={"AutoConfig": "mine.MineConfig"})
    plain = ModelChoice("folder", PretrainedPolicy(str(folder), None, "float32", "sdpa"), None, None, "float32")
    assert "its own code is not run: mine.MineConfig" in plain.describe() and plain.faults() == []
    named = {"_target_": "r1lab.models.policy.PretrainedPolicy", "source": str(folder), "revision": None,
             "dtype": "float32", "attn_implementation": "sdpa"}  # fmt: skip
    trusted, untrusted = named | {"trust_remote_code": True}, named | {"trust_remote_code": False}
    assert address(untrusted) == address(named) != address(trusted)
    assert build(trusted, "x", []).trust_remote_code is True
    assert changes({"a": 1}, {"a": 1, "published.trust_remote_code": False}) == []
    assert changes({}, {"x.trust_remote_code": True}) == ["stage.x.trust_remote_code: False -> True"]


def test_an_exported_model_names_no_code_that_is_not_there(folder, tokenizer, tmp_path):
    set_in(folder, "config.json", auto_map=MINE)
    model, _ = load_model(folder, "float32")
    export(model, tokenizer, tmp_path / "e")
    assert named_code(str(tmp_path / "e")) == "" and model.config.auto_map == MINE


def test_code_that_is_trusted_goes_with_an_exported_model(folder, tokenizer, tmp_path):
    set_in(folder, "config.json", model_type="mine", auto_map=MINE)
    model, _ = load_model(folder, "float32", trust_remote_code=True)
    export(model, tokenizer, tmp_path / "e")
    with pytest.raises(ModelError, match="needs Python code of its own"):
        load_model(tmp_path / "e", "float32")
    again, _ = load_model(tmp_path / "e", "float32", trust_remote_code=True)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(
    "said, found",
    [
        ({}, {}),
        ({"auto_map": None}, {}),
        ({"auto_map": {"AutoConfig": "a.B"}}, {"AutoConfig": "a.B"}),
        ({"auto_map": {"AutoTokenizer": ["a.B", "a.C"]}}, {"AutoTokenizer": "a.B, a.C"}),
        ({"auto_map": [None, "a.C"]}, {"AutoTokenizer": "a.C"}),
        ({"auto_map": {"AutoTokenizer": [None, None]}}, {}),
        ({"auto_map": "a.B"}, {"AutoTokenizer": "a.B"}),
    ],
)
def test_every_form_of_auto_map(said, found):
    assert auto_map(said) == found


ADAPTER = {"base_model_name_or_path": "meta-llama/Llama-3.2-1B", "peft_type": "LORA"}


@pytest.mark.parametrize(
    "added, removed, said",
    [
        ({"adapter_config.json": ADAPTER}, [], "holds a whole model and an adapter"),
        ({"adapter_config.json": {}}, [], "holds a whole model and an adapter"),
        ({"adapter_model.safetensors": {}}, [], "holds a whole model and an adapter"),
        ({"adapter_config.json": ADAPTER, "adapter_model.bin": {}}, [], "holds a whole model and an adapter"),
        ({"adapter_config.json": ADAPTER}, ["config.json", "model.safetensors"], "This is an adapter, not a"),
        ({"adapter_config.json": ADAPTER}, ["model.safetensors"], "holds a whole model and an adapter"),
        ({"pytorch_model.bin": {}}, ["model.safetensors"], "The weights are a pickle"),
        ({"pytorch_model-00001-of-00002.bin": {}}, ["model.safetensors"], "The weights are a pickle"),
        ({"model.safetensors.index.json": {"weight_map": {"x": "model-1.safetensors"}}, "model-1.safetensors": {}}, [],
         "two sets of weights"),
        ({}, ["model.safetensors"], "Weight files are missing"),
        # what changes nothing
        ({"pytorch_model.bin": {}, "training_args.bin": {}, "optimizer.pt": {}}, [], None),
        ({"adapters.json": {}, "README.md": {}}, [], None),
    ],
)  # fmt: skip
def test_files_that_would_be_passed_over_are_told(added, removed, said, folder):
    for name in removed:
        (folder / name).unlink()
    for name, content in added.items():
        (folder / name).write_text(json.dumps(content))
    if said is None:
        check_source(str(folder))
        return
    for call in (lambda: check_source(str(folder)), lambda: load_model(folder, "float32")):
        with pytest.raises(ModelError, match=said) as caught:
            call()
        assert caught.value.remedy
    if "adapter" in said:
        assert "merge_and_unload" in caught.value.remedy and "adapter_" in caught.value.found


def test_transformers_itself_asks(folder, monkeypatch, tmp_path):
    """What is guarded against: without a word on trust the code runs as soon as standard input says yes."""
    set_in(folder, "config.json", **CASES["a family of its own"][0])
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n" * 9))
    AutoModelForCausalLM.from_pretrained(folder)
    assert (tmp_path / "mark").exists()
