"""Estimates of the cost of making data: before a run, from its settings, or from the figures of a preview."""

from critique_graph.core.context import GenerationContext
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.schema import Problem, Record
from critique_graph.generate.funnel import GenerationSummary
from critique_graph.nodes.annotate import MAX_ASKED
from critique_graph.nodes.solve import solve_messages

STEPS, STEP_TOKENS, CHARACTERS_PER_TOKEN = 8, 30, 4
"""Assumed (by us) before there are responses; a critique is taken to be three times as long as a response."""


class Estimate(Record):
    """Calls and tokens of a run, by role; tokens of prompts included."""

    problems: int | None
    """Number of problems; None where it is not known in advance."""
    calls: dict[str, int]
    tokens: dict[str, int]


def guessed(
    settings: GenerationContext,
    problem: Problem,
    problems: int | None,
    *,
    corruptor: str,
    prompts: Prompts = DEFAULT_PROMPTS,
) -> Estimate:
    """Estimate the calls and their tokens, as if every problem were like `problem`.

    Responses are assumed to have `STEPS` steps and to be cut in the middle on average; every path is assumed to reach
    the filter, and the filter never to stop early. Therefore most runs need fewer calls; with longer responses they
    may need more.
    """
    flawed = [strategy for strategy in settings.strategies if strategy != "correct"]
    critiques = settings.paths * settings.critiques
    tries = settings.refinements * critiques
    tries_of_flawed = max(settings.refinements, settings.max_refinements) * critiques
    response = STEPS * STEP_TOKENS
    prompt = sum(len(asked.text) for asked in solve_messages(problem.question, prompts)) // CHARACTERS_PER_TOKEN
    critique = 3 * response
    sampled = settings.samples
    continued = settings.attempts * (STEPS // 2) if "rg2" in flawed else 0
    continued += 2 * settings.paths * settings.rollouts if "rg2" in flawed else 0
    continued += settings.attempts if "rg3" in flawed else 0
    refined = 2 * tries_of_flawed * len(flawed) + (tries if "correct" in settings.strategies else 0)
    annotated = MAX_ASKED * critiques * len(settings.strategies)
    corrupted = settings.attempts if "rg3" in flawed and corruptor != "exact" else 0
    calls = {"actor": sampled + continued + refined, "annotator": annotated, "corruptor": corrupted}
    tokens = {
        "actor": (sampled + continued) * (prompt + response) + refined * (prompt + 2 * response + critique),
        "annotator": annotated * (prompt + response + critique),
        "corruptor": corrupted * (prompt + response + 2 * STEP_TOKENS),
    }
    times = problems or 1
    return Estimate(
        problems=problems,
        calls={role: times * count for role, count in calls.items() if count},
        tokens={role: times * count for role, count in tokens.items() if count},
    )


def projected(summary: GenerationSummary, problems: int | None) -> Estimate | None:
    """Estimate the cost of all problems from those that are done; None if none is, or their total is unknown."""
    if not summary.done or problems is None:
        return None
    times = problems / summary.done
    return Estimate(
        problems=problems,
        calls={role: round(times * count) for role, count in summary.calls.items() if count},
        tokens={role: round(times * count) for role, count in summary.tokens.items() if role != "total" and count},
    )


def in_words(estimate: Estimate) -> str:
    """Write an estimate as one line."""
    parts = [
        f"{role} {count:,} calls, {estimate.tokens.get(role, 0):,} tokens" for role, count in estimate.calls.items()
    ]
    whole = f"{estimate.problems} problems" if estimate.problems is not None else "each problem"
    return f"{whole}: {'; '.join(parts)}; {sum(estimate.tokens.values()):,} tokens in all"
