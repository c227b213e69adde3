"""Critiques as JSON: the schema that a model has to keep to, and reading what it wrote.

A schema fixes the form, so that any model that can keep to one gives a critique that can be read: one item for every
step of the response, in order, and one for the final answer, each with the explanation before the verdict.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.utils.json import parse_partial_json

from critique_graph.core.critique import render_critique
from critique_graph.core.critique_labels import read_verdict, without_labels
from critique_graph.core.schema import Critique, StepVerdict, Verdict

_ESCAPES = {"\t": "t", "\f": "f", "\b": "b", "\r": "r", "\n": "n"}
_UNESCAPED = re.compile(
    r"\t(?=imes|ext|frac|heta|au\b|an\b|o\b|riangle|herefore)|\f(?=rac|orall)|[\b](?=oxed|inom|egin|eta|ar\b|ullet|ig)"
    r"|\r(?=ight|ho\b|angle|oot)|\n(?=eq\b|abla|eg\b|otin)"
)
EXPLANATION_CHARS = 500
"""Most characters of one explanation: a small model that repeats itself within one would never come to its verdict."""
_LEAST_CHARS = 40
_CHARS_PER_TOKEN = 2.5
"""Of small vocabularies, in mathematical text."""
_TOKENS_PER_ITEM = 15
"""Of an item's names, verdict and punctuation."""


GivenVerdicts = Sequence[Verdict | None]
"""What is known of the verdicts: one for every step that is to be judged, then that on the final answer."""


def explanation_chars(steps: int, max_tokens: int) -> int:
    """Give the most characters of one explanation with which a critique of so many steps ends within a token limit."""
    chars = int(_CHARS_PER_TOKEN * (max_tokens / (steps + 1) - _TOKENS_PER_ITEM))
    return max(_LEAST_CHARS, min(EXPLANATION_CHARS, chars))


def critique_format(
    steps: int, *, max_chars: int | None = EXPLANATION_CHARS, given: GivenVerdicts = ()
) -> dict[str, Any]:
    """Give the options of a call for a critique of a response with so many steps.

    The schema is in `extra_body`: the OpenAI client itself would refuse JSON that was cut off.

    Args:
        steps: Number of steps.
        max_chars: Most characters of one explanation (`maxLength`); None sets no bound: some hosted models refuse it.
        given: Verdicts that the critique must have. A step whose verdict is given has it before its explanation; the
            steps are then the members of an object, by their numbers, since hosted models take no other schema for
            each item of an array.
    """

    def judgement(verdict: Verdict | None = None) -> dict[str, Any]:
        explanation = {"type": "string"} | ({} if max_chars is None else {"maxLength": max_chars})
        if verdict is None:
            return _object_of(explanation=explanation, verdict={"type": "string", "enum": ["Correct", "Wrong"]})
        return _object_of(verdict={"type": "string", "enum": [verdict.capitalize()]}, explanation=explanation)

    *judged, final = given or [None]
    judgements = {"type": "array", "items": judgement(), "minItems": steps, "maxItems": steps}
    if judged:
        judgements = _object_of(**{str(number): judgement(verdict) for number, verdict in enumerate(judged, 1)})
    schema = _object_of(steps=judgements, final_answer=judgement(final))
    response_format = {
        "type": "json_schema",
        "json_schema": {"name": "critique", "strict": True, "schema": schema},
    }
    return {"extra_body": {"response_format": response_format}}


def _object_of(**members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "required": [*members], "additionalProperties": False}


def read_critique_json(text: str, steps: Sequence[str], *, until_first_error: bool = False) -> Critique | None:
    """Read a critique that a model wrote as JSON, and render it in the fixed format; None if it is no such JSON.

    JSON that ends early gives the steps that it has. Judgements beyond the last step are not read.

    Args:
        text: The model's reply.
        steps: The steps of the response, which the judgements name by their order alone.
        until_first_error: Leave out the steps after the first one that is judged wrong.
    """
    written = _object(text)
    items = None if written is None else written.get("steps")
    items = list(items.values()) if isinstance(items, Mapping) else items
    if written is None or not isinstance(items, list):
        return None
    judged: list[StepVerdict] = []
    for index, (step, item) in enumerate(zip(steps, items, strict=False)):
        verdict, explanation = _judgement(item)
        judged.append(
            StepVerdict(text=without_labels(step.strip()), verdict=verdict, explanation=explanation, step_index=index)
        )
        if until_first_error and verdict == "wrong":
            break
    final, explanation = _judgement(written.get("final_answer"))
    return _rendered(Critique(text="", steps=tuple(judged), final=final, final_explanation=explanation))


def _rendered(critique: Critique) -> Critique:
    first_error = next((index for index, step in enumerate(critique.steps) if step.verdict == "wrong"), None)
    parts = [(step.verdict, step.explanation) for step in critique.steps]
    parts.append((critique.final, critique.final_explanation))
    warnings = {
        "explanation_missing": not all(explanation for _, explanation in parts),
        "final_verdict_missing": critique.final is None,
        "step_verdict_missing": not all(verdict for verdict, _ in parts[:-1]),
    }
    found = [name for name, holds in warnings.items() if holds]
    is_judged = any(verdict for verdict, _ in parts)
    update = {"first_error": first_error, "warnings": tuple(found), "text": render_critique(critique)}
    if (critique.final == "correct") == (first_error is not None) and critique.final is not None:
        update["warnings"] = (*found, "final_contradicts_steps")
    quality = "unparsed" if not is_judged else "partial" if found else "nominal"
    return critique.model_copy(update={**update, "quality": quality})


def _object(text: str) -> Mapping[str, Any] | None:
    start = text.find("{")
    before = text[:start].strip() if start >= 0 else "no object"
    if before not in ("", "```", "```json"):
        return None
    try:
        written = parse_partial_json(text[start:].strip().removesuffix("```"))
    except (ValueError, RecursionError):
        return None
    return written if isinstance(written, Mapping) else None


def _judgement(item: object) -> tuple[Verdict | None, str]:
    if not isinstance(item, Mapping):
        return None, ""
    verdict, explanation = item.get("verdict"), item.get("explanation")
    wording = verdict if isinstance(verdict, str) else ""
    return read_verdict(wording), " ".join(_formulas(explanation).split()) if isinstance(explanation, str) else ""


def _formulas(text: str) -> str:
    r"""Give the commands of formulas back the backslash that a model did not escape: JSON reads a tab in `\times`."""
    return _UNESCAPED.sub(lambda found: "\\" + _ESCAPES[found[0]], text)
