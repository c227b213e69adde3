"""What became of every path of a run that makes data: the funnel, and what was kept.

Read in one pass over the run's traces, one at a time.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue

from critique_graph.core.paths import FUNNEL_STAGES, PATH_SOURCES, FunnelStage, PathSource, ReasoningPath
from critique_graph.core.schema import Problem, Record, Usage, Verdict
from critique_graph.core.steps import split_steps
from critique_graph.metrics.intervals import Rate, wilson
from critique_graph.runs.journal import JournalRow, read_journal
from critique_graph.runs.record import FinishedRun, RunRecord, spent
from critique_graph.runs.traces import finished_traces

PATHS_SCHEMA = "critique-graph.paths/1"


class PathsTrace(Record):
    """All the paths of one problem (format `critique-graph.paths/1`)."""

    schema_: Literal["critique-graph.paths/1"] = Field(default="critique-graph.paths/1", alias="schema")
    problem: Problem
    graph: str
    settings: dict[str, JsonValue]
    paths: tuple[ReasoningPath, ...]
    usage: dict[str, Usage]
    seconds: float


class Passage(Record):
    """Number of paths of one strategy in one stage; `in_` is the sum of `out` and all of `dropped`."""

    in_: int = Field(serialization_alias="in", validation_alias="in")
    out: int
    dropped: dict[str, int]
    """Number of dropped paths by reason."""


class KeptCost(Record):
    """What the paths of one strategy have used, dropped ones included, in all and for each critique that was kept."""

    actor_calls: int
    tokens: int
    """Tokens of all roles."""
    actor_calls_per_kept: float | None
    """None where no critique was kept."""
    tokens_per_kept: float | None


class GenerationSummary(RunRecord):
    """The findings of a run that makes data, as `critique-graph generate --json` prints them."""

    left_out: dict[str, int]
    """Number of problems left out: `test`, questions of public test sets; near copies of problems in excluded sets
    (`excluded`) and of earlier problems (`repeated`)."""
    funnel: dict[FunnelStage, dict[PathSource, Passage]]
    """Paths by stage and strategy; a path with several critiques counts once for each."""
    kept: int
    rows: int
    """Number of kept critiques in the data set: as many as `target` and `ratio` ask for."""
    kept_by_strategy: dict[PathSource, int]
    kept_share: dict[PathSource, Rate]
    """Share of kept paths among those that reached annotation, by strategy."""
    kept_share_by_level: dict[int, Rate]
    """Share of kept paths among those that reached annotation, by the problems' level; 0 stands for no level."""
    kept_by_steps: dict[int, int]
    """Number of kept responses by their number of steps."""
    kept_by_verdict: dict[Verdict, int]
    located: Rate
    """Share of critiques whose first wrong step is the path's wrong step, where that is known; before the filter."""
    leaked: Rate
    """Share of critiques that agree with all known facts but mention the hints or the reference answer."""
    right_with: Rate
    """Share of correct refinements with the critique, over the flawed paths that were refined both ways: those of which
    enough refinements with the critique are correct."""
    right_without: Rate
    """Share of correct refinements without the critique, over the paths of `right_with`."""
    calls: dict[str, int]
    """Calls by role."""
    tokens: dict[str, int]
    """Tokens by role, and their `total`."""
    tokens_per_kept: float | None
    actor_calls_per_kept: float | None
    cost_by_strategy: dict[PathSource, KeptCost] | None
    """What was used for the paths of each strategy; the samples that became templates count for their own strategy.
    None if paths were written before they recorded it."""
    dataset: str


def read_paths_traces(rows: Iterable[JournalRow]) -> Iterator[PathsTrace]:
    """Give the traces of a journal's finished problems; see `finished_traces`."""
    return finished_traces(rows, PathsTrace, "generate")


def count_kept(journal: Path) -> Counter[PathSource]:
    """Count the kept critiques of a journal's finished problems, by strategy."""
    traces = read_paths_traces(read_journal(journal))
    return Counter(path.strategy for trace in traces for path in trace.paths if path.drop is None)


def summarise_paths(run: FinishedRun, *, dataset: str, dataset_rows: int) -> GenerationSummary:
    """Summarise a run; paths of problems that are not done are not counted, but what they cost is.

    Args:
        run: The run.
        dataset: Path of the data set.
        dataset_rows: Number of its rows.
    """
    kept: Counter[PathSource] = Counter()
    kept_of_level: defaultdict[int, Counter[bool]] = defaultdict(Counter)
    steps: Counter[int] = Counter()
    verdicts: dict[Verdict, int] = {"correct": 0, "wrong": 0}
    drops: defaultdict[tuple[FunnelStage, PathSource], Counter[str]] = defaultdict(Counter)
    traced = Usage()
    spent_on: dict[PathSource, dict[str, Usage]] = {strategy: {} for strategy in PATH_SOURCES}
    located, trials = Counter[bool](), Counter[str]()

    for trace in read_paths_traces(run.rows()):
        traced += Usage.sum(trace.usage.values())
        for path in trace.paths:
            for role, of_path in path.usage.items():
                spent_on[path.strategy][role] = spent_on[path.strategy].get(role, Usage()) + of_path
            if path.drop is not None:
                drops[path.drop.stage, path.strategy][path.drop.reason] += 1
            else:
                assert path.response is not None
                kept[path.strategy] += 1
                steps[len(split_steps(path.response.text))] += 1
                verdicts["correct" if path.strategy == "correct" else "wrong"] += 1
            if path.drop is None or path.drop.stage != "paths":
                kept_of_level[trace.problem.level or 0][path.drop is None] += 1
            if path.known.step is not None and path.critique is not None:
                located[path.critique.first_wrong_step == path.known.step] += 1
            if path.trial is not None and path.trial.tried_without and path.strategy != "correct":
                trials["with"] += path.trial.tried
                trials["right with"] += path.trial.right_with
                trials["without"] += path.trial.tried_without
                trials["right without"] += path.trial.right_without
    funnel = _funnel(kept, drops)
    agreeing = sum(passage.in_ for passage in funnel["filter"].values())
    leaks = sum(passage.dropped.get("leak", 0) for passage in funnel["annotate"].values())
    cost = spent(run.usage())
    return GenerationSummary(
        **run.counts(),
        **cost,
        left_out=dict(run.left_out),
        funnel=funnel,
        kept=kept.total(),
        rows=dataset_rows,
        kept_by_strategy={strategy: kept[strategy] for strategy in PATH_SOURCES},
        kept_share={strategy: wilson(kept[strategy], funnel["annotate"][strategy].in_) for strategy in PATH_SOURCES},
        kept_share_by_level={
            level: wilson(counts[True], counts.total()) for level, counts in sorted(kept_of_level.items())
        },
        kept_by_steps=dict(sorted(steps.items())),
        kept_by_verdict=verdicts,
        located=wilson(located[True], located.total()),
        leaked=wilson(leaks, agreeing + leaks),
        right_with=wilson(trials["right with"], trials["with"]),
        right_without=wilson(trials["right without"], trials["without"]),
        tokens_per_kept=_each(cost["tokens"]["total"], kept.total()),
        actor_calls_per_kept=_each(cost["calls"].get("actor", 0), kept.total()),
        cost_by_strategy=_cost_by_strategy(spent_on, kept, traced),
        dataset=dataset,
    )


def _cost_by_strategy(
    used: Mapping[PathSource, Mapping[str, Usage]], kept: Counter[PathSource], traced: Usage
) -> dict[PathSource, KeptCost] | None:
    if Usage.sum(amount for by_role in used.values() for amount in by_role.values()) != traced:
        return None
    costs: dict[PathSource, KeptCost] = {}
    for strategy, by_role in used.items():
        calls = by_role.get("actor", Usage()).calls
        tokens = Usage.sum(by_role.values()).total_tokens
        costs[strategy] = KeptCost(
            actor_calls=calls,
            tokens=tokens,
            actor_calls_per_kept=_each(calls, kept[strategy]),
            tokens_per_kept=_each(tokens, kept[strategy]),
        )
    return costs


def _each(total: int, kept: int) -> float | None:
    return total / kept if kept else None


def _funnel(
    kept: Counter[PathSource], drops: defaultdict[tuple[FunnelStage, PathSource], Counter[str]]
) -> dict[FunnelStage, dict[PathSource, Passage]]:
    """Count backwards from the paths that were kept: the paths into a stage are those out of the stage before it."""
    funnel: dict[FunnelStage, dict[PathSource, Passage]] = {stage: {} for stage in FUNNEL_STAGES}
    for strategy in PATH_SOURCES:
        out = kept[strategy]
        for stage in reversed(FUNNEL_STAGES):
            dropped = drops[stage, strategy]
            funnel[stage][strategy] = Passage(
                **{"in": out + dropped.total()}, out=out, dropped=dict(sorted(dropped.items()))
            )
            out += dropped.total()
    return funnel
