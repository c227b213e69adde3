import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critique_graph.core.alignment import _MARKUP, _TYPOGRAPHY, _plain, align_with
from critique_graph.core.critique import parse_critique
from critique_graph.core.steps import split_steps

MATHCRITIQUE = Path(__file__).parents[2] / ".." / "shared" / "data" / "mathcritique"

RESPONSE = (
    "Let's break it down step by step:\n\nSam pays $5 / 30 = $<<5/30=0.17>>0.17 an egg.\n"
    "So \\[ x = \\frac{1}{2} \\]\nShe sold 30 / 2 = <<30/2=15>>15 eggs on Monday, and the rest on Tuesday.\n"
    "The answer is 15."
)


@pytest.mark.parametrize(
    ("judged", "indices"),
    [
        pytest.param(["So $ x = \\frac{1}{2} $.", "The answer is 15."], [1, 3], id="other markup"),
        pytest.param(["sam pays $5/30 = $0.17 an egg", "She sold 30 / 2 = 15 eggs"], [0, 2], id="marks dropped, part"),
        pytest.param(["**Sam pays $5 / 30 = $0.17 an egg. So $x = \\frac{1}{2}$**"], [0], id="several steps"),
        pytest.param(["and the rest on Tuesday", "Sam pays"], [2, 0], id="begins inside a step; out of order"),
        pytest.param(["She sold 30/2 = 16 eggs on Sunday, and the rest on Tuesday"], [2], id="misquoted"),
        pytest.param(
            ["Dogs bark at night, because cats annoy them.", "", "$$"],
            [None, None, None],
            id="foreign, empty",
        ),
    ],
)
def test_judged_sentence_is_aligned(judged: list[str], indices: list[int | None]) -> None:
    assert align_with(judged, split_steps(RESPONSE)) == indices


def test_repeated_sentences_are_aligned_in_order() -> None:
    response = "Add 2.\nDouble it.\nAdd 2.\nDouble it.\nThe answer is 6."

    assert align_with(["Add 2.", "Add 2.", "Double it."], split_steps(response)) == [0, 2, 3]


def test_short_numbered_step_quoted_with_a_word_or_a_sign_amiss_is_aligned() -> None:
    response = "Step 1: Tom has 30 + 3 = 43 pens.\nStep 2: Ben has 43 + 20 = 63 pens.\nThe answer is 63."
    judged = ["Step 1: Tom has 30 * 3 = 43 pens.", "Step 2: Sam has 43 + 20 = 63 pens.", "Step 3: Ben has 63 - 1 = 62."]

    assert align_with(judged, split_steps(response)) == [0, 1, None]


def test_short_numbered_step_of_another_response_is_not_aligned() -> None:
    response = "Step 1: Tom has 30 + 3 = 43 pens.\nStep 2: Ben has 43 + 20 = 63 pens.\nThe answer is 63."

    assert align_with(["Step 2: Zoe has 12 - 5 = 7 coins."], split_steps(response)) == [None]


def test_nothing_is_aligned_with_an_empty_response() -> None:
    assert align_with(["Add 2."], split_steps("")) == [None]


def test_hostile_alignment_ends_in_time() -> None:
    response = ("a" * 50 + "c\n") * 2000
    start = time.perf_counter()

    assert set(align_with(["a" * 51 + "b"] * 1000, split_steps(response))) <= {None, *range(2000)}

    assert time.perf_counter() - start < 30


def released(kind: str) -> list[tuple[str, str]]:
    """Original response and critique of every released example."""
    path = MATHCRITIQUE / f"llama3_8b_{kind}.json"
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    pairs = []
    for record in json.loads(path.read_text()):
        _, _, rest = record["instruction"].partition("\n\nAssistant:")
        response, _, rest = rest.partition("\n<|end_of_text|>\nHuman:")
        pairs.append((response, rest.partition("\n\n")[2]))
    return pairs


@pytest.mark.parametrize(("kind", "total"), [("gsm8k", 462), ("math", 466)])
def test_every_step_of_the_released_critiques_is_aligned(kind: str, total: int) -> None:
    indices = [step.step_index for response, text in released(kind) for step in parse_critique(text, response).steps]

    assert len(indices) == total
    assert None not in indices


@pytest.mark.parametrize(("kind", "most"), [("gsm8k", 20), ("math", 20)])
def test_sentences_of_other_problems_are_hardly_ever_aligned(kind: str, most: int) -> None:
    pairs = released(kind)
    critiques = [text for _, text in pairs]
    others = [response for response, _ in pairs[37:] + pairs[:37]]

    aligned = [
        step.text
        for text, other in zip(critiques, others, strict=True)
        for step in parse_critique(text, other).steps
        if step.step_index is not None
    ]

    assert len(aligned) <= most
    assert len([text for text in aligned if not re.search("answer is", text, re.IGNORECASE)]) <= 5


@given(st.text(st.sampled_from("aB1 \n\t$*&#`_\\[]{}(),;:<>.\u2019\u2212\u2003\u0130"), max_size=60))
def test_markup_is_found_in_plain_text_as_by_the_pattern(text: str) -> None:
    assert _plain(text) == _MARKUP.sub("", text.translate(_TYPOGRAPHY)).lower()
