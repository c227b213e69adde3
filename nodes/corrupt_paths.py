"""RG3: one error of a known type is inserted into a correct path, and the actor continues from it."""

import random
from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import EXACT, Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import KnownError, ReasoningPath
from critique_graph.core.schema import Call, Failure, Reply
from critique_graph.core.state import AutoCritiqueState
from critique_graph.core.state_records import problem_id, read_paths, write_paths
from critique_graph.core.steps import step_at, text_with
from critique_graph.nodes.corruptors import Corruptor, ExactCorruptor, ModelCorruptor, NotCorrupted
from critique_graph.nodes.paths import (
    continued,
    flawed_paths,
    reasoning_steps,
    template_of,
    to_graded,
    with_answer,
    working_steps,
)


def create_corrupt_paths(players: Players[GenerationContext]) -> Runnable[AutoCritiqueState, dict[str, Any]]:
    """Create the node that inserts errors into a template and has the actor continue from each."""

    async def corrupt_paths(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_actor, paths = players.context(), players.caller("actor"), read_paths(state)
        template = template_of(state, paths, context)
        if "rg3" not in context.strategies or template is None:
            return {}
        if not await call_actor.can_continue():
            emit("refused", strategy="rg3", reason="the actor's model cannot continue a message of its own")
            return {}
        if players.model("corruptor") == EXACT and not players.task.is_arithmetic:
            emit("refused", strategy="rg3", reason="the corruptor `exact` changes equations, and the task has none")
            return {}
        corrupt: Corruptor = ExactCorruptor(context.seed)
        if players.model("corruptor") != EXACT:
            corrupt = ModelCorruptor(players.caller("corruptor"), players.prompts)
        problem, steps = problem_id(state), reasoning_steps(template.text)
        calls: dict[str, list[Call]] = {}
        possible = set(corrupt.places(state["question"], steps, context.error_types))
        places = [place for place in working_steps(template.text) if place in possible]

        async def attempt(index: int) -> ReasoningPath:
            name = f"rg3-{index}"
            rng = random.Random(f"{context.seed}/{problem}/{name}")
            path = ReasoningPath(name=name, strategy="rg3", template=template.source)
            if not places:
                return path.dropped("paths", "not_corrupted")
            place = rng.choice(places)
            types = rng.sample(context.error_types, k=len(context.error_types))
            changed = await corrupt(state["question"], steps, place, types, CallKey(problem, "corruptor", name, 0))
            if isinstance(changed, Failure):
                return path.dropped("paths", "failed", changed)
            path = path.model_copy(update={"calls": () if changed.call is None else (changed.call,)})
            if isinstance(changed, NotCorrupted):
                return path.dropped("paths", "not_corrupted")
            known = KnownError(step=place, type=changed.type, description=changed.description)
            path = path.model_copy(update={"known": known})
            begun = text_with(template.text, place, changed.step)
            key = CallKey(problem, "actor", name, 0)
            outcome = await continued(call_actor, state, begun, key, prompts=players.prompts)
            if isinstance(outcome, Reply):
                calls[name] = [outcome.call]
                outcome = await with_answer(players, state, outcome, key, calls[name])
            if isinstance(outcome, Failure):
                return path.dropped("paths", "failed", outcome)
            response = await to_graded(outcome, state, players.task)
            changed_at = (at for at, pair in enumerate(zip(template.text, begun, strict=False)) if pair[0] != pair[1])
            error = step_at(response.text, next(changed_at, len(begun) - 1))  # the new text may have other steps
            known = known.model_copy(update={"step": error})
            return path.model_copy(update={"response": response, "known": known})

        made = await flawed_paths(attempt, paths, context)
        corruptor = {path.name: path.calls for path in made}
        return write_paths(state, [*paths, *made], actor=calls, corruptor=corruptor)

    return BothWays(corrupt_paths)
