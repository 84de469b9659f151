"""The torch engine samples what the model says, whatever batch it is in."""

import pytest
import torch

from r1lab.engines.base import Request, SamplingParams
from r1lab.engines.draw import draw, restrict
from r1lab.engines.torch_engine import TorchEngine
from r1lab.functional.rng import uniforms
from r1lab.models.causal import CausalPolicy
from r1lab.types import Finish


def prompts(tokenizer):
    return [torch.tensor(tokenizer(text)["input_ids"]) for text in ("What is 7+5?", "7", "12-3=9, then What is 3?")]


def run(engine, requests, **params):
    return [c for _, c in sorted(engine.generate(requests, SamplingParams(**params)))]


@pytest.mark.parametrize("family", ["deepseek_v3", "qwen2", "llama"])
def test_greedy_equals_transformers_generate(family, tiny_model, tokenizer):
    model = tiny_model(family)
    engine = TorchEngine(CausalPolicy(model), tokenizer.pad_token_id, max_rows=8)
    groups = run(
        engine, [Request(p, (0,)) for p in prompts(tokenizer)], max_new_tokens=16, temperature=0.0,
        stop_ids=(tokenizer.eos_token_id,),
    )  # fmt: skip
    for prompt, (completion,) in zip(prompts(tokenizer), groups):
        expected = model.generate(
            prompt[None], attention_mask=torch.ones_like(prompt)[None], do_sample=False, max_new_tokens=16
        )[0, len(prompt) :]
        assert completion.ids.tolist() == expected.tolist()


def test_a_completion_does_not_depend_on_its_batch(tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model("llama", torch.float64))
    requests = [Request(p, (3 * i, 3 * i + 1, 3 * i + 2)) for i, p in enumerate(prompts(tokenizer))]
    sampling = {"max_new_tokens": 24, "stop_ids": (tokenizer.eos_token_id,)}
    together = run(TorchEngine(policy, tokenizer.pad_token_id, 64), requests, **sampling)
    apart = run(TorchEngine(policy, tokenizer.pad_token_id, 3), requests, **sampling)
    for group, other in zip(together, apart):
        for a, b in zip(group, other):
            assert a.ids.tolist() == b.ids.tolist()
            torch.testing.assert_close(a.logprobs, b.logprobs, atol=1e-6, rtol=0)
    assert len({tuple(c.ids.tolist()) for g in together for c in g}) == 9  # seeds differ, so do completions


@pytest.mark.parametrize("family", ["deepseek_v3", "qwen2", "llama"])
def test_what_all_prompts_begin_with_is_read_once_and_changes_nothing(family, tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model(family, torch.float64))
    read = []
    policy.model.get_input_embeddings().register_forward_hook(lambda m, args, out: read.append(args[0].numel()))
    start = torch.tensor(tokenizer("What is 7+5?")["input_ids"])
    requests = [Request(torch.cat([start, p]), (i, 9 + i)) for i, p in enumerate(prompts(tokenizer))]
    sampling = {"max_new_tokens": 12, "stop_ids": (tokenizer.eos_token_id,)}
    together = run(TorchEngine(policy, tokenizer.pad_token_id, 64), requests, **sampling)
    lengths = [len(p) for p in prompts(tokenizer)]
    assert read[:2] == [len(start), 3 * max(lengths)]
    for request, group in zip(requests, together):
        for completion in group:
            row = torch.cat([request.prompt_ids, completion.ids])[None]
            logits = policy.model(row).logits[0, len(request.prompt_ids) - 1 : -1]
            expected = logits.log_softmax(-1).gather(1, completion.ids[:, None]).squeeze(1)
            torch.testing.assert_close(completion.logprobs, expected.float(), atol=1e-6, rtol=0)


def test_stop_ids_end_a_completion_and_are_kept(tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model("llama"))
    engine = TorchEngine(policy, tokenizer.pad_token_id, 64)
    stops = tuple(range(0, len(tokenizer), 5))  # every fifth id: some stop early, some late
    (group,) = run(engine, [Request(prompts(tokenizer)[0], tuple(range(20)))], max_new_tokens=8, stop_ids=stops)
    finishes = {c.finish for c in group}
    assert finishes == {Finish.STOP, Finish.LENGTH}
    for completion in group:
        assert len(completion.ids) == len(completion.logprobs) <= 8
        assert not set(completion.ids[:-1].tolist()) & set(stops)
        assert (int(completion.ids[-1]) in stops) == (completion.finish is Finish.STOP)
        assert completion.truncated == (completion.finish is Finish.LENGTH)


def test_draw_follows_the_distribution():
    logits = torch.tensor([[0.0, 1.0, 2.0, -1.0]]).repeat(20_000, 1)
    noise = uniforms([7], 0, 20_000)[0]
    ids, logprobs = draw(logits, noise, SamplingParams(max_new_tokens=1, temperature=0.5))
    # temperature 0.5 doubles the logits: weights e^0, e^2, e^4, e^-2 = 1, 7.389, 54.598, 0.135, together 63.122
    expected = torch.tensor([1.0, 7.389056, 54.59815, 0.135335]) / 63.122543
    counts = torch.bincount(ids, minlength=4)
    chi_square = ((counts - 20_000 * expected) ** 2 / (20_000 * expected)).sum()
    assert chi_square < 16.27  # 3 degrees of freedom, p = 0.001
    assert logprobs[ids == 1][0] == pytest.approx(torch.log(expected[1]).item(), abs=1e-5)


def test_greedy_takes_the_largest_logit_where_probabilities_are_equal():
    logits = torch.tensor([[0.0, 2e-8, 3e-8, 0.0]])
    assert draw(logits, torch.zeros(1), SamplingParams(1, temperature=0.0))[0].tolist() == [2]


def test_draw_finds_the_place_of_the_running_sum_in_any_block():
    torch.manual_seed(0)
    weights = torch.rand(64, 1000, dtype=torch.float64).float()  # four blocks, the last one not full
    weights[:, 256:512] = 0.0  # a block that can never be drawn
    noise = torch.rand(64, dtype=torch.float64)
    sums = weights.double().cumsum(-1)
    expected = [int((row <= share * row[-1]).sum()) for row, share in zip(sums, noise)]
    assert draw(weights.log(), noise, SamplingParams(max_new_tokens=1))[0].tolist() == expected


def test_the_edges_of_the_noise_stay_inside_the_distribution():
    logits = torch.tensor([[0.0, 0.0, -torch.inf], [-torch.inf, 0.0, 0.0]]).repeat_interleave(2, 0)
    noise = torch.tensor([0.0, 1 - 2**-53, 0.0, 1 - 2**-53], dtype=torch.float64)
    ids, _ = draw(logits, noise, SamplingParams(max_new_tokens=1))
    assert ids.tolist() == [0, 1, 1, 2]


def test_top_k_and_top_p_cut_by_hand():
    probs = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    assert restrict(probs, SamplingParams(1, top_k=2)).tolist()[0] == pytest.approx([0.5, 0.3, 0, 0])
    # mass before each: 0, 0.5, 0.8, 0.95: the nucleus of 0.8 holds the first two, that of 0.81 the third as well
    assert restrict(probs, SamplingParams(1, top_p=0.8)).tolist()[0] == pytest.approx([0.5, 0.3, 0, 0])
    assert restrict(probs, SamplingParams(1, top_p=0.81)).tolist()[0] == pytest.approx([0.5, 0.3, 0.15, 0])
    assert restrict(probs, SamplingParams(1, top_p=1e-9)).tolist()[0] == pytest.approx([0.5, 0, 0, 0])


def test_a_nucleus_of_many_ids_is_found_whole():
    torch.manual_seed(0)
    probs = torch.cat([torch.randn(4, 3000), 6 * torch.randn(4, 3000)]).softmax(-1)  # of thousands of ids and of a few
    for top_p in (0.3, 0.95):
        cut = restrict(probs, SamplingParams(1, top_p=top_p))
        for row, found in zip(probs.double(), cut):
            order, mass, kept = row.argsort(descending=True).tolist(), 0.0, set()
            while mass < top_p * row.sum():
                kept.add(order[len(kept)])
                mass = float(row[list(kept)].sum())
            assert abs(len(found.nonzero()) - len(kept)) <= 1  # float32 sums may end one id earlier or later
            assert set(found.nonzero()[:, 0].tolist()) >= set(sorted(kept, key=lambda i: -row[i])[:-1])


def test_rows_that_end_make_room_for_waiting_groups(tiny_model, tokenizer):
    policy = CausalPolicy(tiny_model("llama", torch.float64))
    read = []
    policy.model.get_input_embeddings().register_forward_hook(lambda m, args, out: read.append(args[0].numel()))
    start = [int(prompts(tokenizer)[0][0])]
    requests = [
        Request(torch.tensor([*start, 5 + i]), (2 * i, 2 * i + 1), max_new_tokens=limits)
        for i, limits in enumerate([(2, 6), (4, 4), (3, 3)])
    ]
    found = list(TorchEngine(policy, tokenizer.pad_token_id, 4).generate(requests, SamplingParams(max_new_tokens=9)))
    # Two groups of two begin, with one token each from the prompt. Step 1 ends a row (limit 2), step 3 the second group
    # (limit 4), so that the third enters beside the row that still runs; step 5 brings both to their limits, 6 and 3.
    assert [place for place, _ in found] == [1, 0, 2]
    assert [[len(c.ids) for c in group] for _, group in sorted(found)] == [[2, 6], [4, 4], [3, 3]]
    first, second = [1, 2], [1]  # what all begin with, then the rest of two prompts; of the third
    assert read == [*first, 4, 3, 3, *second, 3, 3]


@pytest.mark.parametrize("wrong", [{"max_new_tokens": 0}, {"temperature": -1}, {"top_p": 0.0}, {"top_k": -1}])
def test_impossible_parameters_are_refused(wrong):
    with pytest.raises(ValueError):
        SamplingParams(**{"max_new_tokens": 1, **wrong})
