"""The plain template on tokenizers built like those of base models: what their texts begin and end with."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from critique_graph.core.errors import InputError
from critique_graph.engines.plain_template import STOP, ends_at_next_turn, give_template, is_plain
from critique_graph.engines.request import Request, Sampling

LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Llama 3 splits texts into words, and Qwen but for the digits; signs and a line's end are one word."""
DEEPSEEK_BEGIN = "<\uff5cbegin\u2581of\u2581sentence\uff5c>"
DEEPSEEK_END = "<\uff5cend\u2581of\u2581sentence\uff5c>"
CORPUS = [
    "Human: What is 2 + 3?\nAssistant:\nThe answer is 5.",
    ":\n\\boxed{5}",
    ":\n$5$",
    "Step 1: <think>\n5\n</think>",
]
SPEECH = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2 + 3?"},
    {"role": "assistant", "content": "It is 6.\n"},
    {"role": "user", "content": " Wrong."},
]


def byte_level(bos: str | None, eos: str | None, *, begins: bool, words: str = LLAMA3_WORDS) -> PreTrainedTokenizerFast:
    """A small BPE tokenizer; with `begins`, it puts `bos` before every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(words), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token in dict.fromkeys((bos, eos)) if token is not None]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS * 4, trainer)
    if begins:
        place = tokenizer.token_to_id(bos)
        tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, place)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=bos, eos_token=eos, pad_token=eos)


FAMILIES: dict[str, tuple[Callable[[], PreTrainedTokenizerFast], str, str]] = {
    "Llama 3": (
        lambda: byte_level("<|begin_of_text|>", "<|end_of_text|>", begins=True),
        "<|begin_of_text|>",
        "<|end_of_text|>",
    ),
    "Qwen": (lambda: byte_level(None, "<|endoftext|>", begins=False), "", "<|endoftext|>"),
    "DeepSeek": (lambda: byte_level(DEEPSEEK_BEGIN, DEEPSEEK_END, begins=True), DEEPSEEK_BEGIN, DEEPSEEK_END),
    "GPT 2": (lambda: byte_level("<|endoftext|>", "<|endoftext|>", begins=False), "", "<|endoftext|>"),
}
"""By family: its tokenizer, what every text begins with, and what ends a turn."""
families = pytest.mark.parametrize("family", FAMILIES)


@families
def test_turns_are_those_of_the_papers_scripts_and_begin_with_one_bos(family: str) -> None:
    make, bos, eos = FAMILIES[family]
    tokenizer = make()
    assert give_template(tokenizer, family)
    text = tokenizer.apply_chat_template(SPEECH, add_generation_prompt=True, tokenize=False)
    assert text == f"{bos}System: Be brief.\nHuman: 2 + 3?\nAssistant:\nIt is 6.{eos}\nHuman: Wrong.\nAssistant:\n"
    ids = tokenizer.apply_chat_template(SPEECH, add_generation_prompt=True, return_dict=False)
    assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
    if bos:
        assert ids.count(tokenizer.bos_token_id) == 1
    assert ids.count(tokenizer.eos_token_id) == 1


@families
@pytest.mark.parametrize("answer", ["The answer is 5.", "\\boxed{5}", "$5$", "<think>\n5\n</think>\n\n5", "\n\n: 5"])
def test_prompt_is_the_beginning_of_the_conversation_in_tokens_too(family: str, answer: str) -> None:
    make, _, eos = FAMILIES[family]
    tokenizer = make()
    give_template(tokenizer, family)
    turn = {"role": "assistant", "content": answer}
    prompt = tokenizer.apply_chat_template(SPEECH, add_generation_prompt=True, return_dict=False)
    whole = tokenizer.apply_chat_template([*SPEECH, turn], return_dict=False)
    assert whole[: len(prompt)] == prompt
    assert tokenizer.decode(whole[len(prompt) :]) == answer.strip() + eos


@families
def test_last_turn_can_be_continued(family: str) -> None:
    make, _, eos = FAMILIES[family]
    tokenizer = make()
    give_template(tokenizer, family)
    begun = [SPEECH[1], {"role": "assistant", "content": "Step 1:"}]
    text = tokenizer.apply_chat_template(begun, continue_final_message=True, tokenize=False)
    assert text.endswith("Human: 2 + 3?\nAssistant:\nStep 1:")
    assert eos not in text.removeprefix(FAMILIES[family][1])


def test_saved_tokenizer_has_the_template_and_is_given_none_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = FAMILIES["Llama 3"][0]()
    with caplog.at_level(logging.WARNING):
        give_template(tokenizer, "hf:BASE")
        tokenizer.save_pretrained(tmp_path)
        saved = AutoTokenizer.from_pretrained(tmp_path)
        assert not give_template(saved, "hf:TRAINED")
    assert [record.getMessage() for record in caplog.records] == [
        "hf:BASE has no chat template: the plain one is used (Human: ..., Assistant: ...)"
    ]
    assert is_plain(saved)
    assert saved.apply_chat_template(SPEECH, tokenize=False) == tokenizer.apply_chat_template(SPEECH, tokenize=False)


def test_template_of_the_model_is_kept() -> None:
    tokenizer = FAMILIES["Qwen"][0]()
    tokenizer.chat_template = "{{ messages[0].content }}"
    assert not give_template(tokenizer, "hf:CHAT")
    assert (tokenizer.chat_template, is_plain(tokenizer)) == ("{{ messages[0].content }}", False)


def test_tokenizer_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="no token that ends a text"):
        give_template(byte_level(None, None, begins=False), "hf:BASE")


def test_reply_of_a_base_model_ends_at_its_next_turn() -> None:
    sampling = Sampling(temperature=0, top_p=1, max_tokens=5, seed=None, stop=("###",), top_logprobs=None)
    request = Request([{"role": "user", "content": "?"}], sampling)
    ended = ends_at_next_turn(request)
    assert (ended.sampling.stop, ended.future) == (("###", STOP), request.future)
