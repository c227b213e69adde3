"""Ask a model for a critique in the form that it masters, and read what it wrote.

The form of the request is chosen here, by node and model; whatever the form, the critique is one in the fixed format.
"""

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache

from langchain_core.messages import BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.context import CritiqueForm
from critique_graph.core.critique import parse_critique
from critique_graph.core.critique_json import critique_format, read_critique_json
from critique_graph.core.schema import Critique, Failure, Reply
from critique_graph.core.steps import split_steps

logger = logging.getLogger(__name__)


async def form_for(caller: Caller, wanted: CritiqueForm) -> CritiqueForm:
    """Give the form in which to ask a model for a critique: `json` where it keeps to a schema, else `text`.

    Where `json` is asked for by name and the server refuses or ignores a schema, that is said once.
    """
    if wanted == "text":
        return "text"
    if await caller.keeps_to_schema():
        return "json"
    if wanted == "json":
        _warn_about(caller.name or type(caller.model).__name__)
    return "text"


async def ask_for_critique(
    caller: Caller,
    prompt: Callable[[CritiqueForm], list[BaseMessage]],
    response: str,
    key: CallKey,
    *,
    form: CritiqueForm,
    until_first_error: bool = False,
) -> tuple[Critique, Reply] | Failure:
    """Ask for a critique of a response.

    Args:
        caller: The critic or the annotator.
        prompt: Builds the request in a form.
        response: The response; its steps are what is judged.
        key: The call's place in the graph.
        form: The form that is wanted; `auto` takes the best that the model masters.
        until_first_error: Whether the critique ends at the first step that is judged wrong.
    """
    form = await form_for(caller, form)
    steps = split_steps(response)
    options = critique_format(len(steps)) if form == "json" else {}
    outcome = await caller(prompt(form), key, **options)
    if isinstance(outcome, Failure):
        return outcome
    return to_critique(outcome, response, steps=steps, until_first_error=until_first_error), outcome


def to_critique(
    reply: Reply, response: str, *, steps: Sequence[str] | None = None, until_first_error: bool = False
) -> Critique:
    """Read a critic's reply to a response, JSON or text. A truncated critique never counts as approval."""
    steps = split_steps(response) if steps is None else steps
    critique = read_critique_json(reply.text, steps, until_first_error=until_first_error)
    if critique is None:
        critique = parse_critique(reply.text, response, has_reasoning=False)
    if reply.call.is_truncated and critique.final == "correct":
        return critique.model_copy(update={"final": None, "warnings": (*critique.warnings, "truncated")})
    return critique


@lru_cache(maxsize=64)
def _warn_about(name: str) -> None:
    logger.warning("%s does not keep to a JSON schema: critiques are asked for as text.", name)
