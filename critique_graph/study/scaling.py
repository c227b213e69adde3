"""Majority vote of K refined responses against majority vote without a critic, at equal calls, tokens and seconds.

The paper compares Maj@K, where every response is critiqued and refined, with Maj@3K of responses alone: one calls a
model three times for each. Between whole numbers of votes, the accuracy of the two is mixed in proportion.
"""

from collections.abc import Hashable, Mapping, Sequence
from math import floor
from statistics import fmean
from typing import Any

from critique_graph.compare.comparison import AXES, Axis
from critique_graph.compare.strategies import MAJORITY, SEQUENTIAL, PooledProblem
from critique_graph.metrics.at_k import pass_at_k
from critique_graph.metrics.cost import Cost
from critique_graph.metrics.intervals import Rate, paired_bootstrap
from critique_graph.study.findings import NO_REFERENCES, finding, has_tokens, mean_cost, percent, points, spent
from critique_graph.study.part import Finding, PartResult, StudyJob
from critique_graph.study.shared_runs import pool_of
from critique_graph.study.votes import RIGHT, chance_between, chance_of_vote, doubling, votes_of

PART = "scaling"
_NAMES: Mapping[Axis, str] = {
    "calls": "maj_at_k_with_critic_beats_maj_at_3k",
    "tokens": "vote_with_critic_beats_vote_at_equal_tokens",
    "seconds": "vote_with_critic_beats_vote_at_equal_seconds",
}
_STATEMENTS: Mapping[Axis, str] = {
    "calls": "Majority vote of K responses that were critiqued and refined is clearly better than that of 3K responses "
    "without a critic (test time, majority vote).",
    "tokens": "The same at equal tokens, which the paper does not measure.",
    "seconds": "The same at equal seconds of the machine, which the paper does not measure.",
}


class _Votes:
    """The votes of all problems on both sides, and their cost."""

    def __init__(self, problems: Sequence[PooledProblem], seed: int) -> None:
        refined = [SEQUENTIAL.draws(problem) for problem in problems]
        alone = [MAJORITY.draws(problem) for problem in problems]
        self.problems, self._seed = problems, seed
        self.refined: list[list[Hashable | None]] = list(map(votes_of, problems, refined))
        self.alone: list[list[Hashable | None]] = list(map(votes_of, problems, alone))
        self.cost_of_refined: Cost = mean_cost(refined)
        self.cost_of_one: Cost = mean_cost(alone)
        self.chains = min(map(len, self.refined))
        self.samples = min(map(len, self.alone))

    def with_critic(self, k: int) -> list[float]:
        return [chance_of_vote(votes, RIGHT, k, seed=self._seed).value for votes in self.refined]

    def without(self, k: float) -> list[float]:
        return [chance_between(votes, k, seed=self._seed) for votes in self.alone]

    def ratio(self, axis: Axis) -> float:
        """Give the number of responses alone that cost as much as one refined response; 0 if that is not known."""
        one: float = getattr(self.cost_of_one, axis)
        return getattr(self.cost_of_refined, axis) / one if one else 0.0

    def lead(self, k: int, votes: float) -> Rate:
        return paired_bootstrap(self.without(votes), self.with_critic(k), seed=self._seed)


def scaling(job: StudyJob) -> PartResult:
    """Compare both votes at growing K."""
    problems = pool_of(job)
    if not problems:
        return PartResult(part=PART, left_out=NO_REFERENCES)
    votes = _Votes(problems, job.settings.seed)
    axes = [axis for axis in AXES if votes.ratio(axis) and (axis != "tokens" or has_tokens(problems))]
    unknown = [axis for axis in AXES if axis not in axes]
    return PartResult(
        part=PART,
        findings=tuple(_finding(votes, axis) for axis in axes),
        tables={"curve": tuple(_row(votes, k, axes) for k in doubling(votes.chains))},
        left_out=f"The models do not report {' and '.join(unknown)}: there is nothing to match by."
        if unknown
        else None,
    )


def _finding(votes: _Votes, axis: Axis) -> Finding:
    """Compare at the largest K whose cost the responses without a critic reach."""
    each = 3.0 if axis == "calls" else votes.ratio(axis)
    k = max(1, min(votes.chains, floor(votes.samples / each)))
    others = k * each
    if others > votes.samples:
        lead = Rate(value=None, low=None, high=None, n=len(votes.problems))
        estimate = f"One refined response costs as much as {each:.1f} responses, and there are {votes.samples} alone."
    else:
        lead = votes.lead(k, others)
        estimate = (
            f"Maj@{k} with the critic is {percent(votes.with_critic(k))}, Maj@{others:.3g} without it "
            f"{percent(votes.without(others))}: {points(lead)}."
        )
    compute = (
        f"matched at equal {axis}: with the critic {spent(votes.cost_of_refined, votes.problems, k)} a problem, "
        f"without {spent(votes.cost_of_one, votes.problems, others)}"
    )
    return finding(PART, _NAMES[axis], _STATEMENTS[axis], estimate, lead, compute=compute)


def _row(votes: _Votes, k: int, axes: Sequence[Axis]) -> dict[str, Any]:
    lead = votes.lead(k, 3 * k)
    row: dict[str, Any] = {
        "k": k,
        "n": len(votes.problems),
        "calls": k * votes.cost_of_refined.calls,
        "tokens": k * votes.cost_of_refined.tokens if "tokens" in axes else None,
        "tokens_of_3k": 3 * k * votes.cost_of_one.tokens if "tokens" in axes else None,
        "maj_with_critic": fmean(votes.with_critic(k)),
        "maj_at_k": fmean(votes.without(k)),
        "maj_at_3k": fmean(votes.without(3 * k)),
        "lead": lead.value,
        "lead_low": lead.low,
        "lead_high": lead.high,
    }
    for axis in ("tokens", "seconds"):
        same = k * votes.ratio(axis)
        matched = votes.lead(k, same) if axis in axes and 1 <= same <= votes.samples else None
        row |= {f"lead_at_equal_{axis}": matched and matched.value}
        row |= {f"lead_at_equal_{axis}_{end}": matched and getattr(matched, end) for end in ("low", "high")}
    for name, sides, times in (("with_critic", votes.refined, 1), ("at_3k", votes.alone, 3)):
        row[f"pass_{name}"] = fmean(pass_at_k(len(v), v.count(RIGHT), times * k) for v in sides)
    return row
