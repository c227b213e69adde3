"""The table that `improve` prints: its figures by iteration."""

from collections.abc import Callable

from critique_graph.improve.records import ActorEvaluation, ImprovementSummary, Iteration


def improvement_table(summary: ImprovementSummary) -> str:
    """Give the figures by iteration; lines may be wider than a terminal, because wrapped cells are harder to read."""
    measured: list[ActorEvaluation] = [*([summary.start] if summary.start else []), *summary.iterations]
    rows = [["", *("start" if number == 0 else f"iteration {number}" for number in range(len(measured)))]]
    rows += [[name, *map(figure, measured)] for name, figure in _MEASURED.items()]
    rows += [
        [name, *(["-"] if summary.start else []), *map(count, summary.iterations)] for name, count in _KEPT.items()
    ]
    rows.append(["responses changed", *(["-"] if summary.start else []), *map(_changed, summary.iterations)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        f"iteration {each.index} writes every response as the start did: its training changed nothing. "
        "Raise --learning-rate or --epochs."
        for each in summary.iterations
        if each.changed is not None and each.changed.value == 0
    ]
    return "\n".join(lines)


def _changed(iteration: Iteration) -> str:
    return "-" if iteration.changed is None else iteration.changed.percent()


_MEASURED: dict[str, Callable[[ActorEvaluation], str]] = {
    "validation": lambda found: found.validation.percent(),
    "test, alone": lambda found: found.accuracy.percent(),
    "test, hard problems": lambda found: found.accuracy_hard.percent(),
    "test, with critic": lambda found: found.accuracy_with_critic.percent() if found.accuracy_with_critic else "-",
}
_KEPT: dict[str, Callable[[Iteration], str]] = {
    "correct when explored": lambda found: found.responses.percent(),
    "wrong, repaired": lambda found: found.repaired.percent(),
    "rows, direct": lambda found: str(found.kept_direct),
    "rows, refined": lambda found: str(found.kept_refined),
    "rows, of hard problems": lambda found: found.kept_hard.percent(),
    "hard problems with rows": lambda found: found.covered_hard.percent(),
    "learning rate": lambda found: "-" if found.learning_rate is None else f"{found.learning_rate:g}",
}
