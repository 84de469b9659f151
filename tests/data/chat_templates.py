"""Chat templates that do what published ones do, in few lines of our own, each with its special tokens."""

from dataclasses import dataclass
from functools import cache

from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Family:
    """A chat template with its tokens; the end token is the tokenizer's, not always the turn's."""

    text: str
    tokens: tuple[str, ...]
    eos: str
    bos: str | None = None
    special: bool = True
    """Whether the tokens are marked as special."""

    def tokenizer(self) -> PreTrainedTokenizerFast:
        """One token a byte, beside the special ones and the tags."""
        return _built(self)


@cache
def _built(family: Family) -> PreTrainedTokenizerFast:
    own = family.tokens if family.special else ()
    special = [*dict.fromkeys(filter(None, (family.bos, family.eos, *own)))]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(special + alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token=family.bos, eos_token=family.eos, additional_special_tokens=special
    )
    made.add_tokens(["<think>", "</think>", *({*family.tokens} - {*own})])
    made.chat_template = family.text
    return made


CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
OPEN_CHATML = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
# "a</think>b" of every turn but the last becomes "b"
LAST_PART = (
    "{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}"
    "{% else %}{{ m.content }}{% endif %}"
)

FAMILIES = {
    "qwen2.5": Family(
        "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a model of somebody.<|im_end|>\n{% endif %}"
        + CHATML + OPEN_CHATML,
        ("<|im_start|>", "<|im_end|>"), "<|im_end|>",
    ),
    "qwen3": Family(
        CHATML.replace("{{ m.content }}", LAST_PART) + OPEN_CHATML, ("<|im_start|>", "<|im_end|>"), "<|im_end|>"
    ),
    "qwen3 thinks": Family(
        CHATML.replace("{{ m.content }}", LAST_PART) + OPEN_CHATML.replace("assistant\n", "assistant\n<think>\n"),
        ("<|im_start|>", "<|im_end|>"), "<|im_end|>",
    ),
    "qwen3 thinks not": Family(
        CHATML.replace("{{ m.content }}", LAST_PART)
        + OPEN_CHATML.replace("assistant\n", "assistant\n<think>\n\n</think>\n\n"),
        ("<|im_start|>", "<|im_end|>"), "<|im_end|>",
    ),
    "llama3.1": Family(
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}{{ bos_token }}"
        "<|start_header_id|>system<|end_header_id|>\n\nToday: {{ date_string }}\n\n"
        "{% if messages[0].role == 'system' %}{{ messages[0].content|trim }}{% endif %}<|eot_id|>"
        "{% for m in messages if m.role != 'system' %}"
        "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content|trim }}<|eot_id|>{% endfor %}"
        "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
        ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), "<|end_of_text|>", "<|begin_of_text|>",
    ),
    "clock": Family(
        "<|im_start|>system\nIt is {{ strftime_now('%B %d, %Y') }}.<|im_end|>\n" + CHATML + OPEN_CHATML,
        ("<|im_start|>", "<|im_end|>"), "<|im_end|>",
    ),
    "deepseek-r1": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ m.content }}"
        "{% elif m.role == 'user' %}<｜User｜>{{ m.content }}"
        "{% else %}<｜Assistant｜>{{ m.content.split('</think>')[-1] }}<｜end▁of▁sentence｜>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}",
        ("<｜User｜>", "<｜Assistant｜>"), "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", special=False,
    ),
    "deepseek-v3.1": Family(
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}"
        "{% else %}<｜Assistant｜></think>{{ m.content }}<｜end▁of▁sentence｜>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<｜Assistant｜></think>{% endif %}",
        ("<｜User｜>", "<｜Assistant｜>"), "<｜end▁of▁sentence｜>", "<｜begin▁of▁sentence｜>", special=False,
    ),
    "mistral": Family(
        "{{ bos_token }}{% if messages[0].role == 'system' %}{% set said = messages[0].content + '\n\n' %}"
        "{% set rest = messages[1:] %}{% else %}{% set said = '' %}{% set rest = messages %}{% endif %}"
        "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
        "{{ raise_exception('Roles must alternate user/assistant') }}{% endif %}"
        "{% if m.role == 'user' %}[INST] {{ (said if loop.last else '') + m.content }}[/INST]"
        "{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
        ("[INST]", "[/INST]"), "</s>", "<s>",
    ),
    "gemma": Family(
        "{{ bos_token }}{% for m in messages %}"
        "{% if m.role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content|trim }}<end_of_turn>\n"
        "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}",
        ("<start_of_turn>", "<end_of_turn>"), "<eos>", "<bos>",
    ),
    "phi3": Family(
        "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
        ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), "<|endoftext|>",
    ),
    "reasoning": Family(
        CHATML + OPEN_CHATML.replace("assistant\n", "assistant\n<reasoning>\n"),
        ("<|im_start|>", "<|im_end|>"), "<|im_end|>",
    ),
}  # fmt: skip
