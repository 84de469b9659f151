"""What all tests share: one thread, no network, small models of the real architectures."""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["WANDB_MODE"] = "offline"

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
torch.set_num_threads(1)

ARCHITECTURES = {
    "deepseek_v3": {
        "hidden_size": 32, "intermediate_size": 64, "moe_intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "q_lora_rank": None, "kv_lora_rank": 16,
        "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16, "n_routed_experts": 4, "n_shared_experts": 1,
        "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
        "routed_scaling_factor": 1.0, "max_position_embeddings": 256,
    },
    "qwen2": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 256,
    },
    "llama": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 256,
    },
}  # fmt: skip


@pytest.fixture
def hydra():
    """Hydra as a command has it: `compose` finds the files of conf/, experiments/ and sweeps/."""
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from r1lab.config import paths, schema

    GlobalHydra.instance().clear()
    paths.register()
    schema.register()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield


@pytest.fixture(scope="session")
def tokenizer():
    """A tiny reversible tokenizer with the tags as tokens."""
    from r1lab.models.local import build_tokenizer

    return build_tokenizer(["What is 7+5-3? First 7+5=12, then 12-3=9"] * 3, vocab_size=300)


@pytest.fixture
def tiny_model(tokenizer):
    """A function (family, dtype, seed) -> tiny transformers model of that architecture with random weights."""
    from transformers import AutoModelForCausalLM

    from r1lab.models.local import shrink

    def build(family="deepseek_v3", dtype=torch.float32, seed=0):
        torch.manual_seed(seed)
        config = shrink(
            family,
            ARCHITECTURES[family]
            | {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id,
               "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None, "initializer_range": 0.2},
        )  # fmt: skip
        # grouped matrix products know no float64
        experts = {"experts_implementation": "eager"} if family == "deepseek_v3" and dtype == torch.float64 else {}
        return AutoModelForCausalLM.from_config(config, attn_implementation="sdpa", dtype=dtype, **experts)

    return build


@pytest.fixture
def shared_data():
    """The folder of real data sets beside the project, where there is one."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the real data sets are not beside the project (../shared/data)")
    return folder
