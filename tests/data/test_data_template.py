from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from r1lab.data.parsing import read_answer
from r1lab.data.template import (
    ChatTemplate,
    Example,
    PlainTemplate,
    R1ZeroTemplate,
    check_prompt_tokens,
)
from r1lab.errors import ConfigError, DataError
from r1lab.types import Question

CONF = Path(__file__).parents[2] / "conf"
QUESTION = Question(id="q", text="What is {3}+4, {question}?", answer="7", solution="3+4=7")
CHAT = (
    "<|bos|>{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def tokenizer(chat_template: str | None = CHAT, closes: bool = False) -> PreTrainedTokenizerFast:
    """One token a byte; begins with <|bos|> when special tokens are asked for, and ends with <|end|> if it closes."""
    special = ["<|bos|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({token: i for i, token in enumerate(special + alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single="<|bos|> $A" + " <|end|>" * closes, special_tokens=[("<|bos|>", 0), ("<|end|>", 1)]
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<|bos|>", eos_token="<|end|>", additional_special_tokens=special[2:]
    )
    made.chat_template = chat_template
    return made


def test_r1zero_has_the_words_of_the_paper():
    assert R1ZeroTemplate().render(Question(id="q", text="What is 3+4?", answer="7")) == (
        "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
        "assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
        "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, "
        "respectively, i.e., <think> reasoning process here </think> <answer> answer here </answer>. "
        "User: What is 3+4?. Assistant:"
    )


def test_prompt_ids_are_the_whole_text_after_the_begin_token():
    made = tokenizer()
    ids = PlainTemplate(text="Q: {question} A:", prefill=" <think>").prompt_ids(QUESTION, made)
    assert ids.dtype.is_signed and ids.ndim == 1 and ids[0] == 0 and 0 not in ids[1:]
    assert made.decode(ids[1:]) == "Q: What is {3}+4, {question}? A: <think>"


def test_examples_stand_before_the_question():
    template = PlainTemplate(
        text="Q: {question}\nA:", examples=[Example("1+1? {question}", "It is 2.")], separator="\n"
    )
    assert template.render(QUESTION) == "Q: 1+1? {question}\nA: It is 2.\nQ: What is {3}+4, {question}?\nA:"


def test_chat_ends_with_the_generation_suffix_and_the_prefill():
    template = ChatTemplate(system="Be brief.", suffix=" {Think}.", prefill="<think>", examples=[Example("1+1?", "2")])
    made = tokenizer()
    text = (
        "<|bos|><|system|>Be brief.<|end|><|user|>1+1? {Think}.<|end|><|assistant|>2<|end|>"
        "<|user|>What is {3}+4, {question}? {Think}.<|end|><|assistant|><think>"
    )
    assert template.render(QUESTION, made) == text
    ids = template.prompt_ids(QUESTION, made)
    assert made.decode(ids) == text and ids.tolist().count(0) == 1  # one begin token, not two


def test_a_chat_template_that_opens_the_think_block_gets_no_second_one():
    opening = tokenizer(CHAT.replace("<|assistant|>{% endif", "<|assistant|><think>\n{% endif"))
    rendered = ChatTemplate(prefill="<think>").render(QUESTION, opening)
    assert rendered.endswith("<|assistant|><think>\n")


@pytest.mark.parametrize("chat", [None, CHAT.partition("{% if")[0]])
def test_chat_without_template_or_generation_suffix(chat):
    with pytest.raises(DataError, match="chat template"):
        ChatTemplate().prompt_ids(QUESTION, tokenizer(chat))


def test_a_tokenizer_that_closes_the_prompt_is_refused():
    with pytest.raises(DataError, match="end token"):
        R1ZeroTemplate().prompt_ids(QUESTION, tokenizer(closes=True))


@pytest.mark.parametrize("prefill", ["", "<think>", " <think>\n", "Let me see. "])
@pytest.mark.parametrize("rule", ["tags", "boxed", "last_number", "marker:The answer is", "marker:####"])
@pytest.mark.parametrize("answer", ["7", "-3.5", "1,080", "5/2"])
def test_gold_completion_reads_back(prefill, rule, answer):
    template = ChatTemplate(prefill="" if rule != "tags" and "think" in prefill else prefill, answer_rule=rule)
    question = Question(id="q", text="?", answer=answer, solution="9 - 4 = 5")
    assert template.parse(template.gold_completion(question)).answer == answer


@pytest.mark.parametrize("prefill", ["", "<think>", " <think>\n"])
@pytest.mark.parametrize("solution", [None, "3+4=7"])
def test_gold_completion_is_well_formed_under_tags(prefill, solution):
    template = R1ZeroTemplate(prefill=prefill)
    gold = template.gold_completion(Question(id="q", text="?", answer="7", solution=solution))
    response = template.parse(gold)
    assert response.well_formed and response.reasoning == (solution or "The answer follows.")
    assert response.text == prefill + gold
    assert not template.parse(gold + "<answer>8</answer>").well_formed


def test_gold_text_without_prefill():
    assert R1ZeroTemplate().gold_completion(QUESTION) == "<think> 3+4=7 </think> <answer> 7 </answer>"
    assert R1ZeroTemplate(prefill="<think>").gold_completion(QUESTION) == " 3+4=7 </think> <answer> 7 </answer>"


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("last_number", "9 - 4 = 5 apples.", "5"),
        ("last_number", "so 7-3", "3"),  # a difference, not minus three
        ("last_number", "so x=-3.", "-3"),
        ("last_number", "答案是-12个", "-12"),
        ("last_number", "It costs $1,080.50.", "1,080.50"),
        ("last_number", "1, 2,3", "3"),
        ("last_number", "none", None),
        ("marker:The answer is", "The answer is 4. No, the answer is: 3.5. Good 9", "3.5"),
        ("marker:The answer is", "the answer is 12 apples\nNext 3", "12 apples"),
        ("marker:The answer is", "It is 5", None),
        ("marker:a(b", "a(b 5", "5"),  # the marker is text, not a pattern
    ],
)
def test_answers_in_running_text(rule, text, expected):
    assert read_answer(text, rule) == expected


def test_boxed_is_read_by_tags_and_boxed_alike():
    for rule in ("tags", "boxed"):
        assert ChatTemplate(answer_rule=rule).parse(r"so \boxed{\frac{1}{2}}.").answer == r"\frac{1}{2}"


def test_stop_texts_cut_the_response_and_give_ids_where_they_are_one_token():
    template = PlainTemplate(text="Q: {question}\nA:", stop=["\nQ:", "<|end|>"], answer_rule="last_number")
    assert template.parse(" It is 7.\nQ: 8+1?\nA: 9").answer == "7"
    assert template.stop_ids(tokenizer()) == (1,)


def test_wrong_templates_are_refused():
    for rule in ("box", "marker:", "marker", "tags:x"):
        with pytest.raises(ConfigError, match="answer rule"):
            ChatTemplate(answer_rule=rule)
    for text in ("no place", "{question} {question}"):
        with pytest.raises(ConfigError, match="exactly once"):
            PlainTemplate(text=text)


def test_long_prompts_are_listed_with_their_counts():
    template, made = PlainTemplate(text="{question}"), tokenizer()
    questions = [Question(id=f"q{n}", text="a" * n, answer="1") for n in (3, 9, 5)]  # n letters and the begin token
    assert check_prompt_tokens(template, questions, made, max_prompt_tokens=10) == 10
    with pytest.raises(DataError) as caught:
        check_prompt_tokens(template, questions, made, max_prompt_tokens=5)
    assert caught.value.wrong.startswith("2 of 3 prompts")
    assert caught.value.found == "the longest: q9 (10), q5 (6)"


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "template").glob("*.yaml")))
def test_every_template_of_conf_reads_its_own_gold(name):
    with initialize_config_dir(str(CONF), version_base=None):
        template = instantiate(compose(overrides=[f"+template={name}"]).template)
    assert template.parse(template.gold_completion(QUESTION)).answer == "7"
    assert QUESTION.text in template.render(QUESTION, tokenizer())
    assert len(template.prompt_ids(QUESTION, tokenizer())) > len(QUESTION.text)


FENCED = "def f(d):\n    return {'a': d}[\"a\"]"


def test_the_rule_code_reads_fences_where_there_is_no_box():
    template = ChatTemplate(answer_rule="code")
    fence = f"```python\n{FENCED}\n```"
    assert template.parse(f"So:\n{fence}").answer == f"So:\n{fence}"
    assert template.parse(f"<think> ```\nx\n``` </think> So:\n{fence}").answer == f"So:\n{fence}"
    assert template.parse(f"{fence}\nso it prints \\boxed{{7}}").answer == "7"
    assert template.parse(f"<answer> {FENCED} </answer>").answer == FENCED
    for nothing in (f"<think> {fence} </think> Done.", f"<think> {fence}", "no code", "```\n\n```", "`x`"):
        assert template.parse(nothing).answer is None, nothing


def test_the_gold_of_the_rule_code_is_fenced_for_code_alone():
    template = ChatTemplate(answer_rule="code")
    gold = template.gold_completion(Question("q", "", FENCED, "code"))
    assert gold.endswith(f"```python\n{FENCED}\n```") and "boxed" not in gold
    assert template.gold_completion(Question("q", "", "7")).endswith("The answer is \\boxed{7}.")
    assert template.parse(template.gold_completion(Question("q", "", "7"))).answer == "7"
