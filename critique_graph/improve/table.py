"""The table that `improve` prints: its figures by iteration."""

from collections.abc import Callable

from critique_graph.improve.critic_turn import CriticTurn
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
    if any(found.critic_model is not None for found in measured):
        rows += [[name, *map(figure, measured)] for name, figure in _CRITIC.items()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        f"iteration {each.index} writes every response as the start did: its training changed nothing. "
        "Raise --learning-rate or --epochs."
        for each in summary.iterations
        if each.changed is not None and each.changed.value == 0
    ]
    return "\n".join(lines)


def turn_of(found: ActorEvaluation) -> CriticTurn | None:
    """Give what became of the critic in an iteration; None before training, and where it does not learn."""
    return found.critic if isinstance(found, Iteration) else None


def _changed(iteration: Iteration) -> str:
    return "-" if iteration.changed is None else iteration.changed.percent()


_MEASURED: dict[str, Callable[[ActorEvaluation], str]] = {
    "validation": lambda found: found.validation.percent(),
    "test, alone": lambda found: found.accuracy.percent(),
    "test, hard problems": lambda found: found.accuracy_hard.percent(),
    "test, with critic": lambda found: found.accuracy_with_critic.percent() if found.accuracy_with_critic else "-",
}
_CRITIC: dict[str, Callable[[ActorEvaluation], str]] = {
    "exam, correct ones": lambda found: found.exam_on_correct.percent() if found.exam_on_correct else "-",
    "exam, wrong ones": lambda found: found.exam_on_wrong.percent() if found.exam_on_wrong else "-",
    "flips to correct": lambda found: "-" if found.flips is None else str(found.flips.wrong_to_right),
    "flips to wrong": lambda found: "-" if found.flips is None else str(found.flips.right_to_wrong),
    "critic's rows": lambda found: str(turn.rows) if (turn := turn_of(found)) else "-",
    "practised, correct ones": lambda found: turn.good_on_correct.percent() if (turn := turn_of(found)) else "-",
    "practised, wrong ones": lambda found: turn.good_on_wrong.percent() if (turn := turn_of(found)) else "-",
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
