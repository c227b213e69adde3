"""The record of a training, its figures before and after, and the card of the trained model."""

from pathlib import Path

from pydantic import Field

from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate
from critique_graph.output.cards import card, counted, settings_section, table
from critique_graph.solve.summary import Summary
from critique_graph.trainers.candidates import about_test_sets
from critique_graph.trainers.plan import TrainingPlan
from critique_graph.trainers.rows import Task
from critique_graph.trainers.settings import TrainSettings


class Training(Record):
    """The record of a training, as `critique-graph train --json` prints it."""

    task: Task
    rows: int
    dropped: dict[str, int]
    """Number of rows that were left out, by reason."""
    test_sets: dict[str, int] = Field(default_factory=dict)
    """Number of rows of public test sets that were learned, by test set."""
    loss_first: float
    """Mean loss per learned token over the first twentieth of the steps."""
    loss_last: float
    """Mean loss per learned token over the last twentieth of the steps."""
    losses: list[float]
    steps: int
    tokens: int
    """Number of tokens that the model read, prompts included."""
    seconds: float
    device: str
    plan: TrainingPlan | None = None
    """How the training used its device; None for trainings before there were plans."""
    start: str
    model: str
    """Model string of the trained model."""
    before: Summary | None
    """Run of the loop on the problems of `--eval` before the training; None without an evaluation."""
    after: Summary | None
    """The same run after the training."""
    located_before: Rate | None = None
    """For step critics: share of responses to held-out problems (a tenth of all) for which the first wrong step, or its
    absence, was found by the untrained new head. None for other tasks."""
    located_after: Rate | None = None
    """The same share after the training."""


def model_card(training: Training, data: Path, settings: TrainSettings) -> str:
    """Write the card of a trained model."""
    warning = f"\n\n**In the data, {about_test_sets(training.test_sets)}.**" if training.test_sets else ""
    curve = ", ".join(f"{loss:.3f}" for loss in training.losses)
    return card(
        f"{training.task} trained from {training.start}",
        f"""\
The model learned {training.rows} rows of {data} (left out: {counted(training.dropped)}) in {training.steps} optimizer
steps. It read {training.tokens:,} tokens in {training.seconds:.0f} s on {training.device}. Mean loss per learned token,
from the first steps to the last: {curve}.{warning}""",
        {
            "Before and after": _before_and_after(training, settings),
            "Settings": settings_section(settings.model_dump(mode="json")),
        },
    )


def _before_and_after(training: Training, settings: TrainSettings) -> str:
    """Describe what was measured; empty if nothing was."""
    before, after = training.located_before, training.located_after
    if before is not None and after is not None and after.n > 0:
        return f"""\
On {after.n} responses to held-out problems, the first wrong step, or its absence, was found in
{before.percent()} of the cases before the training and in {after.percent()} after it (95 % intervals)."""
    if training.before is None or training.after is None:
        return ""
    return f"""\
One round on {training.after.done} problems of {settings.eval}, partner {settings.partner}, seed {settings.seed};
95 % intervals.

{table(("figure", "before", "after"), evaluation_rows(training))}"""


def evaluation_rows(training: Training) -> list[tuple[str, str, str]]:
    """Give a row for each figure: its name, and its values before and after the training."""
    assert training.before is not None
    assert training.after is not None
    old, new = training.before, training.after
    figures = [
        ("first response correct", old.accuracy_first, new.accuracy_first),
        ("final answer correct", old.accuracy_final, new.accuracy_final),
        ("critic's verdict correct", old.critic.discriminability, new.critic.discriminability),
        (
            "critic's verdict correct on correct responses",
            old.critic.discriminability_on_right,
            new.critic.discriminability_on_right,
        ),
        (
            "critic's verdict correct on wrong responses",
            old.critic.discriminability_on_wrong,
            new.critic.discriminability_on_wrong,
        ),
    ]
    return [(f"{name}, n = {a.n}, {b.n}", a.percent(), b.percent()) for name, a, b in figures]
