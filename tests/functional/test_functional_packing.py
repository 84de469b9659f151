"""Packing loses nothing, mixes nothing, computes a shared prompt once, and wastes little."""

import random

import pytest
import torch

from r1lab.functional.packing import attention_mask, best_fit, bundles, microbatches, pack, plan, unpack
from r1lab.types import TrainingSample


def group(prompt, *completions):
    """Samples that share one prompt tensor; advantages 1, 2, ... and old logprobs -1, -2, ..."""
    prompt = torch.tensor(prompt, dtype=torch.int64)
    return [
        TrainingSample(prompt, torch.tensor(c, dtype=torch.int64), -torch.arange(1.0, len(c) + 1), number)
        for number, c in enumerate(completions, 1)
    ]


def random_samples(num_groups, group_size=4, seed=0):
    draw = random.Random(seed)

    def ids(low, high):
        return [draw.randrange(5, 99) for _ in range(draw.randrange(low, high))]

    groups = [group(ids(1, 9), *(ids(1, 20) for _ in range(group_size))) for _ in range(num_groups)]
    return [
        TrainingSample(s.prompt_ids, s.completion_ids, -torch.rand(len(s.completion_ids)), draw.uniform(-1, 1))
        for samples in groups
        for s in samples
    ]


def test_the_example_of_the_noun():
    batch = pack([[group([11, 12], [13, 14], [15]), group([16], [17])], [group([18], [19] * 7)]], pad_id=9)
    assert batch.ids.tolist() == [[11, 12, 13, 14, 15, 16, 17, 9], [18] + [19] * 7]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 2, 0, 1, 0], [0, 1, 2, 3, 4, 5, 6, 7]]
    assert batch.branches.tolist() == [[0, 0, 0, 0, 0, 1, 1, -1], [2] * 8]
    assert batch.segments.tolist() == [[-1, -1, 0, 0, 1, -1, 2, -1], [-1] + [3] * 7]
    assert batch.predictors.tolist() == [[0, 0, 1, 2, 1, 0, 5, 0], [0, 0, 1, 2, 3, 4, 5, 6]]
    assert batch.loss_mask.int().tolist() == [[0, 0, 1, 1, 1, 0, 1, 0], [0] + [1] * 7]
    assert batch.advantages.tolist() == [[0, 0, 1, 1, 2, 0, 1, 0], [0] + [1] * 7]
    assert batch.old_logprobs.tolist() == [[0, 0, -1, -2, -1, 0, -1, 0], [0, -1, -2, -3, -4, -5, -6, -7]]
    assert (batch.num_sequences, batch.num_tokens) == (4, 15)
    assert batch.ids.dtype == batch.segments.dtype == batch.positions.dtype == torch.int64


def test_best_fit_by_hand():
    # 8 opens A (2 left); 4 opens B (6 left), 4 -> B (2 left); 2 -> A (0 left, tie of 2 and 2 goes to the older);
    # 1 -> B (1 left), 1 -> B
    assert best_fit([4, 8, 1, 4, 2, 1], 10) == [[1, 4], [0, 3, 2, 5]]
    # first fit would put 3 into the bin of 5 (5 left), best fit into the bin of 7 (3 left)
    assert best_fit([5, 7, 3], 10) == [[1, 2], [0]]
    assert best_fit([25, 4], 10) == [[0], [1]]
    assert best_fit([], 10) == []


def test_best_fit_keeps_every_index_and_the_capacity():
    draw = random.Random(1)
    lengths = [draw.randrange(1, 60) for _ in range(500)]
    bins = best_fit(lengths, 64)
    assert sorted(index for row in bins for index in row) == list(range(500))
    assert all(sum(lengths[i] for i in row) <= 64 for row in bins)
    # best-fit decreasing is within 11/9 of the least possible number of bins
    assert len(bins) <= 11 / 9 * -(-sum(lengths) // 64) + 1
    assert bins == best_fit(lengths, 64)


@pytest.mark.parametrize(("row_tokens", "max_tokens"), [(40, 160), (10, 40), (64, 64), (500, 100), (1, 1)])
def test_plan_keeps_the_limits(row_tokens, max_tokens):
    lengths = [s.num_tokens for s in random_samples(25)]
    batches = plan(lengths, row_tokens, max_tokens)
    assert sorted(i for rows in batches for row in rows for i in row) == list(range(100))
    for rows in batches:
        used = [sum(lengths[i] for i in row) for row in rows]
        assert all(tokens <= row_tokens or len(row) == 1 for tokens, row in zip(used, rows))
        assert len(rows) * max(used) <= max_tokens or len(rows) == 1


def test_plan_by_hand():
    # rows at capacity 10: [6, 4], [5]; two rows of width 10 fit into 20 but not into 19
    assert plan([5, 6, 4], 10, 20) == [[[1, 2], [0]]]
    assert plan([5, 6, 4], 10, 19) == [[[1, 2]], [[0]]]


def test_bundles_by_hand():
    # prompt of 4, completions of 3: 4 + 3 + 3 = 10 fits, a third would make 13
    four = group([1, 2, 3, 4], *[[5, 6, 7]] * 4)
    assert bundles(four, 10) == [[0, 1], [2, 3]]
    assert bundles(four, 13) == [[0, 1, 2], [3]]
    # nothing is cut where a single completion does not fit
    assert bundles(four, 5) == [[0], [1], [2], [3]]
    # equal ids in two tensors are two prompts; the members of a group may lie apart
    other = group([1, 2, 3, 4], [5])
    assert bundles([four[0], other[0], four[1]], 100) == [[0, 2], [1]]


def test_round_trip():
    samples = random_samples(20)
    batches = microbatches(samples, 64, 256, pad_id=0)
    assert all(batch.ids.numel() <= 256 and batch.ids.shape[1] <= 64 for batch in batches)
    rest = {(tuple(s.prompt_ids.tolist()), tuple(s.completion_ids.tolist())): s for s in samples}
    assert len(rest) == 80
    for batch in batches:
        ids, old, advantages = (unpack(v, batch) for v in (batch.ids, batch.old_logprobs, batch.advantages))
        assert len(ids) == batch.num_sequences
        for s in range(batch.num_sequences):
            counted = batch.segments == s
            prompt = batch.ids[(batch.branches == batch.branches[counted][0]) & (batch.segments < 0)]
            sample = rest.pop((tuple(prompt.tolist()), tuple(ids[s].tolist())))
            assert torch.equal(old[s], sample.old_logprobs)
            assert torch.equal(advantages[s], torch.full((len(ids[s]),), sample.advantage))
            start = len(prompt)
            assert torch.equal(batch.positions[counted], torch.arange(start, start + len(ids[s])))
        off = ~batch.loss_mask
        assert not batch.advantages[off].any() and not batch.old_logprobs[off].any()
        assert torch.equal(batch.loss_mask, batch.segments >= 0)
        assert (batch.ids[batch.branches < 0] == 0).all()
    assert not rest


def test_a_shared_prompt_is_computed_once():
    samples = group(list(range(50)), *[[1, 2]] * 8)
    (batch,) = microbatches(samples, 100, 100, pad_id=0)
    assert batch.num_tokens == 50 + 8 * 2
    assert batch.num_sequences == 8


def test_unpack_keeps_sequences_without_counted_tokens():
    batch = pack([[group([1, 2], [], [4, 5], []), group([3], [])]], 0)
    assert [values.tolist() for values in unpack(batch.ids, batch)] == [[], [4, 5], [], []]


def test_empty_microbatch():
    batch = pack([[]], pad_id=7)
    assert batch.ids.tolist() == [[7]] and batch.num_sequences == 0 and batch.num_tokens == 0
    assert unpack(batch.ids, batch) == []


def test_a_prompt_is_needed():
    with pytest.raises(AssertionError, match="prompt"):
        pack([[group([], [1])]], 0)


def test_attention_mask_by_hand():
    # a b | c | d, then e | f, then a pad: c and d see a b and themselves, f sees e
    branches, segments = torch.tensor([[0, 0, 0, 0, 1, 1, -1]]), torch.tensor([[-1, -1, 0, 1, -1, 2, -1]])
    mask = attention_mask(branches, segments)
    assert mask.shape == (1, 1, 7, 7) and mask.dtype == torch.bool
    assert mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
    ]


def test_packed_attention_and_predictors_equal_each_sequence_alone():
    samples = random_samples(3)
    batch = microbatches(samples, 64, 10_000, pad_id=0)[0]
    table = torch.randn(100, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def attend(ids, positions, mask):
        x = table[ids] + 0.1 * positions[..., None]
        return torch.nn.functional.scaled_dot_product_attention(x[:, None], x[:, None], x[:, None], attn_mask=mask)[
            :, 0
        ]

    packed = attend(batch.ids, batch.positions, attention_mask(batch.branches, batch.segments))
    assert packed.isfinite().all()
    predicting = packed.gather(1, batch.predictors[..., None].expand_as(packed))
    for s in range(batch.num_sequences):
        counted = batch.segments == s
        prompt = batch.ids[(batch.branches == batch.branches[counted][0]) & (batch.segments < 0)]
        ids = torch.cat([prompt, batch.ids[counted]])[None]
        length = ids.shape[1]
        alone = attend(ids, torch.arange(length)[None], torch.ones(length, length).tril().bool())[0]
        torch.testing.assert_close(packed[counted], alone[len(prompt) :], rtol=1e-12, atol=1e-12)
        # the state before each token of the completion, the prompt's last for the first
        torch.testing.assert_close(predicting[counted], alone[len(prompt) - 1 : -1], rtol=1e-12, atol=1e-12)
