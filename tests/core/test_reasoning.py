import pytest

from critique_graph.core.reasoning import ReasoningSplitter, after_reasoning, is_inside_reasoning, split_reasoning


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
    assert split(["so 5", "</think>", "5"], is_inside=True) == ("so 5", "5")


def test_what_can_be_told_apart_is_given_at_once():
    splitter = ReasoningSplitter()
    assert list(splitter.feed("<thi")) == []
    assert [part.text for part in splitter.feed("nk>one two")] == ["one two"]
    assert [part.text for part in splitter.feed(" three</th")] == [" three"]
    assert [(part.text, part.is_reasoning) for part in splitter.feed("ink>\n5")] == [("5", False)]


@pytest.mark.parametrize(
    ("text", "is_inside"), [("<think>a", True), ("<think>a</think>b", False), ("a", False), ("", False)]
)
def test_open_block_is_seen(text, is_inside):
    assert is_inside_reasoning(text) is is_inside


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("plain", None, "plain"),
        ("<think>\nhm\n</think>\n\nanswer", "hm", "answer"),
        ("hm</think>answer", "hm", "answer"),
        ("<think>cut off", "cut off", ""),
        ("<think></think>answer", None, "answer"),
        (" \n<think>hm</think> answer\n", "hm", "answer"),
        (" plain\n", None, " plain\n"),
        ("<think>hm</think>a</think>b", "hm", "a</think>b"),
    ],
    ids=[
        "none",
        "block",
        "opened by the template",
        "cut off",
        "empty",
        "space around",
        "space without",
        "closed twice",
    ],
)
def test_reasoning_of_a_whole_reply_is_split_off(text, reasoning, rest):
    assert split_reasoning(text) == (reasoning, rest)


@pytest.mark.parametrize(
    ("text", "answer"),
    [("a</think>b</think>c", "c"), ("<think>a</think>b<think>c", "b"), ("<think>a", ""), ("a", "a")],
    ids=["two ends", "cut off in a second block", "cut off", "none"],
)
def test_answer_stands_after_the_last_block(text, answer):
    assert after_reasoning(text) == answer
