"""Has the annotator critique every path, with hints that no critic gets, and checks the critique by known facts."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import CritiqueForm, GenerationContext
from critique_graph.core.critique_json import GivenVerdicts
from critique_graph.core.leaks import gives_answer_away
from critique_graph.core.paths import PathDropReason, ReasoningPath, Until
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts, fill
from critique_graph.core.schema import Call, Failure, Verdict
from critique_graph.core.state import AutoCritiqueState
from critique_graph.core.state_records import problem_id, read_paths, reference_of, write_paths
from critique_graph.core.steps import split_steps
from critique_graph.nodes.ask_critique import ask_for_critique, form_for
from critique_graph.nodes.critique import critique_messages
from critique_graph.tasks.task import mentions_hints

MAX_ASKED = 2
"""Most calls for one critique: one that is unreadable or contradicts what is known is asked for once more."""


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
    """Create the node that has the annotator critique every path.

    A critique that contradicts what is known, or reveals the hints, is asked for once more: without hints, and with the
    known verdicts given, so that the annotator has to explain them. That is ours, for annotators that are too small to
    use hints; it needs the form `json` or `prefill`.
    """

    async def annotate(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_annotator = players.context(), players.caller("annotator")
        form = await form_for(call_annotator, context.critique_form)
        calls: defaultdict[str, list[Call]] = defaultdict(list)

        async def annotated(path: ReasoningPath) -> ReasoningPath:
            if path.drop is not None or path.response is None:
                return path
            response, until = path.response.text, context.annotate_until

            def leaks(critique: str) -> bool:
                return players.task.leaks(critique) or (context.refuse_answers and states_answer(critique))

            def states_answer(critique: str) -> bool:
                known = {"question": state["question"], "response": response, "reference": str(reference_of(state))}
                return gives_answer_away(critique, critique, **known)

            def unhinted(form: CritiqueForm) -> list[BaseMessage]:
                return critique_messages(state["question"], response, players.prompts, form=form)

            def hinted(form: CritiqueForm) -> list[BaseMessage]:
                return annotate_messages(
                    state["question"], path, str(reference_of(state)), until=until, prompts=players.prompts, form=form
                )

            for asked in range(MAX_ASKED):
                given = known_verdicts(path, until) if asked and form != "text" else ()
                outcome = await ask_for_critique(
                    call_annotator,
                    unhinted if given else hinted,
                    response,
                    CallKey(problem_id(state), "annotator", path.name, asked),
                    form=form,
                    until_first_error=until == "first_error",
                    given=given,
                )
                if isinstance(outcome, Failure):
                    return path.dropped("annotate", "failed", outcome)
                critique, reply = outcome
                calls[path.name].append(reply.call)
                path = path.model_copy(update={"critique": critique, "calls": (*path.calls, reply.call)})
                reason = disagreement(path, leaks)
                if reason is None or (form == "text" and reason != "unreadable"):
                    break
            emit("annotated", path=path.name, drop=reason, text=critique.text)
            return path if reason is None else path.dropped("annotate", reason)

        to_do = [one for path in read_paths(state) for one in _for_each_critique(path, context.critiques)]
        paths = without_repeated(await asyncio.gather(*map(annotated, to_do)))
        return write_paths(state, paths, annotator=calls)

    return BothWays(annotate)


def known_verdicts(path: ReasoningPath, until: Until) -> GivenVerdicts:
    """Give what is known of a critique of a path: the verdict on the answer, and on the steps up to the known error."""
    assert path.response is not None
    steps, error = len(split_steps(path.response.text)), path.known.step
    correct: list[Verdict | None] = ["correct"]
    if path.response.is_correct:
        return correct * (steps + 1)
    if error is None:
        return [*[None] * steps, "wrong"]
    after = 0 if until == "first_error" else steps - error - 1
    return [*correct * error, "wrong", *[None] * after, "wrong"]


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


def disagreement(path: ReasoningPath, leaks: Callable[[str], bool] = mentions_hints) -> PathDropReason | None:
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
    if critique.first_error is None and not response.is_correct:
        return "step_disagrees"
    if path.known.step is not None and critique.first_wrong_step != path.known.step:
        return "step_disagrees"
    return "leak" if leaks(critique.text) else None
