"""Laptop-size models: a family's own architecture with small numbers, and a small tokenizer for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from r1lab.errors import ModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

FAMILIES = {"deepseek_v3": "DeepseekV3Config", "qwen2": "Qwen2Config", "llama": "LlamaConfig"}
"""Family -> configuration class of transformers."""

END, PAD = "<|end|>", "<|pad|>"
TAGS = ("<think>", "</think>", "<answer>", "</answer>")


def shrink(family: str, overrides: Mapping[str, Any]) -> PretrainedConfig:
    """The family's own transformers config with ``overrides``, all of them keys that the config knows.

    Example: ``shrink("llama", {"hidden_size": 64, "num_hidden_layers": 2, "vocab_size": 512})``.

    Raises:
        ModelError: an unknown family or key.
    """
    import transformers

    if family not in FAMILIES:
        raise ModelError("Unknown model family.", repr(family), f"Choose from {', '.join(FAMILIES)}.")
    config_class = getattr(transformers, FAMILIES[family])
    known = set(config_class().to_dict()) | set(config_class.attribute_map)
    if unknown := sorted(set(overrides) - known):
        raise ModelError(
            f"{FAMILIES[family]} has no such key.", ", ".join(unknown), f"Keys: {', '.join(sorted(known))}."
        )
    return config_class(**overrides)


def build_tokenizer(
    texts: Iterable[str], vocab_size: int, phrases: Sequence[str] = (), like: str | None = None
) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer learned from ``texts``: any UTF-8 text comes back exactly, digits are single tokens.

    ``phrases`` (the template's fixed sentences) and the tags, with and without the space before them, are one token
    each; the leftmost longest match wins. Runs between digits may merge across spaces: ``", then "`` can be one token.
    Not so where texts are to be split ``like`` a class of transformers does, such as Qwen2Tokenizer, which
    AutoTokenizer takes for every model of that family; it normalizes to NFC. The same texts in the same order give the
    same tokenizer.

    Raises:
        ModelError: ``vocab_size`` has no room for the bytes, tags and phrases.
    """
    import transformers
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    added = [*phrases, *(f" {tag}" for tag in TAGS), *TAGS]
    room = vocab_size - len(added) - 2
    if room < 256:
        needed = 256 + len(added) + 2
        raise ModelError("The vocabulary is too small.", f"vocab_size={vocab_size}", f"Give at least {needed}.")
    tokenizer = Tokenizer(models.BPE())
    if like is None:
        digits_apart = pre_tokenizers.Split(Regex(r"\p{N}"), behavior="isolated")
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits_apart, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
    else:
        other = getattr(transformers, like)().backend_tokenizer
        tokenizer.normalizer, tokenizer.pre_tokenizer = other.normalizer, other.pre_tokenizer
        tokenizer.decoder = other.decoder
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=room, initial_alphabet=alphabet, show_progress=False, min_frequency=2)
    tokenizer.train_from_iterator(_pieces(texts, added), trainer)
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in added])
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (END, PAD)])
    # a class that is not told of a token for the unknown adds one of its own
    unknown = {} if like is None else {"unk_token": END}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, **unknown, clean_up_tokenization_spaces=False
    )


def _pieces(texts: Iterable[str], added: Sequence[str]) -> Iterable[str]:
    """The stretches between added tokens, which alone are left for merges to be learned from."""
    import re

    border = re.compile("|".join(re.escape(token) for token in sorted(added, key=len, reverse=True)))
    for text in texts:
        yield from filter(None, border.split(text))
