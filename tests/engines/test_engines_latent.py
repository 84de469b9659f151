"""Attention to latents as they are cached is attention to expanded keys and values."""

import pytest
import torch

from r1lab.engines.latent import latent_attention


@pytest.mark.parametrize("new", [1, 3])
def test_it_equals_the_models_own_attention(new, tiny_model):
    from transformers import DynamicCache

    model = tiny_model("deepseek_v3", torch.float64)
    torch.manual_seed(0)
    ids = torch.randint(5, 200, (2, 9))
    with torch.no_grad():
        expected = model(ids).logits[:, -new:]
        with latent_attention(model):
            expansions = count_expansions(model)
            cache = DynamicCache(config=model.config)
            model(ids[:, :-new], past_key_values=cache)
            read = list(expansions)
            found = model(ids[:, -new:], past_key_values=cache).logits
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    # the prompt is expanded once a layer; the past never again for one new token
    assert len(read) == 2 and len(expansions) == (2 if new == 1 else 4)


def count_expansions(model):
    found = []
    for layer in model.model.layers:
        layer.self_attn.kv_b_proj.register_forward_hook(lambda *_: found.append(1))
    return found


def test_the_model_is_as_before_afterwards(tiny_model):
    model = tiny_model("deepseek_v3")
    with latent_attention(model):
        assert "expand_kv" in vars(model.model.layers[0].self_attn) and model.config._attn_implementation != "sdpa"
    assert "expand_kv" not in vars(model.model.layers[0].self_attn) and model.config._attn_implementation == "sdpa"


def test_a_model_without_latents_is_left_alone(tiny_model):
    model = tiny_model("llama")
    with latent_attention(model):
        assert model.config._attn_implementation == "sdpa"
