import pytest

from critique_graph.core.reasoning import (
    ReasoningSplitter,
    mentions_reasoning,
    open_block,
    opened_at_end,
    split_reasoning,
)


def split(pieces, **settings) -> tuple[str, str]:
    splitter = ReasoningSplitter(**settings)
    parts = [part for piece in pieces for part in splitter.feed(piece)] + list(splitter.end())
    return (
        "".join(part.text for part in parts if part.is_reasoning),
        "".join(part.text for part in parts if not part.is_reasoning),
    )


REPLIES = [
    ("<think>\n2 + 3 = 5\n</think>\n\nThe answer is 5.", ("2 + 3 = 5", "The answer is 5.")),
    (" \n<think>a </think>b ", ("a", "b ")),
    ("no reasoning <think>here</think>", ("", "no reasoning <think>here</think>")),
    ("<think>cut off", ("cut off", "")),
    ("<think></think>5", ("", "5")),
    ("<think>a < b </ c</think>d</think>", ("a < b </ c", "d</think>")),
    ("<thin", ("", "<thin")),
    ("<think>x</thi", ("x</thi", "")),
    ("", ("", "")),
    (" 5", ("", " 5")),
]


@pytest.mark.parametrize(("reply", "parts"), REPLIES)
def test_reasoning_at_the_beginning_is_split_off(reply, parts):
    assert split([reply]) == parts


@pytest.mark.parametrize(("reply", "parts"), REPLIES)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_parts_do_not_depend_on_how_the_reply_arrives(reply, parts, size):
    assert split([reply[start : start + size] for start in range(0, len(reply), size)]) == parts


def test_reply_can_begin_within_reasoning():
    assert split(["so 5", "</think>", "5"], closing="</think>") == ("so 5", "5")


def test_what_can_be_told_apart_is_given_at_once():
    splitter = ReasoningSplitter()
    assert list(splitter.feed("<thi")) == []
    assert [part.text for part in splitter.feed("nk>one two")] == ["one two"]
    assert [part.text for part in splitter.feed(" three</th")] == [" three"]
    assert [(part.text, part.is_reasoning) for part in splitter.feed("ink>\n5")] == [("5", False)]


@pytest.mark.parametrize(
    ("text", "closing"),
    [("<think>a", "</think>"), ("<think>a</think>b", None), ("a", None), ("", None), ("[THINK]a", "[/think]")],
)
def test_open_block_is_seen(text, closing):
    assert open_block(text) == closing


@pytest.mark.parametrize(
    ("prompt", "tag"), [("Hm?<think>\n", "<think>"), ("<think>\n\n</think>\n", ""), ("a", ""), ("a[THINK]", "[THINK]")]
)
def test_block_that_a_prompt_opens_is_seen(prompt, tag):
    assert opened_at_end(prompt) == tag


PLAIN = [
    pytest.param("plain", None, "plain", id="none"),
    pytest.param("<think>\nhm\n</think>\n\nanswer", "hm", "answer", id="block"),
    pytest.param("<think>cut off", "cut off", "", id="cut off"),
    pytest.param("<think></think>answer", None, "answer", id="empty"),
    pytest.param(" \n<think>hm</think> answer\n", "hm", "answer", id="space around"),
    pytest.param(" plain\n", None, " plain\n", id="space without"),
    pytest.param("<thinking>hm</thinking>\nanswer", "hm", "answer", id="thinking"),
    pytest.param("<thought>hm</thought>answer", "hm", "answer", id="thought"),
    pytest.param("<Reasoning>hm</REASONING>answer", "hm", "answer", id="capitals"),
    pytest.param("[THINK]hm[/THINK]answer", "hm", "answer", id="Mistral"),
    pytest.param("\u25c1think\u25b7hm\u25c1/think\u25b7answer", "hm", "answer", id="Kimi"),
    pytest.param("<seed:think>hm</seed:think>answer", "hm", "answer", id="Seed"),
    pytest.param("<|START_THINKING|>hm<|END_THINKING|>answer", "hm", "answer", id="Command A"),
    pytest.param(
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>answer",
        "hm<|end|><|start|>assistant",
        "answer",
        id="gpt-oss",
    ),
    pytest.param("analysisWe add.assistantfinalanswer", "We add.", "answer", id="gpt-oss without tokens"),
    pytest.param("analysis of it: assistantfinal", None, "analysis of it: assistantfinal", id="words"),
]


@pytest.mark.parametrize("may_quote", [False, True])
@pytest.mark.parametrize(("text", "reasoning", "rest"), PLAIN)
def test_reasoning_at_the_beginning_of_a_whole_reply_is_split_off(text, reasoning, rest, may_quote):
    assert split_reasoning(text, may_quote=may_quote) == (reasoning, rest)


STRUCTURES = [
    pytest.param("hm</think>answer", "hm", "answer", id="opened by the template"),
    pytest.param("hm\n[/THINK]\n\nanswer", "hm", "answer", id="opened by the template, Mistral"),
    pytest.param("hm\n</think>", "hm", "", id="nothing but what the template opened"),
    pytest.param("<think><think>a</think>b</think>\nanswer", "ab", "answer", id="nested"),
    pytest.param("<think>a\n<think>b</think>\nc</think>answer", "a\nb\nc", "answer", id="nested later"),
    pytest.param("<think>they said <think>. ok</think>answer", "they said . ok", "answer", id="opened twice"),
    pytest.param("<think>a</think>5.\n<think>or 6?</think>", "a\nor 6?", "5.", id="second block"),
    pytest.param("5.\n<think>or 6?</think>\nStill 5.", "or 6?", "5.\n\nStill 5.", id="block after the answer"),
    pytest.param("<think>a</think>5.\n<think>or 6?", "a\nor 6?", "5.", id="second block cut off"),
    pytest.param("<think>a</think>b</think>c", "ab", "c", id="closed twice"),
    pytest.param("<think>a</think>5</think>\n</think>", "a", "5", id="closed again at the end"),
    pytest.param("<thinking>a</think>answer", "a", "answer", id="closed by another tag"),
    pytest.param("I write <think>so</think> here", None, "I write <think>so</think> here", id="within a line"),
]


@pytest.mark.parametrize(("text", "reasoning", "rest"), STRUCTURES)
def test_blocks_count_anywhere_where_nothing_can_be_quoted(text, reasoning, rest):
    assert split_reasoning(text) == (reasoning, rest)


@pytest.mark.parametrize(
    "text",
    ["hm</think>answer", "hm\n</think>\nanswer", "5.\n<think>or 6?</think>", "a\n[/THINK]\nb", "<think"],
)
def test_tags_that_may_be_quoted_split_nothing(text):
    assert split_reasoning(text, may_quote=True) == (None, text)


def test_quoted_tags_after_reasoning_split_nothing():
    text = "<think>a</think>b\n</think>\nc\n<think>d</think>"
    assert split_reasoning(text, may_quote=True) == ("a", "b\n</think>\nc\n<think>d</think>")


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        *(
            (text, True)
            for text in ("</think>", "&lt;/think>", "&#91;/THINK]", "[THINK]", "<|channel|>", "&lt;|channel|>")
        ),
        *((text, False) for text in ("I think", "a < think", "channel", "reasoning/thought", "[analysis")),
    ],
)
def test_mention_of_a_tag_is_seen(text, mentions):
    assert mentions_reasoning(text) is mentions


@pytest.mark.parametrize("may_quote", [False, True])
@pytest.mark.parametrize("unit", ["<think>", "</think>", "<think>\n", "x <think>", "        <think>", "</think>\n"])
def test_hostile_reply_of_a_megabyte_is_split(unit, may_quote):
    text = unit * (1_000_000 // len(unit))
    reasoning, rest = split_reasoning(text, may_quote=may_quote)
    assert len(rest) + len(reasoning or "") <= len(text)
