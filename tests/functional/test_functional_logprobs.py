"""Chunked logprobs equal the plain ones, values and gradients, and stay small."""

import math
import subprocess
import sys

import pytest
import torch

from r1lab.functional.logprobs import token_logprobs


def plain(hidden, weight, ids, temperature=1.0, bias=0.0):
    logprobs = ((hidden @ weight.T + bias) / temperature).log_softmax(-1)
    return logprobs.gather(-1, ids[..., None])[..., 0], -(logprobs.exp() * logprobs).sum(-1)


def inputs(*shape, vocabulary=13, width=5, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    hidden = torch.randn(*shape, width, generator=g, dtype=dtype, requires_grad=True)
    weight = torch.randn(vocabulary, width, generator=g, dtype=dtype, requires_grad=True)
    bias = torch.randn(vocabulary, generator=g, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(vocabulary, shape, generator=g), bias


def test_by_hand():
    # logits = (ln 1, ln 3) -> probabilities (1/4, 3/4); entropy = -(1/4 ln 1/4 + 3/4 ln 3/4) = 0.3465736 + 0.2157616
    hidden, weight = torch.tensor([[1.0]]), torch.tensor([[0.0], [math.log(3)]])
    logprobs, entropy = token_logprobs(hidden, weight, torch.tensor([1]))
    assert logprobs.item() == pytest.approx(-0.2876821, abs=1e-6)  # ln 3/4
    assert entropy.item() == pytest.approx(0.5623351, abs=1e-6)
    # temperature 1/2 doubles the logits: (ln 1, ln 9) -> 9/10
    assert token_logprobs(hidden, weight, torch.tensor([1]), 0.5)[0].item() == pytest.approx(-0.1053605, abs=1e-6)
    # a bias of ln 3 on the first makes both alike
    bias = torch.tensor([math.log(3), 0.0])
    assert token_logprobs(hidden, weight, torch.tensor([0]), bias=bias)[0].item() == pytest.approx(
        math.log(0.5), abs=1e-6
    )


@pytest.mark.parametrize("chunk", [None, 1, 3, 7, 100])
@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_equals_plain(chunk, temperature):
    hidden, weight, ids, bias = inputs(2, 7)
    coefficients = torch.randn(2, 7, dtype=torch.float64)
    expected = plain(hidden, weight, ids, temperature, bias)
    expected_grads = torch.autograd.grad((expected[0] * coefficients).sum(), (hidden, weight, bias))
    found = token_logprobs(hidden, weight, ids, temperature, chunk, bias)
    grads = torch.autograd.grad((found[0] * coefficients).sum(), (hidden, weight, bias))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(grads, expected_grads, rtol=1e-12, atol=1e-12)
    assert found[0].dtype == torch.float64


@pytest.mark.parametrize("with_bias", [False, True])
def test_gradcheck(with_bias):
    hidden, weight, ids, bias = inputs(4)
    bias = bias if with_bias else None
    assert torch.autograd.gradcheck(lambda h, w, b: token_logprobs(h, w, ids, 0.7, 3, b)[0], (hidden, weight, bias))


def test_entropy_carries_no_gradient_and_frozen_inputs_get_none():
    hidden, weight, ids, _ = inputs(4)
    logprobs, entropy = token_logprobs(hidden, weight.detach(), ids)
    assert not entropy.requires_grad
    logprobs.sum().backward()
    assert weight.grad is None
    expected = torch.autograd.grad(plain(hidden, weight, ids)[0].sum(), hidden)[0]
    torch.testing.assert_close(hidden.grad, expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        assert not token_logprobs(hidden, weight, ids)[0].requires_grad


def test_bfloat16_is_computed_in_float32_also_under_autocast():
    hidden, weight, ids, _ = inputs(64, vocabulary=301, width=32, dtype=torch.bfloat16)
    full = hidden.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    expected = plain(*full, ids)
    expected[0].sum().backward()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logprobs, entropy = token_logprobs(hidden, weight, ids, chunk_size=10)
    logprobs.sum().backward()
    assert logprobs.dtype == entropy.dtype == torch.float32
    # float32 keeps 7 digits; in bfloat16 the logits alone would be wrong by up to 0.06
    torch.testing.assert_close(logprobs.double(), expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(entropy.double(), expected[1], rtol=1e-5, atol=1e-5)
    # only the last rounding of the gradients is to bfloat16: half a unit of 2^-8
    assert hidden.grad.dtype == weight.grad.dtype == torch.bfloat16
    torch.testing.assert_close(weight.grad.double(), full[1].grad, rtol=2**-8, atol=1e-4)
    torch.testing.assert_close(hidden.grad.double(), full[0].grad, rtol=2**-8, atol=1e-4)


def test_mixed_types_of_autocast():
    hidden, weight, ids, _ = inputs(8, dtype=torch.float32)
    found, _ = token_logprobs(hidden.bfloat16(), weight, ids)
    expected, _ = plain(hidden.bfloat16().float(), weight, ids)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_blocks_of_a_converted_weight(monkeypatch):
    monkeypatch.setattr("r1lab.functional.logprobs._BLOCK_ELEMENTS", 20)  # 4 rows of 5: 13 rows are 4 blocks
    hidden, weight, ids, _ = inputs(6, dtype=torch.bfloat16)
    full = hidden.detach().double().requires_grad_(), weight.detach().double().requires_grad_()
    found, expected = token_logprobs(hidden, weight, ids, chunk_size=4)[0], plain(*full, ids)[0]
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(hidden.grad.double(), full[0].grad, rtol=2**-8, atol=1e-4)
    torch.testing.assert_close(weight.grad.double(), full[1].grad, rtol=2**-8, atol=1e-4)


def test_no_tokens():
    hidden, weight, ids, _ = inputs(0)
    logprobs, entropy = token_logprobs(hidden, weight, ids)
    logprobs.sum().backward()
    assert logprobs.shape == entropy.shape == (0,)
    assert torch.equal(weight.grad, torch.zeros_like(weight))


def test_twice_the_same_bits():
    hidden, weight, ids, _ = inputs(50, dtype=torch.float32)
    assert torch.equal(token_logprobs(hidden, weight, ids)[0], token_logprobs(hidden, weight, ids)[0])


def test_memory_of_a_large_vocabulary():
    # 640 tokens x 152,064: plain float32 logits, log-softmax and gradient take 3 x 371 MiB; chunks take 2 x 128 MiB.
    code = (
        "import re, torch\n"
        "from r1lab.functional.logprobs import token_logprobs\n"
        "torch.set_num_threads(1)\n"
        # getrusage would count what the parent held before this program was started
        "rss = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024\n"
        "h = torch.randn(640, 8, requires_grad=True); w = torch.randn(152064, 8, requires_grad=True)\n"
        "(h[:64] @ w[:64].T).sum().backward(); before = rss()\n"
        "token_logprobs(h, w, torch.zeros(640, dtype=torch.int64))[0].sum().backward(); print(rss() - before)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 100 < float(printed) < 350  # MiB
