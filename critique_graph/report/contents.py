"""All that the page of runs holds: of every run its summary and its cost, and of every problem its row and its tree.

This is for runs, which can stand side by side; the folders of the other verbs have modules of their own.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Call, Record, Role, Trace, Usage
from critique_graph.metrics.intervals import Rate, paired_difference
from critique_graph.report.blocks import Blocks, Row
from critique_graph.report.problems import Cell, cell_of, tree_of
from critique_graph.report.read_run import ReportedRun, read_run, read_trace
from critique_graph.solve.summary import Summary, summarise


class Cost(Record):
    """What one role used in one round, over all problems; round 0 is the first responses."""

    role: Role
    round: int
    usage: Usage
    seconds: float
    """Sum over the calls, of which many go on at the same time."""


@dataclass(frozen=True)
class Shown:
    """One run in a page."""

    name: str
    summary: Summary
    costs: list[Cost]
    seconds: list[float]
    """Time of each problem with a trace, in order."""
    manifest: dict[str, Any]
    models: dict[str, str]
    """The models that played, by role, as the traces name them."""
    chains: int
    """Most chains that a problem has."""
    gaps: tuple[str, ...]
    against_first: Rate | None = None
    """Accuracy of the final answers minus that of the first run in the page, on the problems that both have graded."""

    @property
    def gains_by(self) -> str:
        """What the gain is due to: with several chains, a vote changes answers too."""
        has_critic = any(cost.role == "critic" for cost in self.costs)
        if self.chains > 1:
            return "vote and critic together" if has_critic else "the vote"
        return "the critic" if has_critic else "nothing"


@dataclass(frozen=True)
class Contents:
    """All that a page holds."""

    runs: list[Shown]
    rows: list[Row]
    blocks: list[str]
    """Each a JSON list of trees, compressed (zlib) and in base 64."""


def collect(folders: Sequence[Path]) -> Contents:
    """Read runs for a page that shows them side by side.

    Raises:
        InputError, RunError: As `read_run` and `read_trace`.
    """
    found = [read_run(folder) for folder in folders]
    blocks, rows = Blocks(), _Rows(len(found))
    runs = [
        _collect_run(index, name, run, rows, blocks)
        for index, (name, run) in enumerate(zip(_names(folders), found, strict=True))
    ]
    blocks.close()
    joined = list(rows.joined())
    for index in range(1, len(runs)):
        runs[index] = replace(runs[index], against_first=_difference(joined, index))
    return Contents(runs, joined, blocks.closed)


def _difference(rows: Sequence[Row], index: int) -> Rate:
    """Give the paired difference of a run's final answers and the first run's."""
    pairs = [
        (first.change.endswith("to_right"), other.change.endswith("to_right"))
        for first, other in ((row.cells[0], row.cells[index]) for row in rows)
        if first is not None and other is not None and first.change and other.change
    ]
    return paired_difference([first for first, _ in pairs], [other for _, other in pairs])


def _names(folders: Sequence[Path]) -> list[str]:
    """Give the folders' names, with as many of the folders above them as tell them apart."""
    paths = [folder.resolve().parts for folder in folders]
    if len(set(paths)) < len(paths):
        raise InputError("a run is named twice; name each run once.")
    depth = 1
    while len({path[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path[-depth:]) for path in paths]


def _collect_run(index: int, name: str, run: ReportedRun, rows: "_Rows", blocks: "Blocks") -> Shown:
    costs, seconds = _Costs(), list[float]()
    models: dict[str, str] = {}
    chains = 0
    with run.reading() as listed:
        for row in listed:
            trace = read_trace(row, Trace)
            cell = cell_of(trace, row.outcome)
            if trace is not None:
                cell = cell.model_copy(
                    update={"place": blocks.add(tree_of(trace).model_dump_json(by_alias=True).encode())}
                )
                costs.add(trace)
                models |= _models(trace)
                seconds.append(trace.seconds)
                chains = max(chains, len(trace.chains))
            rows.add(index, row.id, trace, cell)
    summary = summarise(run.finished)
    gaps = (*run.gaps, *_gaps(summary))
    return Shown(name, summary, costs.listed(), seconds, run.manifest, models, chains, gaps)


def _gaps(summary: Summary) -> Iterator[str]:
    if summary.done and not summary.accuracy_final.n:
        yield (
            "No answer could be graded, as without reference answers: there is no accuracy, no flip, and no judgement "
            "of the critic. The filters `critic said wrong` and `answer changed` need no reference."
        )
    elif summary.ungraded:
        yield f"{summary.ungraded} problems could not be graded, and count in no accuracy."
    if summary.tokens.unknown_calls:
        yield f"{summary.tokens.unknown_calls} calls did not say what they used: the tokens are too few."


def _models(trace: Trace) -> dict[str, str]:
    actors = [response.call.model for chain in trace.chains for response in chain.responses]
    critics = [round_.call.model for chain in trace.chains for round_ in chain.rounds]
    return {role: models[0] for role, models in (("actor", actors), ("critic", critics)) if models}


@dataclass
class _Costs:
    """Adds up what each role used in each round."""

    usage: defaultdict[tuple[int, Role], Usage] = field(default_factory=lambda: defaultdict(Usage))
    seconds: defaultdict[tuple[int, Role], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, trace: Trace) -> None:
        for chain in trace.chains:
            if chain.response is not None:
                self._add(0, "actor", chain.response.call)
            for number, round_ in enumerate(chain.rounds, start=1):
                for given in round_.judgements:
                    self._add(number, "critic", given.call)
                for response in (*((round_.refinement,) if round_.refinement else ()), *round_.discarded):
                    self._add(number, "actor", response.call)

    def _add(self, number: int, role: Role, call: Call) -> None:
        self.usage[number, role] += call.usage
        self.seconds[number, role] += call.seconds

    def listed(self) -> list[Cost]:
        """Give the costs in the order in which the loop goes: in a round, the critic comes before the actor."""
        keys = sorted(self.usage, key=lambda key: (key[0], key[1] != "critic"))
        return [
            Cost(role=key[1], round=key[0], usage=self.usage[key], seconds=round(self.seconds[key], 3)) for key in keys
        ]


class _Rows:
    """Joins the rows of several runs."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._cells: dict[tuple[str, str | None], list[Cell | None]] = {}
        self._about: dict[tuple[str, str | None], Trace] = {}

    def add(self, run: int, problem: str, trace: Trace | None, cell: Cell) -> None:
        """Add a problem of a run."""
        key = (problem, None if trace is None else trace.problem.question)
        if trace is not None:
            self._about.setdefault(key, trace.model_copy(update={"chains": ()}))
        self._cells.setdefault(key, [None] * self._runs)[run] = cell

    def joined(self) -> Iterator[Row]:
        """Give the rows in the order in which their problems were first met."""
        for key, cells in self._cells.items():
            problem = self._about[key].problem if key in self._about else None
            yield Row(
                id=key[0],
                question=key[1],
                reference=problem.answer if problem else None,
                level=problem.level if problem else None,
                cells=tuple(cells),
            )
