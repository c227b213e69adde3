"""The Monte-Carlo filter: a critique is kept if refinements with it are correct, and more often than without it.

The refinements with the critique come first: where too few of them are correct, none are made without it.

With `max_refinements`, the trial of a wrong path is a sequential test, which is ours: `refinements` is doubled while
the decision is open, and at every such look the critique is kept if the lower limit of the lift is above 0. All looks
share the error (Bonferroni).
"""

import asyncio
from collections import defaultdict
from math import ceil, log2
from typing import Any, Literal

from langchain_core.runnables import Runnable

from critique_graph.calls.caller import CallKey
from critique_graph.calls.players import Players
from critique_graph.core.async_node import BothWays, emit
from critique_graph.core.context import GenerationContext
from critique_graph.core.paths import PathDropReason, ReasoningPath, Trial
from critique_graph.core.schema import Call, Failure
from critique_graph.core.state import AutoCritiqueState
from critique_graph.core.state_records import problem_id, read_paths, write_paths
from critique_graph.metrics.intervals import independent_difference, wilson
from critique_graph.nodes.paths import to_graded
from critique_graph.nodes.refine import ask_for_refinement

WAVE = 2
"""Refinements per wave; no wave starts once the decision is certain."""
LIFT_ERROR = 0.05
"""Nominal probability that `max_refinements` keeps a critique with which refinements are correct no more often."""
Arm = Literal["with", "without"]
"""Whether refinements are made with the critique or without it."""


def create_filter(players: Players[GenerationContext]) -> Runnable[AutoCritiqueState, dict[str, Any]]:
    """Create the node that tests every critique by refinements of its path."""

    async def filter_critiques(state: AutoCritiqueState) -> dict[str, Any]:
        context, call_actor, problem = players.context(), players.caller("actor"), problem_id(state)
        calls: defaultdict[str, list[Call]] = defaultdict(list)

        async def correct_refinement(path: ReasoningPath, arm: Arm, index: int) -> str | Failure | None:
            assert path.response is not None
            key, common = (CallKey(problem, "actor", name, index) for name in (f"{path.name}/{arm}", path.name))
            outcome = await ask_for_refinement(
                call_actor,
                state["question"],
                path.response.text,
                path.critique if arm == "with" else None,
                key,
                prompts=players.prompts,
                form=players.context().critique_form,
                seed_key=common,  # only the critique differs
            )
            if isinstance(outcome, Failure):
                return outcome
            calls[path.name].append(outcome.call)
            refinement = await to_graded(outcome, state, players.task)
            is_good = refinement.is_correct and not players.task.is_shortcut(refinement.text, path.response.text)
            return refinement.text if is_good else None

        async def tried(path: ReasoningPath) -> ReasoningPath:
            if path.drop is not None or path.critique is None:
                return path
            trial = Trial(asked=context.refinements, tried=0, tried_without=0, right_with=0, right_without=0)
            while decision(path, trial, context) is None:
                trial = grown(trial, context)
                arm = next_arm(path, trial, context)
                begun = trial.tried if arm == "with" else trial.tried_without
                wave = range(begun, min(begun + WAVE, trial.asked))
                outcomes = await asyncio.gather(*(correct_refinement(path, arm, index) for index in wave))
                if failure := next((outcome for outcome in outcomes if isinstance(outcome, Failure)), None):
                    return path.dropped("filter", "failed", failure)
                trial = counted(trial, arm, wave.stop, [outcome for outcome in outcomes if isinstance(outcome, str)])
            path = path.model_copy(update={"trial": trial})
            reason = decision(path, trial, context)
            emit("tried", path=path.name, decision=reason, **trial.model_dump(exclude={"refinement"}))
            return path if reason is None or reason == "kept" else path.dropped("filter", reason)

        paths = await asyncio.gather(*map(tried, read_paths(state)))
        return write_paths(state, paths, actor=calls)

    return BothWays(filter_critiques)


def next_arm(path: ReasoningPath, trial: Trial, context: GenerationContext) -> Arm:
    """Give the arm whose next wave is played while the decision is open.

    Once enough refinements with the critique are correct, those without it mostly decide: the rest of those with it
    come last.
    """
    if path.strategy == "correct" or trial.right_with < context.min_right or trial.tried_without == trial.asked:
        return "with"
    return "without"


def grown(trial: Trial, context: GenerationContext) -> Trial:
    """Double the number of refinements of a trial that is open although all of them are made."""
    if trial.tried < trial.asked or trial.tried_without < trial.asked:
        return trial
    return trial.model_copy(update={"asked": min(2 * trial.asked, context.max_refinements)})


def counted(trial: Trial, arm: Arm, tried: int, correct: list[str]) -> Trial:
    """Add a wave to a trial: its correct refinements, and how many refinements the arm has with it."""
    if arm == "without":
        return trial.model_copy(
            update={"tried_without": tried, "right_without": trial.right_without + len(correct)},
        )
    first = trial.refinement if trial.refinement is not None else next(iter(correct), None)
    right = trial.right_with + len(correct)
    return trial.model_copy(update={"tried": tried, "right_with": right, "refinement": first})


def decision(path: ReasoningPath, trial: Trial, context: GenerationContext) -> PathDropReason | Literal["kept"] | None:
    """Decide about a path as soon as no further refinement can change the decision; None until then."""
    if trial.asked == 0:
        return "kept"
    rest, rest_without = trial.asked - trial.tried, trial.asked - trial.tried_without
    if path.strategy == "correct":
        if trial.right_with >= trial.asked - 1:
            return "kept"
        return "does_harm" if trial.right_with + rest < trial.asked - 1 else None
    if trial.right_with + rest < context.min_right:
        return "too_few_right"
    if trial.right_with + rest <= trial.right_without:
        return "no_lift"
    if trial.right_with < context.min_right:
        return None
    if not context.max_refinements:
        return "kept" if trial.right_with > trial.right_without + rest_without else None
    if is_lift_sure(trial, context):
        return "kept"
    is_last = rest == rest_without == 0 and trial.asked >= context.max_refinements
    return "unsure_lift" if is_last else None


def is_lift_sure(trial: Trial, context: GenerationContext) -> bool:
    """Tell whether the lift is above 0, by its error at one look, even if all refinements to come speak against it."""
    looks = 1 + ceil(log2(context.max_refinements / context.refinements))
    confidence = 1 - 2 * LIFT_ERROR / looks  # of an interval whose upper limit is not asked for
    most_without = trial.right_without + trial.asked - trial.tried_without
    without = wilson(most_without, trial.asked, confidence)
    lift = independent_difference(without, wilson(trial.right_with, trial.asked, confidence))
    return lift.low is not None and lift.low > 0
