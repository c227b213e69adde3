"""The record of a critic's reinforcement: its steps, and its evaluations on held-out problems."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal, Self

from critique_graph.core.schema import Record
from critique_graph.metrics.intervals import Rate
from critique_graph.solve.summary import Flips, Summary
from critique_graph.trainers.settings import Estimator, ReinforcementSettings

Stage = Literal["start", "discriminability", "helpfulness"]


class StepFigures(Record):
    """Figures of an optimizer step, or their means over several steps, of which `step` is the last."""

    step: int
    stage: Stage
    reward: float
    """Mean reward of the critiques."""
    reward_std: float
    """Standard deviation of the rewards."""
    groups_without_variance: float
    """Share of the responses whose critiques all had the same reward, from which nothing is learned."""
    entropy: float
    """Mean entropy of a token of the critiques, in nats, at the sampling temperature."""
    kl: float | None
    """Mean KL divergence of a token from the start model; None where `beta` is 0."""
    said_wrong: float
    """Share of the critiques that call their response wrong."""
    unreadable: float
    leaks: float
    """Share of the critiques that give the answer away."""
    tokens: float
    """Mean number of tokens of a critique."""
    clipped: float
    """Share of the critiques that were cut off."""
    seconds: float

    @classmethod
    def of(cls, entry: Mapping[str, Any], *, reinforcement: ReinforcementSettings) -> Self:
        """Read an entry of TRL's log."""
        is_first = entry["step"] <= reinforcement.discriminability_steps
        return cls(
            step=entry["step"],
            stage="discriminability" if is_first else "helpfulness",
            reward=entry["reward"],
            reward_std=entry["reward_std"],
            groups_without_variance=entry["frac_reward_zero_std"],
            entropy=entry["entropy"],
            kl=entry.get("kl"),
            said_wrong=entry["said_wrong"],
            unreadable=entry["unreadable"],
            leaks=entry["leaks"],
            tokens=entry["completions/mean_length"],
            clipped=entry["completions/clipped_ratio"],
            seconds=entry["step_time"],
        )


class Evaluation(Record):
    """One greedy round on held-out problems after a number of steps; 95 % intervals."""

    step: int
    stage: Stage
    verdicts: Rate
    """Share of the first responses on which the critic's verdict is correct."""
    verdicts_on_correct: Rate
    """That share among the correct responses; a critic that calls everything wrong has 0 here, and 1 below."""
    verdicts_on_wrong: Rate
    """That share among the wrong responses."""
    unreadable: int
    accuracy_first: Rate
    accuracy_final: Rate
    gain: Rate
    """Final minus first accuracy on the same problems."""
    flips: Flips

    @classmethod
    def of(cls, step: int, summary: Summary, *, reinforcement: ReinforcementSettings) -> Self:
        """Take the figures from the summary of a run."""
        first = reinforcement.discriminability_steps
        return cls(
            step=step,
            stage="start" if step == 0 else "discriminability" if step <= first else "helpfulness",
            verdicts=summary.critic.discriminability,
            verdicts_on_correct=summary.critic.discriminability_on_right,
            verdicts_on_wrong=summary.critic.discriminability_on_wrong,
            unreadable=summary.unparsed_critiques,
            accuracy_first=summary.accuracy_first,
            accuracy_final=summary.accuracy_final,
            gain=summary.gain,
            flips=summary.flips,
        )

    def describe(self) -> str:
        """Give the figures on one line."""
        return (
            f"step {self.step}: verdicts correct on {self.verdicts_on_correct.percent()} of the correct responses (n = "
            f"{self.verdicts_on_correct.n}) and on {self.verdicts_on_wrong.percent()} of the wrong ones (n = "
            f"{self.verdicts_on_wrong.n}); gain of a round {self.gain.percent(sign='+')}"
        )


class Reinforcement(Record):
    """How a critic learned by reinforcement."""

    estimator: Estimator
    problems: int
    """Number of problems that were learned from."""
    responses: int
    """Number of responses to judge, half of them correct."""
    steps: tuple[StepFigures, ...]
    """Means over about a twentieth of the steps each; no interval is in both stages."""
    evaluations: tuple[Evaluation, ...]


def intervals(figures: Sequence[StepFigures], every: int) -> tuple[StepFigures, ...]:
    """Give the means over every `every` steps of a stage; the last interval of a stage may be shorter."""
    parts: list[list[StepFigures]] = []
    for step in figures:
        if not parts or len(parts[-1]) == every or parts[-1][0].stage != step.stage:
            parts.append([])
        parts[-1].append(step)
    return tuple(map(_mean, parts))


def _mean(part: Sequence[StepFigures]) -> StepFigures:
    names = set(StepFigures.model_fields) - {"step", "stage", "kl"}
    means = {name: round(fmean(getattr(step, name) for step in part), 5) for name in names}
    known = [step.kl for step in part if step.kl is not None]
    return part[-1].model_copy(update={**means, "kl": round(fmean(known), 5) if known else None})
