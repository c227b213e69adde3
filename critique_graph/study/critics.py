"""Several critics with one actor: discriminability, helpfulness, harm, and the accuracy that they lead to.

All judge the same greedy responses, which are asked for once, and every response is refined.
"""

from collections import Counter
from typing import Any

from critique_graph.compare.strategies import SEQUENTIAL
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Verdict
from critique_graph.metrics.intervals import Rate, paired_difference, wilson
from critique_graph.metrics.judgement import discriminability, harm, helpfulness
from critique_graph.study.findings import NO_REFERENCES, finding, mean_cost, points, spent
from critique_graph.study.part import Finding, PartResult, StudyJob
from critique_graph.study.shared_runs import greedy_of
from critique_graph.study.sizes import Measured

PART = "critics"


class _Critic(Measured):
    """One critic with the study's actor."""

    def __init__(self, job: StudyJob, critic: RoleModel, first: "_Critic | None") -> None:
        known = first.listed if first else []
        super().__init__(job.settings.actor, greedy_of(job, job.settings.actor, critic, known))
        self.critic = critic
        self.verdicts: dict[str, Verdict | None] = {
            name: chain.rounds[0].critique.final if (chain := p.trace.chains[0]).rounds else None
            for name, p in self.problems.items()
        }

    def agrees(self, common: list[str]) -> list[bool]:
        """Tell of each response whether the critic's verdict agrees with the grade; an unreadable one does not."""
        return [self.verdicts[name] == ("correct" if self.without[name] else "wrong") for name in common]

    def row(self) -> dict[str, Any]:
        before, after = list(self.without.values()), list(self.with_critic.values())
        score = discriminability(Counter((self.without[name], verdict) for name, verdict in self.verdicts.items()))
        rates = {
            "accuracy": wilson(sum(after), len(after)),
            "gain": self.gain,
            "discriminability": score.discriminability,
            "on_correct": score.discriminability_on_right,
            "on_wrong": score.discriminability_on_wrong,
            "helpfulness": helpfulness(before, after),
            "harm": harm(before, after),
        }
        row: dict[str, Any] = {"critic": str(self.critic), "n": len(before)}
        for name, rate in rates.items():
            row |= {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high}
        return row | {"unreadable": sum(verdict is None for verdict in self.verdicts.values())}


def critics(job: StudyJob) -> PartResult:
    """Compare the study's critic with the others."""
    settings = job.settings
    first = _Critic(job, settings.critic, None)
    if not first.problems:
        return PartResult(part=PART, left_out=NO_REFERENCES)
    named = settings.critics or (settings.actor,)
    different = [critic for index, critic in enumerate(named) if critic not in (settings.critic, *named[:index])]
    others = [other for critic in different if (other := _Critic(job, critic, first)).problems]
    pool = first.listed
    spent_with = spent(mean_cost(map(SEQUENTIAL.draws, pool)), pool)
    compute = f"not matched: with the critic {spent_with} a problem, without it one call"
    helps = finding(
        PART,
        "critic_raises_accuracy",
        "A trained critic raises the accuracy of the actor markedly (test time, table of critics).",
        f"With {settings.critic} the greedy answers gain {points(first.gain)}.",
        first.gain,
        compute=compute,
    )
    tables = {"critics": tuple(critic.row() for critic in (first, *others))}
    if not others:
        alone = "A comparison: the actor is its own critic, and no other critic is named; name some with --critics."
        return PartResult(part=PART, findings=(helps,), tables=tables, left_out=alone)
    return PartResult(part=PART, findings=(helps, *_against(first, others)), tables=tables)


def _against(first: _Critic, others: list[_Critic]) -> tuple[Finding, Finding]:
    """Compare the critic with the other that is best by each measure."""
    common = [name for name in first.problems if all(name in other.problems for other in others)]
    judge = max(others, key=lambda other: sum(other.agrees(common)))
    guide = max(others, key=lambda other: sum(other.with_critic[name] for name in common))
    judged = paired_difference(judge.agrees(common), first.agrees(common))
    guided = paired_difference(
        [guide.with_critic[name] for name in common], [first.with_critic[name] for name in common]
    )
    return (
        _better(first, judge, judged, "judges_better_than_others", "Discriminability"),
        _better(first, guide, guided, "accuracy_is_higher_than_with_others", "Accuracy"),
    )


def _better(first: _Critic, other: _Critic, lead: Rate, name: str, measure: str) -> Finding:
    costs = [spent(mean_cost(map(SEQUENTIAL.draws, its)), its) for its in (first.listed, other.listed)]
    statements = {
        "Discriminability": "A trained critic tells correct responses from wrong ones better than models that were not "
        "trained for it",
        "Accuracy": "A trained critic leads to a higher accuracy than models that were not trained for it",
    }
    return finding(
        PART,
        name,
        f"{statements[measure]} (test time, table of critics).",
        f"{measure} of {first.critic} minus that of {other.critic}, the best other: {points(lead)}.",
        lead,
        compute=f"not matched: {costs[0]} a problem with the first, {costs[1]} with the other",
    )
