"""Weights for a sampler that is not quite the policy, worked by hand."""

import math

import pytest
import torch

from r1lab.functional.corrections import Masked, SequenceMasked, Truncated, Uncorrected
from r1lab.functional.ratios import SequenceRatio, TokenRatio

# completions of two tokens with the ratios 2 and 1.4, and 2 and 1.6, behind a prompt
OLD = torch.tensor([[0.0, math.log(2), math.log(1.4), math.log(2), math.log(1.6)]], dtype=torch.float64)
SAMPLER = torch.zeros_like(OLD)
SEGMENTS = torch.tensor([[-1, 0, 0, 1, 1]])
MASK = SEGMENTS >= 0
CASES = [
    (Uncorrected(), [1, 1, 1, 1], [0, 0, 0, 0]),
    (Truncated(1.5), [1.5, 1.4, 1.5, 1.5], [1, 0, 1, 1]),
    (Masked(1.5, 1.8), [0, 0, 0, 1.6], [1, 1, 1, 0]),
    (SequenceMasked(3.0), [2.8, 2.8, 0, 0], [0, 0, 1, 1]),
]


@pytest.mark.parametrize("correction, expected, where", CASES, ids=lambda v: type(v).__name__)
def test_by_hand(correction, expected, where):
    weights, cut = correction(OLD, SAMPLER, MASK, SEGMENTS)
    assert weights[MASK].tolist() == pytest.approx(expected)
    assert cut[MASK].tolist() == where


def test_ratios_by_hand():
    logprobs = OLD.clone().requires_grad_()
    assert TokenRatio()(logprobs, SAMPLER, MASK, SEGMENTS) is SAMPLER
    ratio = (logprobs - SequenceRatio()(logprobs, SAMPLER, MASK, SEGMENTS)).exp()[MASK]
    # the roots of 2.8 and 3.2
    assert ratio.tolist() == pytest.approx([1.6733201, 1.6733201, 1.7888544, 1.7888544])
    (gradient,) = torch.autograd.grad(ratio[0], logprobs)
    assert gradient.flatten().tolist() == pytest.approx([0, 1.6733201, 0, 0, 0])
