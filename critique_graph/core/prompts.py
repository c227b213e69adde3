"""What the nodes ask their models: the wording of every prompt, with slots that the nodes fill.

A slot is written `{{name}}`; any other brace is text, as in LaTeX. Texts of problems and models reach a slot inside a
fence, with the tokens of chat templates made harmless (`untrusted.py`): a wording has no say in that.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from critique_graph.core.paths import ErrorType, Until
from critique_graph.core.steps import split_steps
from critique_graph.core.untrusted import Fence, fence, strip_role_tokens

NodeName = Literal["solve", "critique", "refine", "annotate", "corrupt", "smooth"]

SOLVE_INSTRUCTION = (
    "Solve the problem step by step, one step per line. End with a line of the form: The answer is \\boxed{ANSWER}."
)
CRITIQUE_INSTRUCTION = """\
Check the response to the problem step by step. For every step write three lines:
Step sentence: the step, repeated
Correctness of the step: Correct or Wrong
Explanation: why
Then judge the final answer in two lines:
Correctness of the final answer: Correct or Wrong
Explanation: why"""
CRITIQUE_JSON_INSTRUCTION = """\
Check the response to the problem. Its steps are numbered. Judge every step in order: work it out again and explain \
briefly whether it is correct, then give the verdict, Correct or Wrong. Then judge the final answer in the same way. \
Write JSON: {"steps": [{"explanation": "", "verdict": ""}], "final_answer": {"explanation": "", "verdict": ""}}"""
REFINE_INSTRUCTION = (
    "A critic has checked your response. Use the critique to write a new, corrected response: step by step, "
    "one step per line, ending with a line of the form: The answer is \\boxed{ANSWER}."
)
HINTS_INSTRUCTION = """\
The hints are for you alone; whoever reads your critique does not have them. Find the error as if you had none, show by
the problem and the steps before it that it is one, and mention neither the hints nor a reference answer."""
CORRUPT_INSTRUCTION = """\
The response to the problem is right so far. Rewrite its last step with exactly one error of this type:
{{type}}: {{definition}}
Keep the wording otherwise, and do not say that there is an error. Write two lines:
Step sentence: the step with the error
Explanation: what is wrong with it"""
DEFINITIONS: dict[ErrorType, str] = {
    "calculation_error": "the numbers and the operation are right, the result is not",
    "counting_error": "things, days or terms are counted wrongly",
    "referencing_context_value_error": "a number of the problem is taken for another one",
    "referencing_previous_step_value_error": "a result of an earlier step is taken for another one",
    "unit_conversion_error": "a unit is converted wrongly, or not at all",
    "operator_error": "the wrong operation is applied",
    "missing_step": "something that has to be done first is left out",
    "confusing_formula_error": "a formula is used that belongs to something else",
    "adding_irrelevant_information": "something that plays no part in the problem is reckoned with",
}
SMOOTH_INSTRUCTION = (
    "After each step of the response stands whether it is right, and why. Rewrite it as one person who thinks aloud "
    "while solving: who checks each step, notices what is wrong, says why, and does it again. Keep the words of every "
    "step as they are, the wrong ones too, in their order, one step per line; change only what is said about them. "
    "End with a line of the form: The answer is \\boxed{ANSWER}."
)

_FENCED = frozenset(get_args(Fence))
_SLOT = re.compile(r"\{\{\s*([^{}\n]*?)\s*\}\}")


def fill(wording: str, **texts: str) -> str:
    """Put `texts` into the slots of a wording; what they contain is not read as slots."""
    return _SLOT.sub(lambda slot: texts[slot[1]], wording)


def _check_slots(wording: str, needed: Sequence[str], more: Sequence[str] = ()) -> str:
    """Refuse a wording with a slot that the node does not fill, or without one that it needs (`a|b`: one of the two).

    Raises:
        ValueError: A slot is unknown or missing.
    """
    known = [name for names in needed for name in names.split("|")] + list(more)
    slots = _SLOT.findall(wording)
    for name in slots:
        if name not in known:
            fills = ", ".join(f"{{{{{slot}}}}}" for slot in known) or "no slots"
            raise ValueError(f"there is no slot {{{{{name}}}}} here; the node fills {fills}")
    for names in needed:
        if not set(names.split("|")) & set(slots):
            raise ValueError(f"the slot {' or '.join(f'{{{{{name}}}}}' for name in names.split('|'))} is missing")
    return wording


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, coerce_numbers_to_str=True)


class Wording(_Frozen):
    """What a node asks, and examples of good replies."""

    texts: ClassVar[tuple[str, ...]]
    """Texts that every example gives, beside its `reply`."""
    needed: ClassVar[tuple[str, ...]]
    """Slots that `ask` must have."""
    more: ClassVar[tuple[str, ...]] = ()
    """Slots that `ask` may have."""

    ask: str
    """The request, with its slots."""
    examples: tuple[dict[str, str], ...] = ()
    """Conversations that come before the request: the texts of each, and the `reply`."""

    @field_validator("ask")
    @classmethod
    def _check_ask(cls, ask: str) -> str:
        return _check_slots(ask, cls.needed, cls.more)

    @field_validator("examples")
    @classmethod
    def _check_examples(cls, examples: tuple[dict[str, str], ...]) -> tuple[dict[str, str], ...]:
        for number, example in enumerate(examples, 1):
            if set(example) != {*cls.texts, "reply"}:
                keys = ", ".join((*cls.texts, "reply"))
                raise ValueError(f"example {number} must have {keys}, and has {', '.join(example) or 'nothing'}")
        return examples

    def filled(self, *, steps: Sequence[str] | None = None, **texts: str) -> str:
        """Give the request with its slots filled; texts that come from outside are fenced.

        Args:
            steps: Steps of the response; None: those of `split_steps`.
            texts: The texts.
        """
        fenced = {name: fence(name, text) if name in _FENCED else text for name, text in texts.items()}  # type: ignore[arg-type]
        if "response" in texts and "steps" in _SLOT.findall(self.ask):
            steps = split_steps(texts["response"]) if steps is None else steps
            numbered = (f"{number}. {step}" for number, step in enumerate(steps, 1))
            fenced["steps"] = fence("response", "\n".join(numbered))
        return fill(self.ask, **fenced)

    def shown(self, turns: Callable[..., Sequence[BaseMessage]]) -> list[BaseMessage]:
        """Give the examples as conversations; `turns` makes the messages that precede the reply from the texts."""
        messages: list[BaseMessage] = []
        for example in self.examples:
            texts = {name: example[name] for name in self.texts}
            messages += [*turns(**texts), AIMessage(strip_role_tokens(example["reply"]))]
        return messages


class Opening(Wording):
    """Wording of a node that begins a conversation."""

    system: str = ""
    """System message; empty: none."""

    def begun(self) -> list[BaseMessage]:
        """Give the system message, if there is one."""
        return [SystemMessage(self.system)] if self.system else []

    def messages(
        self, *, common: Mapping[str, str] | None = None, steps: Sequence[str] | None = None, **texts: str
    ) -> list[BaseMessage]:
        """Build the prompt: system message, examples, request.

        Args:
            common: What fills further slots, in the examples too.
            steps: Steps of the response in the request; None: those of `split_steps`.
            texts: The texts of the request.
        """

        def turn(*, steps: Sequence[str] | None = None, **texts: str) -> list[BaseMessage]:
            return [HumanMessage(self.filled(steps=steps, **(common or {}), **texts))]

        return [*self.begun(), *self.shown(turn), *turn(steps=steps, **texts)]


class SolveWording(Opening):
    """Wording of the actor's first response."""

    texts = ("problem",)
    needed = ("problem",)
    ask: str = f"{{{{problem}}}}\n\n{SOLVE_INSTRUCTION}"


class CritiqueWording(Opening):
    """Wording of the critic's judgement. `{{steps}}` is the response with its steps numbered."""

    texts = ("problem", "response")
    needed = ("problem", "response|steps")
    ask: str = f"{{{{problem}}}}\n\n{{{{response}}}}\n\n{CRITIQUE_INSTRUCTION}"
    ask_json: str = f"{{{{problem}}}}\n\n{{{{steps}}}}\n\n{CRITIQUE_JSON_INSTRUCTION}"
    """The request where the critique is to be JSON that fits a schema; it needs the same slots."""

    def in_json(self) -> "CritiqueWording":
        """Give the wording for a critique in JSON, without the examples, which are in the fixed format."""
        return self.model_copy(update={"ask": self.ask_json, "examples": ()})

    @field_validator("ask_json")
    @classmethod
    def _check_ask_json(cls, ask: str) -> str:
        return _check_slots(ask, cls.needed, cls.more)


class RefineWording(Wording):
    """Wording of the actor's refinement, which goes on with the conversation of `solve`.

    The system message is that of `solve`. Examples come in the place of those of `solve`.
    """

    texts = ("problem", "response", "critique")
    needed = ("critique",)
    ask: str = f"{{{{critique}}}}\n\n{REFINE_INSTRUCTION}"


class HintsWording(_Frozen):
    """Sentences that make up the annotator's hints; each is used where it holds."""

    reference: str = "The reference answer is {{reference}}."
    right: str = "The response has this answer."
    wrong: str = "The response has another answer."
    step: str = "The first wrong step is: {{step}}"
    error: str = "The error is of this type: {{type}}. {{description}}."

    @model_validator(mode="after")
    def _check(self) -> "HintsWording":
        slots = {"reference": ("reference",), "step": ("step",), "error": ("type", "description")}
        for name in type(self).model_fields:
            try:
                _check_slots(getattr(self, name), slots.get(name, ()))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return self


class AnnotateWording(Opening):
    """Wording of the annotator's critique. `{{ending}}` says where the critique ends: `first_error` or `all_steps`."""

    texts = ("problem", "response", "hints")
    needed = ("problem", "response|steps", "hints", "ending")
    ask: str = (
        f"{{{{problem}}}}\n\n{{{{response}}}}\n\n{{{{hints}}}}\n\n"
        f"{CRITIQUE_INSTRUCTION}\n{{{{ending}}}}\n\n{HINTS_INSTRUCTION}"
    )
    ask_json: str = (
        f"{{{{problem}}}}\n\n{{{{steps}}}}\n\n{{{{hints}}}}\n\n{CRITIQUE_JSON_INSTRUCTION}\n\n{HINTS_INSTRUCTION}"
    )
    """The request where the critique is to be JSON; what follows the first wrong step is left out afterwards."""

    def in_json(self) -> "AnnotateWording":
        """Give the wording for a critique in JSON, without the examples, which are in the fixed format."""
        return self.model_copy(update={"ask": self.ask_json, "examples": ()})

    @field_validator("ask_json")
    @classmethod
    def _check_ask_json(cls, ask: str) -> str:
        return _check_slots(ask, ("problem", "response|steps", "hints"), ("ending",))

    first_error: str = "End your steps with the first wrong one; then judge the final answer."
    all_steps: str = "Judge every step, those after a wrong one too; a step that only goes on from an error is wrong."
    hints: HintsWording = HintsWording()

    def ending(self, until: Until) -> str:
        """Give the sentence that says where the critique ends."""
        return self.first_error if until == "first_error" else self.all_steps


class CorruptWording(Opening):
    """Wording of the request for an error of a given type in the last step of a response."""

    texts = ("problem", "response", "type")
    needed = ("problem", "response|steps")
    more = ("type", "definition")
    ask: str = f"{{{{problem}}}}\n\n{{{{response}}}}\n\n{CORRUPT_INSTRUCTION}"
    definitions: dict[ErrorType, str] = DEFINITIONS
    """What each type of error is."""

    @field_validator("definitions", mode="before")
    @classmethod
    def _complete(cls, given: Any) -> Any:
        return {**DEFINITIONS, **given} if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _check_types(self) -> "CorruptWording":
        for example in self.examples:
            if example["type"] not in self.definitions:
                raise ValueError(f"an example has the type {example['type']!r}; there is no such type of error")
        if not {"type", "definition"} & set(_SLOT.findall(self.ask)):
            raise ValueError("ask: the slot {{type}} or {{definition}} is missing")
        return self

    def filled(self, *, steps: Sequence[str] | None = None, **texts: str) -> str:
        """Give the request with its slots filled, that of the type's definition too."""
        definitions: dict[Any, str] = dict(self.definitions)
        return super().filled(steps=steps, definition=definitions[texts["type"]], **texts)


class SmoothWording(Opening):
    """Wording of the request to rewrite a talk; the talk is the response."""

    texts = ("problem", "response")
    needed = ("problem", "response")
    ask: str = f"{{{{problem}}}}\n\n{{{{response}}}}\n\n{SMOOTH_INSTRUCTION}"


class Prompts(_Frozen):
    """The wording of every prompt, by node; what is left out keeps the default."""

    solve: SolveWording = SolveWording()
    critique: CritiqueWording = CritiqueWording()
    refine: RefineWording = RefineWording()
    annotate: AnnotateWording = AnnotateWording()
    corrupt: CorruptWording = CorruptWording()
    smooth: SmoothWording = SmoothWording()

    def recorded(self) -> str | dict[str, Any]:
        """Give what a run folder records: `default`, or the wording of the nodes whose wording is not the default."""
        changed = {name for name in type(self).model_fields if getattr(self, name) != getattr(DEFAULT_PROMPTS, name)}
        return self.model_dump(mode="json", include=changed) if changed else "default"


DEFAULT_PROMPTS = Prompts()
"""The default wording, with which the miniature was trained."""
