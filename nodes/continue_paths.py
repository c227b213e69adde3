"""RG2: a correct path is cut after a step, and the actor continues it at rising temperature."""

import asyncio
import random
from collections import defaultdict
from typing import Any, Literal

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import Caller, CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import KnownError, ReasoningPath
from critique_graph.core.prompts import Prompts
from critique_graph.core.schema import Call, Failure, Reply
from critique_graph.core.state import AutoCritiqueState
from critique_graph.core.state_records import problem_id, read_paths, write_paths
from critique_graph.core.steps import split_steps, step_at, text_before, text_through
from critique_graph.nodes.paths import continued, flawed_paths, template_of, to_graded, with_answer, working_steps

MAX_STEPS = 64
"""Most steps after the cut; a longer path counts as truncated."""
MAX_REPEATS = 3
"""Number of times that a path has the same step before it counts as one that repeats itself, and as truncated."""


def create_continue_paths(players: Players[GenerationContext]) -> Runnable[AutoCritiqueState, dict[str, Any]]:
    """Create the node that continues a template from a cut.

    Rollouts that start before and after the first new step show whether the error is in that step: it counts as the
    place of the error if it lowers the number of correct rollouts by at least half of all rollouts. Nothing else
    guarantees that the error is there.
    """

    async def continue_paths(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_actor, paths = players.context(), players.caller("actor"), read_paths(state)
        template = template_of(state, paths, context)
        if "rg2" not in context.strategies or template is None:
            return {}
        if not await call_actor.can_continue():
            emit("refused", strategy="rg2", reason="the actor's model cannot continue a message of its own")
            return {}
        problem = problem_id(state)
        calls: defaultdict[str, list[Call]] = defaultdict(list)

        async def attempt(index: int) -> ReasoningPath:
            name = f"rg2-{index}"
            rng = random.Random(f"{context.seed}/{problem}/{name}")
            cut = rng.choice(working_steps(template.text)[1:])
            begun = text_before(template.text, cut)
            key = CallKey(problem, "actor", name, 0)
            outcome = await _heated(call_actor, state, context, players.prompts, begun, key, calls[name])
            if isinstance(outcome, Reply):
                outcome = await with_answer(players, state, outcome, key, calls[name])
            path = ReasoningPath(name=name, strategy="rg2", template=template.source)
            if isinstance(outcome, Failure):
                return path.dropped("paths", "failed", outcome)
            response = await to_graded(outcome, state, players.task)
            known = KnownError(step=step_at(response.text, len(begun)))  # the new text may have other steps
            return path.model_copy(update={"response": response, "known": known})

        async def correct_rollouts(begun: str, path: str, side: Literal["before", "after"]) -> int | Failure:
            async def roll_out(index: int) -> bool | Failure:
                key = CallKey(problem, "actor", f"{path}/{side}", index)
                outcome = await continued(call_actor, state, begun, key, prompts=players.prompts)
                if isinstance(outcome, Reply):
                    calls[path].append(outcome.call)
                    outcome = await with_answer(players, state, outcome, key, calls[path])
                if isinstance(outcome, Failure):
                    return outcome
                return bool((await to_graded(outcome, state, players.task)).is_correct)

            right = 0
            for outcome in await asyncio.gather(*map(roll_out, range(context.rollouts))):
                if isinstance(outcome, Failure):
                    return outcome
                right += outcome
            return right

        async def located(path: ReasoningPath) -> ReasoningPath:
            """Keep the place of the error only if rollouts confirm it."""
            if path.drop is not None or path.response is None or path.known.step is None:
                return path
            text, cut = path.response.text, path.known.step
            unlocated = path.model_copy(update={"known": KnownError()})
            before = await correct_rollouts(text_before(text, cut), path.name, "before")
            if isinstance(before, Failure):
                return path.dropped("paths", "failed", before)
            if context.rollouts == 0 or 2 * before < context.rollouts:  # whatever comes after, it is no half lower
                return unlocated
            after = await correct_rollouts(text_through(text, cut), path.name, "after")
            if isinstance(after, Failure):
                return path.dropped("paths", "failed", after)
            return path if 2 * (before - after) >= context.rollouts else unlocated

        made = await flawed_paths(attempt, paths, context)
        made = await asyncio.gather(*map(located, made))
        return write_paths(state, [*paths, *made], actor=calls)

    return BothWays(continue_paths)


async def _heated(
    call_actor: Caller,
    state: AutoCritiqueState,
    context: GenerationContext,
    prompts: Prompts,
    begun: str,
    key: CallKey,
    calls: list[Call],
) -> Reply | Failure:
    """Continue a response step by step: each call writes to the end, and only its first new step is kept.

    Stopping a call after one step would need a stop string. Where the end of a step and its line break are one token,
    as they often are, the next call would then continue from tokens that the model never saw.
    """
    reply, text = Reply(text=begun, call=Call(model="")), begun
    for number in range(MAX_STEPS):
        temperature = min(context.rise_to, context.rise_from + number * context.rise)
        step_key = key._replace(round=number)
        outcome = await continued(call_actor, state, text, step_key, prompts=prompts, temperature=temperature)
        if isinstance(outcome, Failure):
            return outcome
        reply = outcome
        calls.append(reply.call)
        first_new = step_at(reply.text, len(text))
        if first_new is None or first_new + 1 == len(split_steps(reply.text)):
            return reply
        text = text_through(reply.text, first_new)
        steps = split_steps(text)
        if steps.count(steps[-1]) == MAX_REPEATS:
            return Reply(text=text, call=reply.call.model_copy(update={"finish_reason": "repetition"}))
    return Reply(text=text, call=reply.call.model_copy(update={"finish_reason": "length"}))
