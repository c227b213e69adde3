"""RG1: whole paths, sampled at a high temperature. Wrong ones are flawed paths; correct ones get critiques too."""

import asyncio
from collections import Counter
from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import PathSource, ReasoningPath
from critique_graph.core.schema import Failure, Response
from critique_graph.core.state import AutoCritiqueState
from critique_graph.core.state_records import problem_id, write_paths
from critique_graph.nodes.paths import to_graded, unusable
from critique_graph.nodes.solve import solve_messages


def create_sample_paths(players: Players[GenerationContext]) -> Runnable[AutoCritiqueState, dict[str, Any]]:
    """Create the node that samples responses; later nodes take a correct one as their template."""

    async def sample_paths(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_actor, problem = players.context(), players.caller("actor"), problem_id(state)
        messages = solve_messages(state["question"], players.prompts)

        async def sample(index: int) -> Response | Failure:
            key = CallKey(problem, "actor", "sample", index)
            outcome = await call_actor(messages, key, temperature=context.temperature)
            if isinstance(outcome, Failure):
                return outcome
            return await to_graded(outcome, state, players.task)

        responses = await asyncio.gather(*map(sample, range(context.samples)))
        taken: Counter[PathSource] = Counter()
        seen: set[str] = set()
        paths: list[ReasoningPath] = []
        for index, response in enumerate(responses):
            if isinstance(response, Failure):
                path = ReasoningPath(name=f"sample-{index}", strategy="rg1").dropped("paths", "failed", response)
            else:
                strategy: PathSource = "correct" if response.is_correct else "rg1"
                path = ReasoningPath(name=f"sample-{index}", strategy=strategy, response=response)
                if reason := unusable(response):
                    path = path.dropped("paths", reason)
                elif response.text in seen:
                    path = path.dropped("paths", "duplicate")
                elif strategy not in context.strategies:
                    path = path.dropped("paths", "answer_right" if strategy == "correct" else "answer_wrong")
                elif taken[strategy] == context.paths:
                    path = path.dropped("paths", "enough")
                else:
                    taken[strategy] += 1
                seen.add(response.text)
            paths.append(path)
        return write_paths(
            state, paths, actor={path.name: [path.response.call] for path in paths if path.response is not None}
        )

    return BothWays(sample_paths)
