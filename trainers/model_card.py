"""The record of a training, its figures before and after, and the card of the trained model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from critique_graph.core.role_model import model_name
from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate
from critique_graph.output.cards import card, counted, settings_section, table
from critique_graph.solve.summary import Summary
from critique_graph.trainers.candidates import about_test_sets
from critique_graph.trainers.critic_rl_record import Reinforcement
from critique_graph.trainers.plan import TrainingPlan
from critique_graph.trainers.rows import TrainedTask
from critique_graph.trainers.settings import TrainSettings


class Training(Record):
    """The record of a training, as `critique-graph train --json` prints it."""

    task: TrainedTask
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
    learning_rate: float | None = None
    """Peak learning rate; None in records of earlier versions."""
    steps: int
    tokens: int
    """Number of tokens that the model read, prompts included."""
    seconds: float
    device: str
    template: Literal["model", "plain"] | None = None
    """Chat template of the conversations, which is saved with the model: the one that the start had, or the plain one
    (`engines/plain_template.py`). None for `critic-rl`, and in records of earlier versions."""
    label_weights: dict[str, float] | None = None
    """Weights of the labels in the loss, by name; None where there are no labels, or all weigh 1."""
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
    reinforcement: Reinforcement | None = None
    """How a `critic-rl` learned; None for other tasks."""


def model_card(training: Training, data: Path, settings: TrainSettings) -> str:
    """Write the card of a trained model."""
    warning = f"\n\n**In the data, {about_test_sets(training.test_sets)}.**" if training.test_sets else ""
    curve = ", ".join(f"{loss:.3f}" for loss in training.losses)
    weights = training.label_weights or {}
    weighed = f" Labels weigh in the loss: {weights_text(weights)}." if weights else ""
    return card(
        f"{training.task} trained from {training.start}",
        f"""\
The model learned {training.rows} rows of {data} (left out: {counted(training.dropped)}) in {training.steps} optimizer
steps. It read {training.tokens:,} tokens in {training.seconds:.0f} s on {training.device}. Mean loss per learned token,
from the first steps to the last: {curve}.{weighed}{_template(training)}{warning}""",
        {
            "Before and after": _before_and_after(training, settings),
            "Settings": settings_section(settings.model_dump(mode="json")),
        },
    )


def _template(training: Training) -> str:
    """Say where the chat template is from if it is the plain one; empty if the start had one of its own."""
    if training.template != "plain":
        return ""
    return (
        " The chat template is the plain one of critique-graph (`Human:` and `Assistant:` in turn) for base models. It "
        "is saved with the model, in `chat_template.jinja`."
    )


def weights_text(weights: Mapping[str, float]) -> str:
    """Write weights of labels as people read them."""
    return ", ".join(f"{name} {weight:.3g}" for name, weight in weights.items())


def reinforcement_card(training: Training, problems: str, settings: Mapping[str, Any]) -> str:
    """Write the card of a critic that learned by reinforcement, with its settings as they are recorded."""
    record = training.reinforcement
    assert record is not None
    rewards = table(
        ("steps to", "stage", "reward", "its deviation", "groups without variance", "entropy", "said wrong", "leaks"),
        [
            (
                step.step,
                step.stage,
                f"{step.reward:.2f}",
                f"{step.reward_std:.2f}",
                f"{step.groups_without_variance:.0%}",
                f"{step.entropy:.3f}",
                f"{step.said_wrong:.0%}",
                f"{step.leaks:.0%}",
            )
            for step in record.steps
        ],
    )
    evaluations = table(
        ("step", "stage", "verdicts correct on correct responses", "on wrong responses", "gain of a round", "flips"),
        [
            (
                found.step,
                found.stage,
                f"{found.verdicts_on_correct.percent()}, n = {found.verdicts_on_correct.n}",
                f"{found.verdicts_on_wrong.percent()}, n = {found.verdicts_on_wrong.n}",
                f"{found.gain.percent(sign='+')}, n = {found.gain.n}",
                f"{found.flips.wrong_to_right} to correct, {found.flips.right_to_wrong} to wrong",
            )
            for found in record.evaluations
        ],
    )
    return card(
        f"critic trained by reinforcement from {training.start}",
        f"""\
The model judged {record.responses} responses of {model_name(settings["partner"])} to {record.problems} problems of
{problems}, half of them correct, in {training.steps} optimizer steps of {settings["batch_size"]} critiques
({record.estimator}). It read and wrote {training.tokens:,} tokens in {training.seconds:.0f} s on {training.device}.""",
        {
            "Held-out problems": f"One greedy round each time; 95 % intervals.\n\n{evaluations}",
            "Rewards": f"Means over the steps of the training.\n\n{rewards}",
            "Settings": settings_section(settings),
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
