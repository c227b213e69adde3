"""`miniature:annotator`: exact critiques of answers to the miniature's problems, as a chat model.

It reads the problem's sentences back into operations, so it needs neither the generator's seed nor hints.
"""

import html
import re
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from critique_graph.core.errors import ModelCallError
from critique_graph.core.schema import Failure, Problem
from critique_graph.miniature.critiques import critique_text, reasoning
from critique_graph.miniature.solutions import check_response
from critique_graph.miniature.task import FORMS, TOGETHER, Exercise, Operation, Ref, Symbol, compute

_START = re.compile(r"(?P<name>\w+) has (?P<n>\d+) (?P<noun>\w+)\.")
_TOGETHER = re.compile(r"How many \w+ do (?P<name>\w+) and \w+ have together\?")
_FENCED = re.compile(r"<(problem|response)>\n(.*?)\n</\1>", re.DOTALL)


class ExactAnnotator(BaseChatModel):
    """Critiques the fenced response to the fenced problem, up to its first wrong step; reasons as a critic should."""

    model: str = "miniature:annotator"

    @property
    def _llm_type(self) -> str:
        return "miniature-annotator"

    def read(self, question: str, response: str) -> Exercise | None:
        """Read the problem by which a response is judged; None if it is not one of the miniature's problems."""
        return read_exercise(question)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        fenced = {tag: html.unescape(text) for tag, text in _FENCED.findall(messages[-1].text)}
        exercise = self.read(fenced.get("problem", ""), fenced.get("response", ""))
        if exercise is None or not check_response(exercise, fenced.get("response", "")):
            why = "miniature:annotator reads the miniature's own problems alone, and answers with equations"
            raise ModelCallError(Failure(kind="rejected", message=why), can_retry=False)
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}  # it is not a language model
        message = AIMessage(
            critique_text(exercise, fenced["response"]),
            additional_kwargs={"reasoning_content": reasoning(exercise, fenced["response"])},
            usage_metadata=usage,
            response_metadata={"finish_reason": "stop"},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def read_exercise(question: str) -> Exercise | None:
    """Read a question of the miniature back into its operations; None for any other text."""
    first, *sentences, last = re.split(r"(?<=[.?]) ", question) if ". " in question else ("", "")
    start = _START.fullmatch(first)
    if start is None:
        return None
    name, noun = start["name"], start["noun"]
    latest: int | Ref = int(start["n"])
    previous: tuple[str, int | Ref] | None = None
    operations: list[Operation] = []
    for sentence in sentences:
        found = next(((symbol, is_new, m) for symbol, is_new, form in _FORMS if (m := form.fullmatch(sentence))), None)
        if found is None:
            continue  # a sentence that does not matter
        symbol, is_new, words = found
        if is_new:
            previous, name = (name, latest), words["new"]
        operations.append(Operation(latest, symbol, int(words["n"]), f"{name} has"))
        latest = Ref(len(operations) - 1)
    if _TOGETHER.fullmatch(last) and previous is not None:
        operations.append(Operation(latest, "+", previous[1], TOGETHER))
    if not operations:
        return None
    values: list[int] = []
    for operation in operations:
        values.append(compute(operation.symbol, *operation.operands(values)))
    problem = Problem(id=question, question=question, answer=str(values[-1]), level=len(operations))
    return Exercise(problem, tuple(operations), noun)


def _as_pattern(form: str) -> re.Pattern[str]:
    """Turn the template of a sentence into the pattern that reads it back."""
    text = re.escape(form)
    for field in ("name", "new", "other", "noun"):
        text = text.replace(re.escape(f"{{{field}}}"), rf"(?P<{field}>\w+)", 1)
    return re.compile(text.replace(re.escape("{n}"), r"(?P<n>\d+)"))


_FORMS: list[tuple[Symbol, bool, re.Pattern[str]]] = [
    (symbol, is_new, _as_pattern(form))
    for symbol, by_kind in FORMS.items()
    for is_new, forms in by_kind.items()
    for form in forms
]
