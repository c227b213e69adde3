"""The critiques of a run of `generate`, also those that it dropped: what a critic learns from both."""

from collections.abc import Iterable, Iterator

from critique_graph.core.paths import PathDropReason
from critique_graph.generate.funnel import PathsTrace
from critique_graph.tasks.shipped import recorded_wording
from critique_graph.trainers.tasks import Judged

_MISLEADING: tuple[PathDropReason, ...] = (
    "unreadable",
    "verdict_disagrees",
    "step_disagrees",
    "leak",
    "too_few_right",
    "does_harm",
)
"""Why a critique was dropped that a critic should avoid; the other reasons say nothing against the critique."""


def judged_paths(traces: Iterable[PathsTrace]) -> Iterator[Judged]:
    """Give the critiques of a run of `generate`: those that were kept as reliable, others as what is to be avoided."""
    for trace in traces:
        for path in trace.paths:
            if path.critique is not None and path.response is not None:
                yield Judged(
                    problem=trace.problem.id,
                    level=trace.problem.level,
                    question=trace.problem.question,
                    response=path.response.text,
                    is_correct=bool(path.response.is_correct),
                    critique=path.critique.text,
                    is_reliable=path.drop is None,
                    is_misleading=path.drop is not None and path.drop.reason in _MISLEADING,
                    reasoning=path.critique_reasoning,
                    prompts=recorded_wording(trace.settings),
                )
