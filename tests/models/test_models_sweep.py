"""Every causal family of transformers, tiny: right to 1e-5 nats, or refused in words before anything is trained.

python tests/models/test_models_sweep.py [float32|bfloat16|autocast] prints the table.
"""

import re
import sys
import time
import warnings
from collections import Counter

import pytest
import torch
import transformers
from tiny_families import POSITIONS, VOCABULARY, tiny_config, tiny_model
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from r1lab.engines.agreement import LIMITS, compare
from r1lab.engines.torch_engine import TorchEngine
from r1lab.errors import ModelError
from r1lab.models.causal import CausalPolicy
from r1lab.models.families import check_config

UNBUILT = "cannot be built tiny"
LARGEST = 8e6
WHOLE = {"sliding_window": POSITIONS}
NOT_COVERED = 30
"""Most families that may not be built: each version of transformers has others."""


def outcome(family, computing="float32", **more):
    """(right, refused or UNBUILT, what was found)."""
    try:
        config = tiny_config(family, **more)
    except Exception as error:
        return UNBUILT, f"{type(error).__name__}: {str(error).splitlines()[0]}"
    try:
        check_config(config)
    except ModelError as error:
        return "refused", f"by its configuration: {error.wrong} {error.found}"
    try:
        model = tiny_model(config, scale=0.2)
    except Exception as error:
        return UNBUILT, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    if (size := sum(p.numel() for p in model.parameters())) > LARGEST:
        return UNBUILT, f"{size:,} parameters"
    if computing == "bfloat16":
        model = model.bfloat16()
    try:
        policy = CausalPolicy(model, torch.bfloat16 if computing == "autocast" else None)
        (*_, found) = compare(policy, lambda one: TorchEngine(one, 0, 4), range(3, VOCABULARY), longest=100)
    except ModelError as error:
        return "refused", f"when compared: {error.wrong} {error.found}"
    return "right", (
        f"trainer {found.trainer_most:.1e} (mean {found.trainer_mean:.1e}), "
        f"engine {found.engine_most:.1e} (mean {found.engine_mean:.1e})"
    )


def table(computing="float32"):
    """[family, outcome, what was found] of every family."""
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    rows = []
    for family in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        started = time.perf_counter()
        rows.append((family, *outcome(family, computing)))
        print(f"{rows[-1][1]:8} {family:26} {time.perf_counter() - started:5.2f} s  {rows[-1][2][:150]}", flush=True)
    print(Counter(row[1] for row in rows))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("computing", ["float32", "bfloat16"])
def test_every_family_is_right_or_refused(computing):
    rows = table(computing)
    counts = Counter(row[1] for row in rows)
    assert counts["right"] >= 60 and counts["right"] + counts["refused"] >= len(rows) - NOT_COVERED
    if computing == "float32":
        for family, found, said in rows:
            if found == "right":
                numbers = [float(number) for number in re.findall(r"\d\.\d+e-\d+", said)]
                assert len(numbers) == 4 and max(numbers) < 1e-5, (family, said)


KNOWN = {
    "right": ("llama", "qwen2", "qwen3", "qwen3_moe", "deepseek_v3", "gpt2", "gpt_neox", "olmo2", "phi3", "mixtral",
              "seed_oss", "opt", "gpt_bigcode", "biogpt", "falcon", "persimmon", "nemotron", "llama4_text", "xglm",
              "granite", "stablelm", "starcoder2", "smollm3", "glm4", "ernie4_5"),
    "refused": ("gemma2", "gemma3", "gemma3_text", "gpt_oss", "gpt_neo", "mistral", "lfm3", "lfm2_moe", "qwen3_next",
                "qwen3_5_text", "falcon_h1", "mamba", "rwkv", "nemotron_h", "jamba", "recurrent_gemma", "bloom", "mpt",
                "bert", "bart", "cohere", "doge", "xlnet", "openai-gpt"),
}  # fmt: skip


@pytest.mark.parametrize("family, expected", [(family, kind) for kind, names in KNOWN.items() for family in names])
def test_a_family_is_right_or_refused(family, expected):
    found, said = outcome(family)
    assert found == expected, said


@pytest.mark.parametrize("family", ["gemma3_text", "gemma2", "gpt_oss", "olmo3", "cohere2"])
def test_windows_as_long_as_the_longest_text_are_right(family):
    more = {"final_logit_softcapping": None} if family == "gemma2" else {}
    more |= {"logit_scale": 1.0} if family == "cohere2" else {}
    assert outcome(family, **WHOLE, **more)[0] == "right"


def test_the_limits_stand_above_what_rounding_does():
    assert LIMITS[torch.float32].most <= 6e-5 and LIMITS[torch.float32].mean <= 1.5e-5


if __name__ == "__main__":
    torch.set_num_threads(1)
    table(*sys.argv[1:])
