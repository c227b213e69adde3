"""Has the annotator critique every path, with hints that no critic gets, and checks the critique by known facts."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import CritiqueForm, GenerationContext
from critique_graph.core.paths import PathDropReason, ReasoningPath, Until
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts, fill
from critique_graph.core.schema import Call, Failure
from critique_graph.core.state import AutoCritiqueState, problem_id, read_paths, reference_of, write_paths
from critique_graph.core.steps import split_steps
from critique_graph.nodes.ask_critique import ask_for_critique

MAX_ASKED = 2
"""Most calls for one critique: an unreadable critique is asked for once more."""

_LEAK = re.compile(
    r"\b(?:reference|ground[ -]truth|gold|given|known|provided|expected)\s(?:final\s)?(?:answer|solution)\b|\bhints?\b",
    re.IGNORECASE,
)


def annotate_messages(
    question: str,
    path: ReasoningPath,
    reference: str,
    *,
    until: Until = "first_error",
    prompts: Prompts = DEFAULT_PROMPTS,
    form: CritiqueForm = "text",
) -> list[BaseMessage]:
    """Build the annotator's prompt: the critic's prompt, and hints that depend on the path's strategy (paper §2)."""
    assert path.response is not None
    known, response, said = path.known, path.response, prompts.annotate.hints
    hints = [fill(said.reference, reference=reference), said.right if response.is_correct else said.wrong]
    if known.step is not None:
        hints.append(fill(said.step, step=split_steps(response.text)[known.step]))
    if known.type is not None:
        hints.append(fill(said.error, type=known.type, description=str(known.description)))
    wording = prompts.annotate.in_json() if form != "text" else prompts.annotate
    return wording.messages(
        common={"ending": prompts.annotate.ending(until)},
        problem=question,
        response=response.text,
        hints="\n".join(hints),
    )


def create_annotate(players: Players[GenerationContext]) -> Runnable[AutoCritiqueState, dict[str, Any]]:
    """Create the node that has the annotator critique every path."""

    async def annotate(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_annotator = players.context(), players.caller("annotator")
        calls: defaultdict[str, list[Call]] = defaultdict(list)

        async def annotated(path: ReasoningPath) -> ReasoningPath:
            if path.drop is not None or path.response is None:
                return path
            response, until = path.response.text, context.annotate_until

            def prompt(form: CritiqueForm) -> list[BaseMessage]:
                return annotate_messages(
                    state["question"], path, str(reference_of(state)), until=until, prompts=players.prompts, form=form
                )

            for asked in range(MAX_ASKED):
                outcome = await ask_for_critique(
                    call_annotator,
                    prompt,
                    response,
                    CallKey(problem_id(state), "annotator", path.name, asked),
                    form=context.critique_form,
                    until_first_error=until == "first_error",
                )
                if isinstance(outcome, Failure):
                    return path.dropped("annotate", "failed", outcome)
                critique, reply = outcome
                calls[path.name].append(reply.call)
                path = path.model_copy(update={"critique": critique, "calls": (*path.calls, reply.call)})
                if critique.is_readable:
                    break
            reason = disagreement(path)
            emit("annotated", path=path.name, drop=reason, text=critique.text)
            return path if reason is None else path.dropped("annotate", reason)

        to_do = [one for path in read_paths(state) for one in _for_each_critique(path, context.critiques)]
        paths = without_repeated(await asyncio.gather(*map(annotated, to_do)))
        return write_paths(state, paths, annotator=calls)

    return BothWays(annotate)


def _for_each_critique(path: ReasoningPath, critiques: int) -> list[ReasoningPath]:
    """Give a copy of the path for each critique that it is to get; a dropped path is given once."""
    if path.drop is not None:
        return [path]
    further = [
        {"name": f"{path.name}.{number}", "critique_number": number, "usage": {}} for number in range(1, critiques)
    ]
    return [path, *(path.model_copy(update=named) for named in further)]


def without_repeated(paths: Sequence[ReasoningPath]) -> list[ReasoningPath]:
    """Drop critiques that repeat the text of an earlier critique of the same path: the filter tries a text once."""
    seen: set[tuple[str, str]] = set()
    told: list[ReasoningPath] = []
    for path in paths:
        if path.drop is None and path.critique is not None:
            content = (path.path_name, path.critique.text)
            path = path.dropped("annotate", "duplicate") if content in seen else path
            seen.add(content)
        told.append(path)
    return told


def disagreement(path: ReasoningPath) -> PathDropReason | None:
    """Give the reason to drop a path's critique: it is unreadable, contradicts known facts or reveals the hints."""
    critique, response = path.critique, path.response
    assert critique is not None
    assert response is not None
    if not critique.is_readable:
        return "unreadable"
    if (critique.final == "correct") != bool(response.is_correct):
        return "verdict_disagrees"
    if critique.first_error is not None and response.is_correct:
        return "verdict_disagrees"
    if path.known.step is not None and critique.first_wrong_step != path.known.step:
        return "step_disagrees"
    return "leak" if _LEAK.search(critique.text) else None
