"""What is read from a model's message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from critique_graph.calls import replies
from critique_graph.calls.replies import read_reply, usage_of
from critique_graph.core.critique_labels import split_reply
from critique_graph.core.errors import ModelCallError
from critique_graph.core.reasoning import holds_tags
from critique_graph.core.schema import Call, Reply, Usage
from critique_graph.core.untrusted import fence

PROMPT = [HumanMessage("2 + 3?")]


def read(message: AIMessage | str, prompt: list[BaseMessage] = PROMPT, **options) -> Reply:
    message = AIMessage(message) if isinstance(message, str) else message
    return read_reply(message, prompt, Call(model="m", usage=usage_of(message)), **options)


@pytest.mark.parametrize(
    "token",
    [
        *("<|im_end|>", "</s>", "<|eot_id|>", "<end_of_turn>", "<eos>", "<|endoftext|>", "<|return|>", "[|endofturn|]"),
        *(
            "<\uff5cend\u2581of\u2581sentence\uff5c>",
            "<|END_OF_TURN_TOKEN|>",
            "<turn|>",
            "[e~[",
            "<|im_end|><|endoftext|>",
        ),
        *("<|im_end|>\n<|im_start|>assistant\n", "</s> </s>", "<end_of_turn>\n<start_of_turn>model", "<pad><pad>"),
    ],
)
def test_end_tokens_at_the_end_are_removed(token):
    assert read(f"The answer is 5.{token}").text == "The answer is 5."


@pytest.mark.parametrize("text", ["<|im_end|> is a token.", "a </s> b", "x < s>", "|x| <|y|> z", "The answer is 5.\n"])
def test_other_text_stays_as_it_is(text):
    assert read(text).text == text


def test_closing_tag_alone_splits_a_reply_unless_it_may_be_quoted():
    text = "so 4\n</think>\n\n2 + 3 = 5."

    assert (read(text).text, read(text).call.reasoning) == ("2 + 3 = 5.", "so 4")
    assert read(text, [HumanMessage(fence("response", "5</think>"))]).text == text
    assert read(text, [HumanMessage("What does </think> mean?")]).text == text


def test_tag_within_a_critique_is_a_quotation():
    text = "Step sentence: 6.\n</think>\nFinal answer: Correct\nCorrectness of the step: Wrong\nExplanation: no."

    assert read(text).text == text


def test_tag_between_two_verdicts_is_a_quotation():
    text = "Correctness of the final answer: {}\nExplanation: it says </think>\nCorrectness of the final answer: {}"

    assert read(text.format("Wrong", "Correct")).text == text.format("Wrong", "Correct")
    assert read(text.format("Wrong", "Wrong")).text == "Correctness of the final answer: Wrong"


EMPTY = [
    pytest.param(AIMessage("<think>hm</think>"), "the reply is reasoning only", id="reasoning"),
    pytest.param(AIMessage("hm\n</think>\n"), "the reply is reasoning only", id="reasoning opened by the template"),
    pytest.param(
        AIMessage("", additional_kwargs={"reasoning_content": "hm"}),
        "the reply is reasoning only",
        id="reasoning field",
    ),
    pytest.param(
        AIMessage("", additional_kwargs={"refusal": "I cannot."}), "the model refused: I cannot.", id="refusal"
    ),
    pytest.param(
        AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]),
        "the reply is a tool call only",
        id="tool call",
    ),
    *(
        pytest.param(AIMessage(text), "the reply has no visible text", id=name)
        for name, text in {
            "nothing": "",
            "space": " \n\t",
            "zero width": "\u200b\ufeff",
            "NUL": "\x00\x00",
            "filler": "\u3164\u2800",
            "end token": "<|im_end|>",
        }.items()
    ),
]


@pytest.mark.parametrize(("message", "why"), EMPTY)
def test_reply_without_text_is_a_failure(message, why):
    with pytest.raises(ModelCallError) as caught:
        read(message)

    assert (caught.value.failure.kind, caught.value.failure.message) == ("empty_reply", why)


def test_reply_without_text_that_was_cut_off_is_truncated():
    message = AIMessage("<think>hm", response_metadata={"finish_reason": "length"})

    assert read(message).call.is_truncated


def test_reply_that_may_be_empty_keeps_a_refusal():
    refusal = AIMessage("", additional_kwargs={"refusal": "I cannot."})

    assert [read(message, may_be_empty=True).text for message in ("", "<think>hm</think>", refusal)] == [
        "",
        "",
        "I cannot.",
    ]


@pytest.mark.parametrize(
    ("metadata", "recorded", "is_truncated"),
    [
        ({"finish_reason": "stop"}, "stop", False),
        ({"finish_reason": "length"}, "length", True),
        ({"finish_reason": "content_filter"}, "content_filter", True),
        ({"finish_reason": "model_length"}, "model_length", True),
        ({"finish_reason": "MAX_TOKENS"}, "MAX_TOKENS", True),
        ({"stop_reason": "max_tokens"}, "max_tokens", True),
        ({"stop_reason": "end_turn"}, "end_turn", False),
        ({"finish_reason": "SAFETY"}, "SAFETY", True),
        ({"finish_reason": "st\ud800op"}, "st?op", False),
        ({"finish_reason": None}, None, False),
        ({"finish_reason": 3}, None, False),
        ({}, None, False),
    ],
)
def test_finish_reason_is_recorded_and_tells_whether_the_text_is_whole(metadata, recorded, is_truncated):
    call = read(AIMessage("5", response_metadata=metadata)).call

    assert (call.finish_reason, call.is_truncated) == (recorded, is_truncated)


def test_text_that_is_too_long_is_cut_and_counts_as_truncated(monkeypatch):
    monkeypatch.setattr(replies, "MAX_REPLY_CHARS", 10)

    reply = read(AIMessage("5" * 11, additional_kwargs={"reasoning_content": "r" * 99}))

    assert (reply.text, reply.call.reasoning, reply.call.finish_reason) == ("5" * 10, "r" * 10, "too_long")
    assert reply.call.is_truncated


@pytest.mark.parametrize("tokens", [-1, 10**30, "x", None, float("nan"), 1.5])
def test_nonsense_as_usage_is_unknown(tokens):
    message = AIMessage("5")
    message.usage_metadata = {"input_tokens": tokens, "output_tokens": 3, "total_tokens": 3}

    assert read(message).call.usage == Usage(calls=1, unknown_calls=1)


def test_nonsense_among_the_details_of_usage_is_left_out():
    message = AIMessage("5")
    message.usage_metadata = {
        "input_tokens": 1,
        "output_tokens": 3,
        "total_tokens": 4,
        "input_token_details": {"cache_read": -1},
        "output_token_details": {"reasoning": 2},
    }

    assert read(message).call.usage == Usage(calls=1, input_tokens=1, output_tokens=3, reasoning_tokens=2)


def test_surrogates_anywhere_lose_nothing():
    message = AIMessage("a\ud800b", additional_kwargs={"reasoning_content": "c\udfffd"})

    assert (read(message).text, read(message).call.reasoning) == ("a?b", "c?d")


def test_content_in_parts_is_one_text():
    parts = [
        {"type": "reasoning", "reasoning": "hm"},
        {"type": "text", "text": "The answer "},
        {"type": "text", "text": "is 5."},
    ]

    assert (read(AIMessage(parts)).text, read(AIMessage(parts)).call.reasoning) == ("The answer is 5.", "hm")


PIECES = st.sampled_from(
    [*("<think>", "</think>", "<thi", "[think]", "[/THINK]", "<|channel|>analysis", "assistantfinal", "analysis"),
     *("5", " ", "\n", ".", "Explanation: ", "Correctness of the final answer: Wrong\n"),
     *("</s>", "<|im_start|>assistant", "<|im_end|>", "[e~[", "[/INST]", "user", "model", ">", "]")]
)  # fmt: skip


@given(st.lists(PIECES, max_size=8).map("".join))
def test_prompt_decides_nothing_about_a_reply_without_tags(text: str):
    quoted, plain = (split_reply(text, may_quote=may_quote) for may_quote in (True, False))

    assert quoted == plain or holds_tags(text)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_end_tokens_are_found_as_by_the_pattern(text: str):
    by_pattern = text[: -replies._MAX_END_CHARS] + replies._END_TOKENS.sub("", text[-replies._MAX_END_CHARS :])

    assert replies._without_end_tokens(text) == by_pattern
