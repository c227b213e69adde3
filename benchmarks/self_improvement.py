"""Pools runs of `critique-graph improve` with and without a critic from the same start models, as Markdown.

python benchmarks/self_improvement.py --critic runs/critic-1 runs/critic-2 --vanilla runs/vanilla-1 runs/vanilla-2
"""

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from critique_graph.improve.records import hard_levels
from critique_graph.metrics.intervals import Rate, clustered_share, paired_difference, wilson
from critique_graph.runs.traces import read_traces
from critique_graph.trainers.candidates import trace_candidates


class Tested(NamedTuple):
    """One test problem, and whether its answer was correct without and with the test-time critic."""

    level: int
    alone: bool
    with_critic: bool


def tested(runs: list[Path], iteration: int) -> list[Tested]:
    """Give the test problems of an iteration from all runs, in order."""
    found = []
    for run in runs:
        for trace in read_traces(run / f"iteration-{iteration}" / "test"):
            response = trace.chains[0].response
            is_correct = response is not None and response.grade is not None and response.grade.is_correct
            found.append(Tested(trace.problem.level or 0, is_correct, bool(trace.correct)))
    return found


def hard_share(runs: list[Path], iteration: int, hard: frozenset[int]) -> Rate:
    """Give the share of hard problems among the rows that the paper's rule keeps."""
    rows, hard_rows = Counter[tuple[Path, str]](), Counter[tuple[Path, str]]()
    for run in runs:
        for row in trace_candidates(read_traces(run / f"iteration-{iteration}" / "explore"), "actor"):
            rows[run, row.problem] += 1
            hard_rows[run, row.problem] += row.level in hard
    return clustered_share([hard_rows[key] for key in rows], list(rows.values()))


def line(name: str, cells: list[str]) -> None:
    """Print a row of a table."""
    print(f"| {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--critic", nargs="+", type=Path, required=True)
    parser.add_argument("--vanilla", nargs="+", type=Path, required=True)
    given = parser.parse_args()
    arms: dict[str, list[Path]] = {"critic": given.critic, "vanilla": given.vanilla}
    count = sum(1 for _ in given.critic[0].glob("iteration-*/record.json"))
    tests = {(arm, index): tested(runs, index) for arm, runs in arms.items() for index in range(count)}
    problems = [trace.problem for trace in read_traces(given.critic[0] / "iteration-0" / "test")]
    hard = hard_levels(problems)
    figures: dict[str, tuple[Callable[[Tested], bool], Callable[[Tested], bool]]] = {
        "alone": (lambda one: one.alone, lambda one: True),
        "alone, hard ones": (lambda one: one.alone, lambda one: one.level in hard),
        "with a test-time critic": (lambda one: one.with_critic, lambda one: True),
    }

    def right(arm: str, index: int, name: str) -> list[bool]:
        is_correct, counts = figures[name]
        return [is_correct(one) for one in tests[arm, index] if counts(one)]

    line("", ["start", *(f"iteration {index}" for index in range(1, count))])
    line("---", ["---"] * count)
    for name in figures:
        for arm in arms:
            series = [right(arm, index, name) for index in range(count)]
            line(f"{arm}: {name}, n = {len(series[0])}", [wilson(sum(found), len(found)).percent() for found in series])
    for arm, runs in arms.items():
        shares = [hard_share(runs, index, hard).percent() for index in range(1, count)]
        line(f"{arm}: rows of hard problems", ["", *shares])
    print()
    line("difference", [f"iteration {index}" for index in range(1, count)])
    line("---", ["---"] * (count - 1))
    points = {"sign": "+", "unit": "points"}
    for name in figures:
        for arm in arms:
            pairs = [(right(arm, 0, name), right(arm, index, name)) for index in range(1, count)]
            line(f"{arm} over start: {name}", [paired_difference(*pair).percent(**points) for pair in pairs])
        both = [(right("vanilla", index, name), right("critic", index, name)) for index in range(1, count)]
        line(f"critic over vanilla: {name}", [paired_difference(*pair).percent(**points) for pair in both])
    for arm in arms:
        pairs = [(right(arm, index, "alone"), right(arm, index, "with a test-time critic")) for index in range(count)]
        gains = [paired_difference(*pair).percent(**points) for pair in pairs]
        line(f"{arm}: gain of the test-time critic (start: {gains[0]})", gains[1:])
    print()
    levels = sorted({one.level for one in tests["critic", 0]})
    line("correct, alone, by level", [str(level) for level in levels])
    line("---", ["---"] * len(levels))
    for arm in arms:
        for index in range(count):
            of_level = [[one.alone for one in tests[arm, index] if one.level == level] for level in levels]
            line(f"{arm} {index or 'start'}", [f"{sum(found)} of {len(found)}" for found in of_level])


if __name__ == "__main__":
    main()
