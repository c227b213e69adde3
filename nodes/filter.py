"""The Monte-Carlo filter: a critique is kept if refinements with it are correct, and more often than without it."""

import asyncio
from typing import Any, Literal

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import PathDropReason, ReasoningPath, Trial
from critique_graph.core.schema import Call, Failure, Usage
from critique_graph.core.state import AutoCritiqueState, problem_id, read_paths, write_paths
from critique_graph.core.steps import is_shortcut
from critique_graph.nodes.paths import to_graded
from critique_graph.nodes.refine import refine_messages

WAVE = 4
"""Refinements per wave, with the critique and without it each; no wave starts once the decision is certain."""


def create_filter(players: Players[GenerationContext]) -> Runnable[AutoCritiqueState, dict[str, Any]]:
    """Create the node that tests every critique by refinements of its path."""

    async def filter_critiques(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_actor, problem = players.context(), players.caller("actor"), problem_id(state)
        calls: list[Call] = []

        async def correct_refinement(path: ReasoningPath, critique: str, arm: str, index: int) -> str | Failure | None:
            assert path.response is not None
            messages = refine_messages(state["question"], path.response.text, critique, players.prompts)
            key, common = (CallKey(problem, "actor", name, index) for name in (f"{path.name}/{arm}", path.name))
            outcome = await call_actor(messages, key, seed_key=common)  # only the critique differs
            if isinstance(outcome, Failure):
                return outcome
            calls.append(outcome.call)
            refinement = await to_graded(outcome, state, players.grader)
            is_good = refinement.is_correct and not is_shortcut(refinement.text, path.response.text)
            return refinement.text if is_good else None

        async def tried(path: ReasoningPath) -> ReasoningPath:
            if path.drop is not None or path.critique is None:
                return path
            critique, arms = path.critique.text, {"with": 0, "without": 0}
            if path.strategy == "correct":
                del arms["without"]
            trial = Trial(asked=context.refinements, tried=0, right_with=0, right_without=0)
            while trial.tried < trial.asked and decision(path, trial, context) is None:
                wave = range(trial.tried, min(trial.tried + WAVE, trial.asked))
                asked = [(arm, index) for arm in arms for index in wave]
                texts = {"with": critique, "without": ""}
                outcomes = await asyncio.gather(
                    *(correct_refinement(path, texts[arm], arm, index) for arm, index in asked)
                )
                first_correct = trial.refinement
                for (arm, _), outcome in zip(asked, outcomes, strict=True):
                    if isinstance(outcome, Failure):
                        return path.dropped("filter", "failed", outcome)
                    arms[arm] += outcome is not None
                    if arm == "with" and first_correct is None:
                        first_correct = outcome
                trial = trial.model_copy(
                    update={
                        "tried": wave.stop,
                        "right_with": arms["with"],
                        "right_without": arms.get("without", 0),
                        "refinement": first_correct,
                    }
                )
            path = path.model_copy(update={"trial": trial})
            reason = decision(path, trial, context)
            emit("tried", path=path.name, decision=reason, **trial.model_dump(exclude={"refinement"}))
            return path if reason is None or reason == "kept" else path.dropped("filter", reason)

        paths = await asyncio.gather(*map(tried, read_paths(state)))
        return write_paths(state, paths, actor=Usage.sum(call.usage for call in calls))

    return BothWays(filter_critiques)


def decision(path: ReasoningPath, trial: Trial, context: GenerationContext) -> PathDropReason | Literal["kept"] | None:
    """Decide about a path as soon as no further refinement can change the decision; None until then."""
    rest = trial.asked - trial.tried
    if path.strategy == "correct":
        if trial.right_with >= trial.asked - 1:
            return "kept"
        return "does_harm" if trial.right_with + rest < trial.asked - 1 else None
    if trial.right_with + rest < context.min_right:
        return "too_few_right"
    if trial.right_with + rest <= trial.right_without:
        return "no_lift"
    if trial.right_with >= context.min_right and trial.right_with > trial.right_without + rest:
        return "kept"
    return None
