"""Choose among runs on the same problems by one half of these, and measure the choice on the other half.

The best of many runs is in part the luckiest. Its accuracy on the problems by which it was chosen is too high, the more
runs there are (the winner's curse); on problems that had no say in the choice it is not.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Literal

from pydantic import JsonValue

from critique_graph.calls.caller import derive_seed
from critique_graph.core.errors import InputError
from critique_graph.core.schema import Record
from critique_graph.metrics.cost import SharedTime, Span, calls_of, span_of
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.runs.folder import FREE_FIELDS, read_manifest
from critique_graph.runs.traces import read_traces

Unit = Literal["tokens", "calls", "seconds"]
BUDGETS = 3
"""Number of budgets where none is given."""


class Scored(Record):
    """A run within a budget, chosen on one half of the problems."""

    run: str
    when_chosen: Rate
    """Accuracy on the half by which it was chosen: too high, if it was chosen among many."""
    accuracy: Rate
    """Accuracy on the other half."""
    cost: float
    """Tokens, calls or seconds per problem on the other half."""


class BudgetChoice(Record):
    """The best of the runs within a budget."""

    budget: float
    """Tokens, calls or seconds per problem that a run may take on the half by which it is chosen."""
    best: Scored | None
    """None if every run takes more."""
    without_critic: Scored | None
    """The best of the runs without a critic (`rounds` of 0), chosen in the same way; None if there is none."""
    difference: Rate | None
    """Accuracy of the best minus that of the best without a critic, on the other half, paired."""


class StrategyPoint(Record):
    """The best run of one strategy within a budget."""

    strategy: str
    best: Scored


class Choice(Record):
    """What `critique-graph choose` found."""

    unit: Unit
    problems: int
    """Number of problems that every run graded; a half of them chooses."""
    runs: dict[str, dict[str, JsonValue]]
    """The runs, each with its settings that are not the same in all."""
    budgets: tuple[BudgetChoice, ...]
    curve: tuple[StrategyPoint, ...]
    """The best of each strategy as the budget grows; a strategy is named in `strategy_of`."""
    seed: int


@dataclass(frozen=True)
class _Played:
    """A run, by the ids of its graded problems."""

    name: str
    settings: Mapping[str, JsonValue]
    questions: Mapping[str, str]
    correct: Mapping[str, bool]
    cost: Mapping[str, float]

    @property
    def has_critic(self) -> bool:
        return self.settings.get("rounds") != 0

    def rate(self, ids: Sequence[str]) -> Rate:
        """Give the accuracy on some problems."""
        return wilson(sum(self.correct[each] for each in ids), len(ids))

    def mean_cost(self, ids: Sequence[str]) -> float:
        """Give the cost per problem on some problems."""
        return fmean(self.cost[each] for each in ids)


def choose_run(runs: Sequence[Path], *, budgets: Sequence[float] = (), unit: Unit = "tokens", seed: int = 0) -> Choice:
    """Choose the best of several runs within each budget, on one half of their problems; measure it on the other.

    Args:
        runs: Run folders of `run`, on the same problems.
        budgets: Costs per problem that a run may have; without any, those of three of the runs.
        unit: What a budget counts.
        seed: Seed by which the problems are halved.

    Raises:
        InputError: There are fewer than two runs or problems, the runs are of different problems, or costs are unknown.
        RunError: A run folder is damaged.
    """
    if len(runs) < 2:
        raise InputError("choose needs two runs or more, on the same problems.")
    played = [_read(run, unit) for run in runs]
    choosing, held_out = _halves(played, seed)
    costs = sorted(run.mean_cost(choosing) for run in played)
    given = budgets or [costs[-(-len(costs) * part // BUDGETS) - 1] for part in range(1, BUDGETS + 1)]

    def best(budget: float, among: Iterable[_Played]) -> _Played | None:
        within = [run for run in among if run.mean_cost(choosing) <= budget]
        return max(within, key=lambda run: (run.rate(choosing).value, -run.mean_cost(choosing)), default=None)

    def scored(run: _Played) -> Scored:
        return Scored(
            run=run.name,
            when_chosen=run.rate(choosing),
            accuracy=run.rate(held_out),
            cost=run.mean_cost(held_out),
        )

    def chosen(budget: float) -> BudgetChoice:
        winner, other = best(budget, played), best(budget, (run for run in played if not run.has_critic))
        difference = None
        if winner and other:
            without, with_critic = ([run.correct[each] for each in held_out] for run in (other, winner))
            difference = paired_difference(without, with_critic)
        return BudgetChoice(
            budget=budget,
            best=winner and scored(winner),
            without_critic=other and scored(other),
            difference=difference,
        )

    def curve() -> Iterator[StrategyPoint]:
        for strategy in dict.fromkeys(strategy_of(run.settings) for run in played):
            those, before = [run for run in played if strategy_of(run.settings) == strategy], None
            for budget in sorted(run.mean_cost(choosing) for run in those):
                winner = best(budget, those)
                if winner is not None and winner is not before:
                    yield StrategyPoint(strategy=strategy, best=scored(winner))
                before = winner

    return Choice(
        unit=unit,
        problems=len(choosing) + len(held_out),
        runs=_differing(played),
        budgets=tuple(chosen(budget) for budget in given),
        curve=tuple(curve()),
        seed=seed,
    )


def strategy_of(settings: Mapping[str, JsonValue]) -> str:
    """Name the strategy of a run by its settings."""
    if settings.get("rounds") == 0:
        return "without a critic"
    if settings.get("refine_best") is not None:
        return "pool"
    careful = settings.get("keep_original") or settings.get("abstain_below") is not None
    name = "several critiques" if settings.get("critiques", 1) != 1 else "one critique"
    return f"{name}, with care" if careful else name


def _read(folder: Path, unit: Unit) -> _Played:
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise InputError(f"{folder}: this is no run folder.")
    questions, correct = {}, {}
    cost: dict[str, float] = {}
    spans: dict[str, list[Span]] = {}
    for trace in read_traces(folder):
        known, used = trace.problem.id, trace.usage["total"]
        if unit == "tokens" and used.unknown_calls:
            raise InputError(f"{folder}: it is not known how many tokens all its calls used; choose with --unit calls.")
        if unit == "seconds":
            spans[known] = [span for call in calls_of(trace) if (span := span_of(call)) is not None]
        else:
            cost[known] = used.total_tokens if unit == "tokens" else used.calls
        if trace.correct is not None:
            questions[known], correct[known] = trace.problem.question, trace.correct
    if unit == "seconds":
        time = SharedTime(chain.from_iterable(spans.values()))
        cost = {known: sum(map(time.within, its)) for known, its in spans.items()}
    return _Played(str(folder), manifest["configuration"], questions, correct, cost)


def _halves(played: Sequence[_Played], seed: int) -> tuple[list[str], list[str]]:
    """Give the ids of the problems that every run graded, in two halves drawn by the seed."""
    first, *others = played
    common = [known for known in first.correct if all(known in run.correct for run in others)]
    for run in others:
        if other := next((known for known in common if run.questions[known] != first.questions[known]), None):
            raise InputError(f"{first.name} and {run.name} are of different problems: {other} is not the same in both.")
    if len(common) < 2:
        raise InputError("the runs have fewer than two graded problems in common.")
    drawn = sorted(common, key=lambda known: derive_seed(seed, known))
    return drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]


def _differing(played: Sequence[_Played]) -> dict[str, dict[str, JsonValue]]:
    names = [name for run in played for name in run.settings if name not in FREE_FIELDS]
    shown = [
        name
        for name in dict.fromkeys(names)
        if any(run.settings.get(name) != played[0].settings.get(name) for run in played)
    ]
    return {run.name: {name: run.settings.get(name) for name in shown} for run in played}
