from pathlib import Path

import pytest
import yaml

from critique_graph.core.errors import InputError
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.prompts_file import SHIPPED, prompts_file, read_prompts

BAD = {
    "missing slot": ('solve: {ask: "Solve it."}', "solve: ask: the slot {{problem}} is missing"),
    "braces are no slot": ('solve: {ask: "{problem}"}', "solve: ask: the slot {{problem}} is missing"),
    "unknown slot": ('solve: {ask: "{{problem}} {{hints}}"}', "solve: ask: there is no slot {{hints}} here"),
    "slot of either kind": ('critique: {ask: "{{problem}}"}', "critique: ask: the slot {{response}} or {{steps}}"),
    "unknown node": ("solv: {}", "solv: there is no such key; it is one of solve, critique"),
    "unknown key": ("refine: {system: x}", "refine: system: there is no such key; it is one of ask, examples"),
    "hint": ("annotate: {hints: {step: x}}", "annotate: hints: step: the slot {{step}} is missing"),
    "example": ("solve: {examples: [{problem: 1}]}", "solve: examples: example 1 must have problem, reply"),
    "error type": (
        "corrupt: {examples: [{problem: p, response: r, type: typo, reply: x}]}",
        "corrupt: an example has the type 'typo'",
    ),
    "no YAML": ("a: [", "this is no YAML in line"),
    "a slot without quotes": ("solve: {ask: {{problem}}}", "this is no YAML in line 1"),
    "no mapping": ("[1]", "expected a mapping with some of the nodes solve"),
    "empty": ("", "expected a mapping"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_file_is_one_line_with_the_file_and_the_place(tmp_path: Path, text: str, message: str):
    file = tmp_path / "bad.yaml"
    file.write_text(text)

    with pytest.raises(InputError) as raised:
        read_prompts(file)

    assert str(raised.value).startswith(f"--prompts {file}: ")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_missing_file_and_a_file_that_is_no_text_are_refused(tmp_path: Path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_prompts(tmp_path / "binary.yaml")
    with pytest.raises(InputError, match="there is no such file; the wordings that ship are default, math-en, math-zh"):
        read_prompts("math-fr")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_wording_is_read_again_from_what_is_printed(tmp_path: Path, name: str):
    file = tmp_path / "mine.yaml"
    file.write_text(prompts_file(read_prompts(name)), encoding="utf-8")

    assert read_prompts(file) == read_prompts(name)


@pytest.mark.parametrize("name", ["math-en", "math-zh"])
def test_new_wordings_of_answers_have_no_placeholder_that_can_be_copied(name: str):
    wording = read_prompts(name)

    assert wording != DEFAULT_PROMPTS
    for node in ("solve", "critique", "refine", "annotate", "smooth"):
        assert "\\boxed{" not in getattr(wording, node).ask
        assert getattr(wording, node) != getattr(DEFAULT_PROMPTS, node)


def test_a_mapping_and_its_recorded_form_are_wordings():
    given = {"solve": {"ask": "{{problem}}"}}
    assert read_prompts(given) == Prompts.model_validate(given)
    assert read_prompts(yaml.safe_dump(given, default_flow_style=True)) == read_prompts(given)
