"""What the nodes that make paths share: templates, continuations, grades."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.calls.players import Players
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import PathDropReason, ReasoningPath, TemplateSource
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Call, Failure, Reply, Response
from critique_graph.core.state import AutoCritiqueState, QuestionState
from critique_graph.core.state_records import reference_of, solution_of
from critique_graph.core.steps import is_answer, is_introduction, split_steps
from critique_graph.core.untrusted import strip_role_tokens
from critique_graph.grading.records import graded_response
from critique_graph.nodes.solve import solve_messages, to_response
from critique_graph.tasks.task import Task

ANSWER_TOKENS = 32


class Template(NamedTuple):
    """A correct text that flawed paths branch off from."""

    text: str
    source: TemplateSource


def template_of(
    state: AutoCritiqueState, paths: Iterable[ReasoningPath], context: GenerationContext
) -> Template | None:
    """Give the first correct response with two or more working steps; else the solution, if that is wanted."""
    correct = (path.response.text for path in paths if path.response is not None and path.response.is_correct)
    found = [Template(text, "sample") for text in correct]
    solution = solution_of(state) if context.from_solutions else None
    if solution is not None:
        found.append(Template(solution, "reference"))
    return next((template for template in found if len(working_steps(template.text)) >= 2), None)


def reasoning_steps(response: str) -> list[str]:
    """Give the steps of a response before its answer."""
    steps = list(split_steps(response))
    return steps[:-1] if steps and is_answer(steps[-1]) else steps


def working_steps(response: str) -> list[int]:
    """Give the indices of the steps before the answer that do something: all but introductions and plans."""
    return [index for index, step in enumerate(reasoning_steps(response)) if not is_introduction(step)]


def continue_messages(question: str, begun: str, prompts: Prompts = DEFAULT_PROMPTS) -> list[BaseMessage]:
    """Build the prompt that has the actor continue a response that it has begun."""
    return [*solve_messages(question, prompts), AIMessage(strip_role_tokens(begun))]


async def continued(
    call_actor: Caller,
    state: AutoCritiqueState,
    begun: str,
    key: CallKey,
    *,
    prompts: Prompts,
    temperature: float | None = None,
) -> Reply | Failure:
    """Have the actor continue `begun`; the text of the reply is the whole response."""
    messages = continue_messages(state["question"], begun, prompts)
    outcome = await call_actor(messages, key, temperature=temperature, continue_final_message=True)
    if isinstance(outcome, Failure):
        return outcome
    return outcome.model_copy(update={"text": begun + outcome.text})


async def with_answer(
    players: Players[GenerationContext], state: AutoCritiqueState, reply: Reply, key: CallKey, calls: list[Call]
) -> Reply | Failure:
    """Have the actor give the final answer of a whole response that ends without one: its line is begun for it.

    Small models end so where they go on from a text that is not their own. The call is added to `calls`.
    """
    call_actor, begins = players.caller("actor"), players.task.answer_begins
    if call_actor.is_trained_here or not begins or reply.call.is_truncated:
        return reply
    if to_response(reply, players.task).answer is not None:
        return reply
    begun = f"{reply.text.rstrip()}\n{begins}"
    messages = continue_messages(state["question"], begun, players.prompts)
    key = key._replace(chain=f"{key.chain}/answer")
    outcome = await call_actor.recorded(
        key, lambda: call_actor.ask(messages, key, max_tokens=ANSWER_TOKENS, continue_final_message=True)
    )
    if isinstance(outcome, Failure):
        return outcome
    calls.append(outcome.call)
    return outcome.model_copy(update={"text": begun + outcome.text.partition("\n")[0]})


async def to_graded(outcome: Reply, state: QuestionState, task: Task) -> Response:
    """Turn a whole reply into a response with its grade.

    Raises:
        ValueError: The problem has no reference.
    """
    reference = reference_of(state)
    if reference is None:
        raise ValueError("generation needs a reference answer in the input, got none.")
    return await graded_response(to_response(outcome, task), reference, task.grader)


async def flawed_paths(
    attempt: Callable[[int], Awaitable[ReasoningPath]], earlier: Sequence[ReasoningPath], context: GenerationContext
) -> list[ReasoningPath]:
    """Try to make flawed paths of one strategy, in order, until there are enough or all `attempts` were made.

    Attempts are made at the same time only where none of them can turn out to be one too many.
    """
    made: list[ReasoningPath] = []
    while len(made) < context.attempts and (missing := context.paths - sum(path.drop is None for path in made)) > 0:
        wave = range(len(made), min(len(made) + missing, context.attempts))
        for path in await asyncio.gather(*map(attempt, wave)):
            made.append(_checked_flawed(path, [*earlier, *made]))
    return made


def _checked_flawed(path: ReasoningPath, earlier: Iterable[ReasoningPath]) -> ReasoningPath:
    """Drop a path that is unusable, correct or a duplicate."""
    response = path.response
    if path.drop is not None or response is None:
        return path
    if reason := unusable(response):
        return path.dropped("paths", reason)
    if response.is_correct:
        return path.dropped("paths", "answer_right")
    if any(other.response is not None and other.response.text == response.text for other in earlier):
        return path.dropped("paths", "duplicate")
    return path


def unusable(response: Response) -> PathDropReason | None:
    """Give the reason why a response cannot be a path: it was truncated, or its answer cannot be graded."""
    if response.is_truncated:
        return "truncated"
    is_graded = response.grade is not None and response.grade.outcome != "ungraded"
    return None if is_graded and response.answer is not None else "ungraded"
