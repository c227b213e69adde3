import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure
from critique_graph.engines.request import Request, Sampling
from critique_graph.engines.transformers_row import BatchRow

END = 0


def byte_tokenizer() -> Tokenizer:
    """Every byte is a token: a character beyond ASCII takes several."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|im_end|>": END} | {byte: index for index, byte in enumerate(alphabet, 1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_end|>"])
    return tokenizer


def word_tokenizer() -> Tokenizer:
    """Tokens are words with a leading space; the decoder strips the first space, as SentencePiece's does."""
    words = ["<|im_end|>", "▁Tom", "▁has", "▁apples"]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(words)}, unk_token="▁Tom"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<|im_end|>"])
    return tokenizer


def row_of(
    tokenizer: Tokenizer, *, prompt: str = "", limit: int = 100, stop: tuple[str, ...] = (), on_text=None, **settings
) -> BatchRow:
    sampling = Sampling(temperature=1, top_p=1, max_tokens=None, seed=1, stop=stop, top_logprobs=None, **settings)
    request = Request([], sampling, on_text=on_text)
    ids = tuple(tokenizer.encode(prompt).ids)
    return BatchRow(request, ids, limit=limit, end_tokens=frozenset([END]), tokenizer=tokenizer)


def feed(row: BatchRow, tokens: list[int]) -> None:
    for token in tokens:
        if not row.is_done:
            row.take(token, None)


@pytest.mark.parametrize("text", ["plain", "é日本🙂 mixed", "a\n\n b"])
def test_streamed_text_equals_the_whole(text):
    tokenizer, pieces = byte_tokenizer(), []
    row = row_of(tokenizer, on_text=pieces.append)

    feed(row, [*tokenizer.encode(text).ids, END])

    completion = row.request.future.result()
    assert (completion.text, "".join(pieces)) == (text, text)
    assert all("�" not in piece for piece in pieces)


def test_a_character_that_never_comes_is_not_waited_for():
    tokenizer = byte_tokenizer()
    row = row_of(tokenizer)

    feed(row, [*tokenizer.encode("日").ids[:1] * 20, *tokenizer.encode("ok").ids, END])

    assert row.request.future.result().text.endswith("�ok")


def test_a_continuation_keeps_its_first_space():
    row = row_of(word_tokenizer(), prompt="Tom has")

    feed(row, [3, END])

    assert row.request.future.result().text == " apples"


def test_stop_strings_end_the_text_before_them_also_across_tokens():
    tokenizer = byte_tokenizer()
    row = row_of(tokenizer, stop=("never", "END"))

    feed(row, tokenizer.encode("one EN END two").ids)

    completion = row.request.future.result()
    assert (completion.text, completion.finish_reason) == ("one EN ", "stop")
    assert completion.output_tokens == len("one EN END")


def test_of_several_stop_strings_the_first_in_the_text_counts():
    tokenizer = byte_tokenizer()
    row = row_of(tokenizer, stop=("c", "bc"))

    feed(row, tokenizer.encode("abc").ids)

    assert row.request.future.result().text == "a"


def test_what_may_begin_a_stop_string_is_streamed_only_when_it_did_not():
    tokenizer, pieces = byte_tokenizer(), []
    row = row_of(tokenizer, stop=("END",), on_text=pieces.append)

    feed(row, tokenizer.encode("xEN").ids)
    held_back = list(pieces)
    feed(row, [END])

    assert (held_back, "".join(pieces)) == (["x"], "xEN")


def test_the_last_token_within_the_limit_can_still_end_the_turn():
    row = row_of(byte_tokenizer(), limit=1)

    feed(row, [END])

    assert row.request.future.result().finish_reason == "stop"


def test_a_cancelled_request_keeps_no_outcome():
    row = row_of(byte_tokenizer(), limit=1)
    row.request.future.cancel()

    row.take(5, None)
    row.request.settle(ModelCallError(Failure(kind="server", message="late")))

    assert row.is_done
    assert row.request.future.cancelled()


def test_the_first_outcome_of_a_request_stays():
    row = row_of(byte_tokenizer(), limit=1)
    row.take(END, None)

    row.request.settle(ModelCallError(Failure(kind="server", message="late")))

    assert row.request.future.result().finish_reason == "stop"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Step 1 is correct. " * 4, "repetition"),
        ("a" * 32, "repetition"),
        ("Step 1 is correct. " * 3 + "Step 2 is correct.", None),
        ("a" * 31, None),
        ("".join(f"Step {number} is correct. " for number in range(10)), None),
    ],
)
def test_text_that_repeats_itself_can_be_stopped(text, reason):
    tokenizer = byte_tokenizer()
    tokens = tokenizer.encode(text).ids

    rows = [row_of(tokenizer, limit=1000, stop_repetition=is_stopped) for is_stopped in (True, False)]
    for row in rows:
        feed(row, tokens)

    assert [row.is_done for row in rows] == [reason is not None, False]
    if reason:
        assert rows[0].request.future.result().finish_reason == reason


def test_reply_can_be_limited_to_some_texts():
    tokenizer = byte_tokenizer()
    correct, wrong, other = (tokenizer.encode(text).ids for text in ("Correct", "Wrong", "Corral"))
    row = row_of(tokenizer, choices=("Correct", "Wrong", "Corral"))

    assert row.allowed == sorted({correct[0], wrong[0]})
    feed(row, correct[:4])
    assert row.allowed == sorted({correct[4], other[4]})
    feed(row, correct[4:])

    assert row.request.future.result().text == "Correct"
    assert row.request.future.result().finish_reason == "stop"
    assert row_of(tokenizer).allowed == []
