"""The small tokenizer and the shrunken configs."""

import subprocess
import sys

import pytest

from r1lab.errors import ModelError
from r1lab.models.local import END, PAD, TAGS, build_tokenizer, shrink

HEAD = "Think inside <think> </think> and answer inside <answer> </answer> tags. User: "
TAIL = ". Assistant:"
TEXTS = [f"{HEAD}What is {a}+{b}?{TAIL} <think> First {a}+{b}={a + b} </think>" for a in range(30) for b in range(10)]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(TEXTS, 400, (HEAD, TAIL))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "What is 1+2?",
        "héllo 世界 🎉\n\n  a\tb",
        "<think>12</think>  <answer> 3 </answer>",
        "a <|end|> b ,. '",
        HEAD,
    ],
)
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_phrases_tags_and_digits_are_single_tokens(tokenizer):
    ids = tokenizer(f"{HEAD}What is 47+5?{TAIL} <think> 52").input_ids
    pieces = [tokenizer.decode([i]) for i in ids]
    # the head holds tags, yet is one token: the leftmost longest match wins
    assert pieces[0] == HEAD and pieces[-5:] == [TAIL, " <think>", " ", "5", "2"]
    assert [p for p in pieces if any(c.isdigit() for c in p)] == ["4", "7", "5", "5", "2"]
    for tag in TAGS:
        assert len(tokenizer(tag).input_ids) == len(tokenizer(f" {tag}").input_ids) == 1
    assert tokenizer.eos_token == END and tokenizer.pad_token == PAD
    assert tokenizer.eos_token_id != tokenizer.pad_token_id


def test_prompt_and_completion_join_without_a_seam(tokenizer):
    prompt, completion = f"{HEAD}What is 3+4?{TAIL}", " <think> First 3+4=7 </think> <answer> 7 </answer>"
    assert tokenizer(prompt).input_ids + tokenizer(completion).input_ids == tokenizer(prompt + completion).input_ids


def test_same_texts_same_tokenizer_and_a_saved_one_agrees(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    assert build_tokenizer(TEXTS, 400, (HEAD, TAIL)).get_vocab() == tokenizer.get_vocab()
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in [*TEXTS[::50], "héllo 世界 <think> x</think>"]:
        assert loaded(text).input_ids == tokenizer(text).input_ids
        assert loaded.decode(loaded(text).input_ids) == text
    assert (loaded.eos_token_id, loaded.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


def test_a_tokenizer_like_qwen_s_is_what_the_auto_class_makes_of_it(tmp_path):
    """AutoTokenizer takes Qwen2Tokenizer for every model of that family, and would split the text of another anew."""
    from transformers import AutoTokenizer

    tokenizer = build_tokenizer(TEXTS, 400, (HEAD, TAIL), like="Qwen2Tokenizer")
    tokenizer.save_pretrained(tmp_path)
    shrink("qwen2", {"vocab_size": 400, "hidden_size": 32, "num_attention_heads": 1}).save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded).__name__ == "Qwen2Tokenizer" and loaded.get_vocab() == tokenizer.get_vocab()
    for text in [*TEXTS[::50], f"{HEAD}don't, then 12+3?{TAIL} <think> 世界 </think> <|end|>"]:
        assert loaded(text).input_ids == tokenizer(text).input_ids
        assert loaded.decode(loaded(text).input_ids) == text
    assert (loaded.eos_token_id, loaded.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)


def test_another_process_learns_the_same_tokenizer():
    code = (
        "import hashlib; from r1lab.models.local import build_tokenizer\n"
        "texts = [f'{a}+{b}={a + b}, then so on {a}' for a in range(30) for b in range(10)]\n"
        "tokenizer = build_tokenizer(texts, 300)\n"
        "print(hashlib.sha256(str(sorted(tokenizer.get_vocab().items())).encode()).hexdigest())"
    )
    run = [sys.executable, "-c", code]
    hashes = {subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(hashes) == 1


def test_a_vocabulary_without_room_says_what_it_needs():
    # 256 bytes + 8 tags + 2 phrases + end and pad = 268
    with pytest.raises(ModelError, match="at least 268"):
        build_tokenizer(TEXTS, 267, (HEAD, TAIL))
    assert len(build_tokenizer(TEXTS, 268, (HEAD, TAIL))) == 268


@pytest.mark.parametrize("family", ["deepseek_v3", "qwen2", "llama"])
def test_shrink_keeps_the_family(family):
    import torch
    from transformers import AutoModelForCausalLM

    small = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 64}
    small |= {"num_attention_heads": 2, "num_key_value_heads": 2}
    if family == "deepseek_v3":
        small |= {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "q_lora_rank": 16}
        small |= {"kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
        small |= {"moe_intermediate_size": 32, "first_k_dense_replace": 1, "num_nextn_predict_layers": 0}
    config = shrink(family, small)
    assert config.model_type == family
    assert {key: getattr(config, key) for key in small} == small
    model = AutoModelForCausalLM.from_config(config)
    assert model(torch.zeros(1, 3, dtype=torch.long)).logits.shape == (1, 3, 300)


def test_shrink_refuses_what_the_family_does_not_know():
    with pytest.raises(ModelError, match="deepseek_v3, qwen2, llama"):
        shrink("gpt5", {})
    with pytest.raises(ModelError, match="hiden_size"):
        shrink("llama", {"hiden_size": 32})
