"""The page of self-improvement: every iteration's figures, its loss, the long tail, and the folders of its runs."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from pydantic import ValidationError

from critique_graph.core.errors import InputError
from critique_graph.core.schema import Record
from critique_graph.improve.graph import RECORD
from critique_graph.improve.records import ActorEvaluation, ImprovementSummary, Iteration, best_of
from critique_graph.improve.run import summarise_improvement
from critique_graph.improve.stages import MODEL, iteration_folder
from critique_graph.metrics.intervals import Rate
from critique_graph.report.charts import Line, lines_plot
from critique_graph.report.drawing import Plot, empty, label, styled
from critique_graph.report.kinds import manifest_of
from critique_graph.report.layout import Card, Page, Table, points_of, rate_of, recorded_settings, settings_of, state_of
from critique_graph.report.parts import run_data, runs_table
from critique_graph.report.svg import GOOD, MUTED, RUNS, svg_of

TRAINING = Path("training") / "result.json"


class LossCurve(Record):
    """What a training records of its loss."""

    losses: tuple[float, ...]
    """Mean loss of equal parts of the training."""


def improve_page(folder: Path, *, beside: Path) -> Page:
    """Make the page of a folder of `improve`, from the records of the iterations that have ended.

    Args:
        folder: The folder.
        beside: Folder of the page, from which its links go.

    Raises:
        InputError: Nothing has been measured yet, or a record is damaged.
    """
    manifest = manifest_of(folder)
    measured = list(_records(folder))
    if not measured:
        raise InputError(f"{folder}: no actor of this improvement has been measured yet; nothing can be shown.")
    end = {"state": manifest["state"], "reason": manifest.get("reason")}
    start, iterations = measured[0], [found for found in measured if isinstance(found, Iteration)]
    summary = summarise_improvement(
        {
            "start": start.model_dump(mode="json"),
            "iterations": [found.model_dump(mode="json") for found in iterations],
            "best": best_of(start, iterations).model_dump(mode="json"),
            "end": end,
        },
        run=str(folder),
    )
    name = folder.resolve().name
    gaps = tuple(_gaps(summary, manifest["configuration"]))
    with styled():
        plots = list(_plots(folder, start, iterations))
    return Page(
        verb="improve",
        names=[name],
        cards=[_card(name, summary, start, manifest["configuration"], gaps)],
        figures=[(figure, [value]) for figure, value in _figures(summary)],
        plots=plots,
        tables=[
            _measured_table(measured),
            _kept_table(iterations),
            _levels_table(iterations),
            *([_critic_table(measured)] if start.critic_model is not None else []),
            runs_table(folder, beside),
        ],
        settings=settings_of([list(recorded_settings(manifest, {}))]),
        data=run_data(name, summary, gaps),
    )


def _records(folder: Path) -> Iterator[ActorEvaluation]:
    """Give the actor before training, and then the iterations."""
    for index in count():
        file = iteration_folder(folder, index) / RECORD
        if not file.is_file():
            return
        try:
            yield (Iteration if index else ActorEvaluation).model_validate_json(file.read_bytes())
        except ValidationError as error:
            raise InputError(f"{file} is no record of an iteration.") from error


def _gaps(summary: ImprovementSummary, configuration: dict[str, object]) -> Iterator[str]:
    ended, asked = len(summary.iterations), configuration.get("iterations")
    if summary.state == "running":
        yield f"The improvement has not ended, or was killed: {ended} of {asked} iterations have ended so far."
    elif summary.state != "complete":
        why = f" ({summary.reason})" if summary.reason else ""
        yield f"The improvement ended early{why}: {ended} of {asked} iterations have ended."


def _card(
    name: str,
    summary: ImprovementSummary,
    start: ActorEvaluation,
    configuration: dict[str, object],
    gaps: Sequence[str],
) -> Card:
    best = summary.best
    assert best is not None
    measured = [start, *summary.iterations][best.index]
    lines = [("Before training: ", rate_of(start.accuracy)), ("The best on the validation problems: ", best.model)]
    if measured.gain_of_critic is not None:
        lines.append(("Gain of the critic at test time, paired: ", points_of(measured.gain_of_critic)))
    value = measured.accuracy.value
    return Card(
        name,
        f"{configuration.get('actor')} with the critic {configuration.get('critic')}",
        "-" if value is None else f"{100 * value:.1f} %",
        f"correct alone after iteration {best.index}, n = {measured.accuracy.n}",
        lines,
        [],
        gaps,
    )


def _figures(summary: ImprovementSummary) -> Iterator[tuple[str, str]]:
    yield "state", state_of(summary.state)
    yield "iterations", f"{len(summary.iterations)}"
    if summary.reason:
        yield "stopped because", summary.reason
    if summary.best is not None:
        yield "best", f"iteration {summary.best.index}, {rate_of(summary.best.validation)} on the validation problems"
    yield "tokens, trainings included", f"{summary.tokens:,}"
    yield "time", f"{summary.seconds:,.1f} s"


def _plots(folder: Path, start: ActorEvaluation, iterations: Sequence[Iteration]) -> Iterator[Plot]:
    measured = [start, *iterations]
    kinds = [
        ("alone", "accuracy", RUNS[0], False),
        ("with critic", "accuracy_with_critic", RUNS[1], False),
        ("hard, alone", "accuracy_hard", MUTED, True),
    ]
    lines = [
        Line(name, points, color, is_dashed)
        for name, field, color, is_dashed in kinds
        if (points := [(float(i), rate) for i, found in enumerate(measured) if (rate := getattr(found, field))])
    ]
    last = measured[-1]
    yield lines_plot(
        f"Accuracy alone: {_percent(start.accuracy)} before training, {_percent(last.accuracy)} in the end",
        lines,
        name="iterations",
        across="iteration",
        up="accuracy, %",
    )
    exam = [
        Line(name, points, color)
        for name, field, color in (
            ("on correct responses", "exam_on_correct", GOOD),
            ("on wrong responses", "exam_on_wrong", RUNS[0]),
        )
        if (points := [(float(i), rate) for i, found in enumerate(measured) if (rate := getattr(found, field))])
    ]
    if exam:
        yield lines_plot(
            "The critic's correct verdicts on the responses of the first actor",
            exam,
            name="exam",
            across="iteration of the critic",
            up="share of verdicts, %",
        )
    if losses := list(_losses(folder, iterations)):
        yield _loss_plot(losses)
    levels = sorted({level for found in iterations for level in found.kept_by_difficulty})
    if len(levels) > 1:
        shades = [RUNS[place % len(RUNS)] for place in range(len(iterations))]
        yield lines_plot(
            "The long tail: the share of each level among the rows that are learned",
            [
                Line(
                    f"iteration {found.index}",
                    [
                        (float(level), found.kept_by_difficulty[level])
                        for level in levels
                        if level in found.kept_by_difficulty
                    ],
                    color,
                )
                for found, color in zip(iterations, shades, strict=True)
            ],
            name="tail",
            across="level",
            up="share of rows, %",
            has_bands=len(iterations) < 3,
        )
    if len(start.by_difficulty) > 1 and iterations:
        yield lines_plot(
            "Accuracy alone by level, before training and in the end",
            [
                Line("before", [(float(level), rate) for level, rate in start.by_difficulty.items()], MUTED, True),
                Line("in the end", [(float(level), rate) for level, rate in last.by_difficulty.items()], GOOD),
            ],
            name="levels",
            across="level",
            up="accuracy, %",
        )


def _percent(rate: Rate) -> str:
    return "-" if rate.value is None else f"{100 * rate.value:.1f} %"


def _losses(folder: Path, iterations: Sequence[Iteration]) -> Iterator[tuple[int, tuple[float, ...]]]:
    """Give the loss curve of every iteration whose training recorded one; otherwise the last loss."""
    for found in iterations:
        file = iteration_folder(folder, found.index) / MODEL / TRAINING
        try:
            losses = LossCurve.model_validate_json(file.read_bytes()).losses
        except (OSError, ValidationError):
            losses = ()
        yield found.index, losses or (found.loss_last,)


def _loss_plot(losses: Sequence[tuple[int, tuple[float, ...]]]) -> Plot:
    """Draw the losses of all iterations one after the other."""
    figure, axes = empty()
    rows = []
    for index, curve in losses:
        places = [index - 1 + (place + 1) / len(curve) for place in range(len(curve))]
        color = RUNS[(index - 1) % len(RUNS)]
        axes.plot(places, curve, color=color, linewidth=1.5, marker="o" if len(curve) == 1 else "", markersize=5)
        label(axes, f"{curve[-1]:.3f}", (places[-1], curve[-1]), color)
        rows.append((f"{index}", f"{curve[0]:.4f}", f"{curve[-1]:.4f}", ", ".join(f"{loss:.4f}" for loss in curve)))
    axes.set_xticks(range(len(losses) + 1))
    axes.set_xlabel("iteration; within one, the training goes on")
    axes.set_ylabel("loss")
    axes.margins(y=0.15)
    title = f"Loss at the end of the last training: {losses[-1][1][-1]:.3f}"
    return Plot(title, svg_of(figure, "loss"), ("iteration", "first", "last", "all parts of the training"), rows)


def _measured_table(measured: Sequence[ActorEvaluation]) -> Table:
    rows = [
        (
            "start" if index == 0 else f"iteration {index}",
            rate_of(found.validation),
            rate_of(found.accuracy),
            rate_of(found.accuracy_hard),
            rate_of(found.accuracy_with_critic) if found.accuracy_with_critic else "-",
            points_of(found.gain_of_critic) if found.gain_of_critic else "-",
        )
        for index, found in enumerate(measured)
    ]
    columns = ("", "validation", "test, alone", "test, hard", "test, with critic", "gain of the critic, paired")
    return Table("Measured greedily", columns, rows, note="Without test problems, the validation problems stand in.")


def _kept_table(iterations: Sequence[Iteration]) -> Table:
    rows = [
        (
            f"iteration {found.index}",
            rate_of(found.responses),
            rate_of(found.repaired),
            f"{found.kept_direct:,}",
            f"{found.kept_refined:,}",
            f"{found.rows:,}",
            rate_of(found.covered),
            rate_of(found.covered_hard),
            f"{found.steps:,}",
            f"{found.loss_last:.4f}",
        )
        for found in iterations
    ]
    columns = (
        *("", "correct when explored", "wrong, repaired", "rows, direct", "rows, refined", "rows learned"),
        *("problems with rows", "hard problems with rows", "steps", "last loss"),
    )
    return Table("Explored, kept and learned", columns, rows)


def _critic_table(measured: Sequence[ActorEvaluation]) -> Table:
    rows = []
    for index, found in enumerate(measured):
        flips, turn = found.flips, found.critic if isinstance(found, Iteration) else None
        exam = [rate_of(rate) if rate else "-" for rate in (found.exam_on_correct, found.exam_on_wrong)]
        practised = ["-"] * 4
        if turn is not None:
            shares = [rate_of(turn.good_on_correct), rate_of(turn.good_on_wrong)]
            practised = [*shares, f"{turn.rows:,}", f"{turn.training_tokens:,}"]
        rows.append(
            (
                "start" if index == 0 else f"iteration {index}",
                *exam,
                "-" if flips is None else f"{flips.wrong_to_right:,}",
                "-" if flips is None else f"{flips.right_to_wrong:,}",
                *practised,
            )
        )
    columns = (
        *("", "correct ones called correct", "wrong ones called wrong", "flips to correct", "flips to wrong"),
        *("practised, correct ones", "practised, wrong ones", "rows learned", "tokens trained on"),
    )
    note = "Verdicts on what the actor before training wrote; flips of what each actor writes, after one round."
    return Table("The critic that learns", columns, rows, note=note)


def _levels_table(iterations: Sequence[Iteration]) -> Table:
    levels = sorted({level for found in iterations for level in found.kept_by_difficulty})
    rows = [
        (
            f"level {level}",
            *(
                rate_of(found.kept_by_difficulty[level]) if level in found.kept_by_difficulty else "-"
                for found in iterations
            ),
        )
        for level in levels
    ]
    columns = ("", *(f"iteration {found.index}" for found in iterations))
    return Table("Share of each level among the rows that are learned", columns, rows)
