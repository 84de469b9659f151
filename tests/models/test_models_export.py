"""Export: a folder that transformers loads bit for bit, whole or sharded, from one process or from two."""

import copy
import json

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import distributed, multiprocessing, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    DeepseekV3Config,
    LlamaConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from r1lab.errors import ModelError, StorageError
from r1lab.models.export import ShardWriter, check_space, export
from r1lab.models.folder import check_folder
from r1lab.models.policy import load_model, load_tokenizer

SMALL = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
CONFIGS = {
    "llama": LlamaConfig(**SMALL, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**SMALL, num_key_value_heads=2),
    "deepseek_v3": DeepseekV3Config(
        **SMALL, num_key_value_heads=4, moe_intermediate_size=16, n_routed_experts=4, num_experts_per_tok=2, n_group=1,
        topk_group=1, first_k_dense_replace=1, kv_lora_rank=16, q_lora_rank=24, qk_rope_head_dim=8, qk_nope_head_dim=8,
        v_head_dim=8, pad_token_id=None,
    ),
}  # fmt: skip


def build(family: str, dtype: torch.dtype = torch.float32):
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(CONFIGS[family], dtype=dtype)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({"<end>": 0, "<unk>": 1, "seven": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", chat_template="{{ messages }}")


def weights(folder) -> dict[str, torch.Tensor]:
    """Every tensor on disk, whatever the shards."""
    from safetensors.torch import load_file

    return {name: tensor for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}


def assert_same_tensors(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.dtype == theirs[name].dtype and torch.equal(tensor, theirs[name]), name


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_round_trip_is_exact(tmp_path, family, dtype):
    model = build(family, dtype)
    export(model, tiny_tokenizer(), tmp_path / "m")
    check_folder(tmp_path / "m")
    own = {tensor.dtype for tensor in model.state_dict().values()}  # a router's weights may stay float32
    assert dtype in own and {tensor.dtype for tensor in weights(tmp_path / "m").values()} == own
    again = AutoModelForCausalLM.from_pretrained(tmp_path / "m", dtype="auto")
    assert type(again) is type(model) and again.dtype == dtype
    # transformers holds what DeepSeek routes by in float32 whatever the file says
    state = dict(model.state_dict())
    held = {name: p.to(state[name].dtype) if ".gate." in name else p for name, p in again.state_dict().items()}
    assert_same_tensors(held, state)
    tokenizer = load_tokenizer(tmp_path / "m")
    assert tokenizer("seven")["input_ids"] == [2] and tokenizer.chat_template == "{{ messages }}"
    if family != "qwen2":  # AutoTokenizer replaces the tokenizer of every qwen2 model by Qwen's own
        assert AutoTokenizer.from_pretrained(tmp_path / "m")("seven")["input_ids"] == [2]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize("family", CONFIGS)
def test_the_same_tensors_as_save_pretrained(tmp_path, family):
    model = build(family)
    export(model, tiny_tokenizer(), tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    assert_same_tensors(weights(tmp_path / "ours"), weights(tmp_path / "theirs"))
    ours, theirs = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("ours", "theirs"))
    # vLLM reads from the file what transformers does without being told
    vllm = {"topk_method": "noaux_tc", "scoring_func": "sigmoid"} if family == "deepseek_v3" else {}
    assert ours == theirs | vllm


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family, twice", [("deepseek_v3", True), ("llama", False), ("qwen2", False)])
def test_a_tied_head_is_written_where_vllm_does_not_tie_it(tmp_path, family, twice, dtype):
    torch.manual_seed(0)
    config = copy.deepcopy(CONFIGS[family])
    config.tie_word_embeddings = True
    model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    export(model, tiny_tokenizer(), tmp_path / "m", max_shard_bytes=8_000)
    check_folder(tmp_path / "m")
    held = weights(tmp_path / "m")
    assert ("lm_head.weight" in held) == twice
    assert not twice or torch.equal(held["lm_head.weight"], held["model.embed_tokens.weight"])
    # it comes back tied all the same, from this folder and from one that transformers writes: the weight once
    model.save_pretrained(tmp_path / "before")
    tiny_tokenizer().save_pretrained(tmp_path / "before")
    assert "lm_head.weight" not in weights(tmp_path / "before")
    for folder in ("m", "before"):
        again, _ = load_model(tmp_path / folder, str(dtype).removeprefix("torch."))
        assert again.lm_head.weight is again.model.embed_tokens.weight and again.config.tie_word_embeddings
        assert torch.equal(again.lm_head.weight, model.lm_head.weight)
    export(again, tiny_tokenizer(), tmp_path / "again")
    assert_same_tensors(weights(tmp_path / "again"), held)


def test_a_head_that_is_not_tied_is_its_own(tmp_path):
    model = build("deepseek_v3")
    export(model, tiny_tokenizer(), tmp_path / "m")
    again, _ = load_model(tmp_path / "m", "float32")
    assert again.lm_head.weight is not again.model.embed_tokens.weight
    assert torch.equal(again.lm_head.weight, model.lm_head.weight)


def test_tied_weights_once_and_experts_apart(tmp_path):
    export(build("llama"), tiny_tokenizer(), tmp_path / "tied")
    assert "lm_head.weight" not in weights(tmp_path / "tied")
    export(build("deepseek_v3"), tiny_tokenizer(), tmp_path / "experts")
    gate = weights(tmp_path / "experts")["model.layers.1.mlp.experts.3.gate_proj.weight"]
    assert gate.shape == (16, 32)  # moe_intermediate_size x hidden_size


def test_small_shards_load_and_agree(tmp_path):
    model = build("deepseek_v3")
    export(model, tiny_tokenizer(), tmp_path / "m", max_shard_bytes=8_000)
    export(model, tiny_tokenizer(), tmp_path / "whole")
    files = sorted((tmp_path / "m").glob("*.safetensors"))
    assert len(files) > 5 and files[-1].name == f"model-{len(files):05d}-of-{len(files):05d}.safetensors"
    largest = max(p.nbytes for p in weights(tmp_path / "m").values())
    assert all(path.stat().st_size < max(8_000, largest) + 4_000 for path in files)  # plus the header
    check_folder(tmp_path / "m")
    assert_same_tensors(weights(tmp_path / "m"), weights(tmp_path / "whole"))
    again, _ = load_model(tmp_path / "m", "float32")
    assert_same_tensors(dict(again.state_dict()), dict(model.state_dict()))
    index = json.loads((tmp_path / "m" / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == sum(p.nbytes for p in weights(tmp_path / "m").values())


def test_shards_are_filled_in_order(tmp_path):
    writer = ShardWriter(tmp_path, max_shard_bytes=100)
    for name in "abc":
        writer.add(name, torch.zeros(10))  # 40 bytes each: a and b are 80, c would make 120
    writer.close()
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    assert index == {"metadata": {"total_size": 120}, "weight_map": {"a": first, "b": first, "c": second}}
    with pytest.raises(ModelError, match="under one name"):
        writer.add("a", torch.zeros(1))


def test_an_older_export_is_replaced_whole(tmp_path):
    model = build("llama")
    export(model, tiny_tokenizer(), tmp_path / "m", max_shard_bytes=8_000)
    (tmp_path / ".m.partial").mkdir()
    (tmp_path / ".m.partial" / "left over").write_text("")
    with torch.no_grad():
        model.model.norm.weight.add_(1)
    export(model, tiny_tokenizer(), tmp_path / "m")
    assert torch.equal(weights(tmp_path / "m")["model.norm.weight"], torch.full((32,), 2.0))
    assert [path.name for path in (tmp_path / "m").glob("*.safetensors*")] == ["model.safetensors"]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        export(build("llama"), tiny_tokenizer(), tmp_path / "file" / "m")
    assert "cannot be written" in str(caught.value) and caught.value.remedy


def test_no_space_is_said_before_writing(tmp_path):
    check_space(tmp_path, 1)
    with pytest.raises(StorageError, match="no space"):
        check_space(tmp_path, 10**18)


class Wrapper(nn.Module):
    """A policy is often one module inside the one that is sharded."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(ids)


def _shard_and_export(rank: int, folder) -> None:
    torch.set_num_threads(1)
    store = f"file://{folder}/rendezvous"
    distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    from torch.distributed.fsdp import fully_shard

    for family in CONFIGS:
        inner = build(family)
        for layer in inner.model.layers:
            fully_shard(layer)
        fully_shard(Wrapper(inner) if family == "qwen2" else inner)
        export(inner, tiny_tokenizer(), folder / f"{family}-sharded", max_shard_bytes=8_000)
        # the parameters are still shards: export gathered them one at a time and let them go
        assert all(hasattr(p, "full_tensor") for p in inner.parameters())
    try:
        export(inner, tiny_tokenizer(), folder / "rendezvous" / "under a file")
    except StorageError:
        (folder / f"refused-{rank}").write_text("")
    distributed.destroy_process_group()


def test_two_fsdp_processes_write_what_one_writes(tmp_path):
    multiprocessing.spawn(_shard_and_export, (tmp_path,), nprocs=2)
    for family in CONFIGS:
        export(build(family), tiny_tokenizer(), tmp_path / f"{family}-whole", max_shard_bytes=8_000)
        whole, sharded = tmp_path / f"{family}-whole", tmp_path / f"{family}-sharded"
        assert sorted(p.name for p in whole.iterdir()) == sorted(p.name for p in sharded.iterdir())
        for path in whole.iterdir():
            assert path.read_bytes() == (sharded / path.name).read_bytes(), path.name
    # what rank 0 could not write is an error on both ranks, and neither waits for the other
    assert (tmp_path / "refused-0").exists() and (tmp_path / "refused-1").exists()
