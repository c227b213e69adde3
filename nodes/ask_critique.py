"""Ask a model for critiques in the form that it masters, and read what it wrote.

The form of the request is chosen here, by node and model; whatever the form, the critique is one in the fixed format.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from langchain_core.messages import BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.core.async_node import together
from critique_graph.core.context import CritiqueForm
from critique_graph.core.critique import parse_critique
from critique_graph.core.critique_json import GivenVerdicts, critique_format, explanation_chars, read_critique_json
from critique_graph.core.schema import Critique, Failure, Judgement, Reply, Usage
from critique_graph.core.steps import split_steps
from critique_graph.nodes.prefill import fill_in_critique

logger = logging.getLogger(__name__)

RETRY_TEMPERATURE = 0.7
"""Lowest temperature at which a critique is asked for again."""


async def form_for(caller: Caller, wanted: CritiqueForm) -> CritiqueForm:
    """Give the form in which to ask a model for a critique: the one that is wanted, or the best that it masters.

    `auto` takes `text` for a model that was trained on the fixed format, else `json` where the model keeps to a schema,
    else `prefill` where it continues a text, else `text`. That a model does not master a form that was asked for by
    name is said once.
    """
    if wanted == "text" or (wanted == "auto" and caller.is_trained_here):
        return "text"
    if wanted != "prefill" and await caller.kept_schema() != "none":
        return "json"
    if wanted != "json" and await caller.can_continue():
        return "prefill"
    if wanted != "auto":
        _warn_about(caller.name or type(caller.model).__name__, wanted)
    return "text"


@dataclass(frozen=True)
class Critiques:
    """What came of asking for critiques of one response."""

    judgements: tuple[Judgement, ...]
    failures: tuple[Failure, ...]
    """Why others did not come."""


async def ask_for_critiques(
    caller: Caller,
    prompt: Callable[[CritiqueForm], list[BaseMessage]],
    response: str,
    key: CallKey,
    *,
    critiques: int,
    form: CritiqueForm,
    steps: Sequence[str] | None = None,
    retries: int = 0,
) -> Critiques:
    """Ask for several critiques of a response at once, each a call of its own.

    The first has the place in the graph, and so the seed, of a critique that is asked for alone. That all are the same
    text is said once.

    Args:
        caller: The critic.
        prompt: Builds the request in a form.
        response: The response; its steps are what is judged.
        key: The calls' place in the graph.
        critiques: Number of critiques.
        form: The form that is wanted.
        steps: Steps of the response; None: those of `split_steps`.
        retries: Number of times that each is asked for again if it cannot be read.
    """

    async def ask(number: int) -> tuple[Critique, Reply] | Failure:
        place = key._replace(chain=f"{key.chain}/critique{number}") if number else key
        return await ask_for_critique(caller, prompt, response, place, form=form, steps=steps, retries=retries)

    outcomes = await together(ask, range(critiques))
    came = [outcome for outcome in outcomes if not isinstance(outcome, Failure)]
    judgements = tuple(Judgement(critique=critique, call=reply.call) for critique, reply in came)
    if are_copies(judgements):
        _warn_about_copies(judgements[0].call.model, caller.temperature)
    return Critiques(judgements, tuple(outcome for outcome in outcomes if isinstance(outcome, Failure)))


def are_copies(judgements: Sequence[Judgement]) -> bool:
    """Tell whether there are several critiques, and all are the same text."""
    return len(judgements) > 1 and len({given.critique.text for given in judgements}) == 1


async def ask_for_critique(
    caller: Caller,
    prompt: Callable[[CritiqueForm], list[BaseMessage]],
    response: str,
    key: CallKey,
    *,
    form: CritiqueForm,
    steps: Sequence[str] | None = None,
    until_first_error: bool = False,
    retries: int = 0,
    given: GivenVerdicts = (),
) -> tuple[Critique, Reply] | Failure:
    """Ask for a critique of a response.

    One that is asked for again has the warning `asked_again`, one whose verdicts were given `verdicts_given`.

    Args:
        caller: The critic or the annotator.
        prompt: Builds the request in a form.
        response: The response; its steps are what is judged.
        key: The call's place in the graph.
        form: The form that is wanted; `auto` takes the best that the model masters.
        steps: Steps of the response; None: those of `split_steps`.
        until_first_error: Whether the critique ends at the first step that is judged wrong.
        retries: Number of times that an unreadable critique is asked for again, at a temperature of `RETRY_TEMPERATURE`
            or more, since a greedy model would repeat itself; the last reply has the usage of all.
        given: Verdicts that are known, which the model then has to explain; a critique that is asked for as text takes
            none.
    """
    form = await form_for(caller, form)
    messages, steps = prompt(form), split_steps(response) if steps is None else steps

    async def ask(caller: Caller, key: CallKey) -> Reply | Failure:
        if form == "prefill":
            return await caller.recorded(
                key,
                lambda: fill_in_critique(
                    caller, messages, steps, key, until_first_error=until_first_error, given=given
                ),
            )
        options = caller.against_loops
        if form == "json":
            is_bounded = await caller.kept_schema() == "bounded"
            max_chars = explanation_chars(len(steps), caller.max_tokens) if is_bounded else None
            options |= critique_format(len(steps), max_chars=max_chars, given=given)
        return await caller(messages, key, **options)

    usage: Usage | None = None
    for number in range(retries + 1):
        if number:
            caller = replace(caller, temperature=max(RETRY_TEMPERATURE, caller.temperature))
        outcome = await ask(caller, key._replace(chain=f"{key.chain}/again{number}") if number else key)
        if isinstance(outcome, Failure):
            return outcome
        reply = outcome
        usage = reply.call.usage if usage is None else usage + reply.call.usage
        critique = to_critique(reply, response, steps=steps, until_first_error=until_first_error)
        if critique.is_readable:
            break
    if warnings := ["asked_again"] * (number > 0) + ["verdicts_given"] * (form != "text" and any(given)):
        critique = critique.model_copy(update={"warnings": (*critique.warnings, *warnings)})
    if number:
        reply = reply.model_copy(update={"call": reply.call.model_copy(update={"usage": usage})})
    return critique, reply


def to_critique(
    reply: Reply, response: str, *, steps: Sequence[str] | None = None, until_first_error: bool = False
) -> Critique:
    """Read a critic's reply to a response, JSON or text. A truncated critique never counts as approval."""
    steps = split_steps(response) if steps is None else steps
    critique = read_critique_json(reply.text, steps, until_first_error=until_first_error)
    if critique is None:
        critique = parse_critique(reply.text, response, steps=steps, has_reasoning=False)
    if reply.call.is_truncated and critique.final == "correct":
        return critique.model_copy(update={"final": None, "warnings": (*critique.warnings, "truncated")})
    return critique


@lru_cache(maxsize=64)
def _warn_about(name: str, form: CritiqueForm) -> None:
    unable = "does not keep to a JSON schema" if form == "json" else "does not continue a text that was begun"
    logger.warning("%s %s: critiques are asked for as text.", name, unable)


@lru_cache(maxsize=64)
def _warn_about_copies(name: str, temperature: float) -> None:
    logger.warning(
        "%s: all critiques of a response are the same text, and say no more than one would; a critic_temperature above "
        "%g makes them differ.",
        name,
        temperature,
    )
