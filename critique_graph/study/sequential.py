"""Rounds against responses: a chain of many rounds beside independent responses, each critiqued and refined once.

A chain of R rounds makes 1 + 2R calls, and its vote counts the refinements of all rounds, not the first response (the
paper's rule); K responses make 3K calls. Both are compared at equal calls; between two whole numbers of responses, the
figures are mixed in proportion.
"""

from collections.abc import Hashable, Sequence
from math import ceil, floor
from statistics import fmean
from typing import Any

from critique_graph.compare.strategies import SEQUENTIAL, PooledProblem
from critique_graph.core.schema import Chain
from critique_graph.metrics.at_k import pass_at_k
from critique_graph.metrics.intervals import Rate, paired_bootstrap
from critique_graph.study.findings import NO_REFERENCES, finding, percent, points
from critique_graph.study.part import PartResult, StudyJob
from critique_graph.study.shared_runs import chains_of, pool_of
from critique_graph.study.votes import RIGHT, chance_between, chance_of_vote, votes_of

PART = "sequential"
Votes = list[Hashable | None]


def sequential(job: StudyJob) -> PartResult:
    """Compare rounds with responses at growing numbers of calls."""
    pool = {problem.trace.problem.id: problem for problem in pool_of(job)}
    chains = [problem for problem in chains_of(job) if problem.trace.problem.id in pool]
    if not chains:
        return PartResult(part=PART, left_out=NO_REFERENCES)
    parallel = [votes_of(pool[p.trace.problem.id], SEQUENTIAL.draws(pool[p.trace.problem.id])) for p in chains]
    rounds = [[_rounds(problem, chain, job.settings.rounds) for chain in problem.trace.chains] for problem in chains]
    fitting = [r for r in range(1, job.settings.rounds + 1) if (1 + 2 * r) / 3 <= min(map(len, parallel))]
    seed = job.settings.seed
    figures = {r: _Figures(parallel, rounds, r, seed) for r in fitting}
    last = figures[fitting[-1]]
    calls = 1 + 2 * last.rounds
    responses = f"{calls / 3:.3g} independent responses"
    equal = f"matched at equal calls: {calls} calls a problem, for {last.rounds} rounds or {responses}"
    few = f"More than {last.rounds} rounds cost more than {job.settings.samples} samples: draw more with --samples."
    passing, final, vote = last.passing(), last.final(), last.vote()
    return PartResult(
        part=PART,
        findings=(
            finding(
                PART,
                "pass_at_k_of_rounds_is_lower",
                "Pass@k of rounds is slightly below that of independent responses, which differ more (analysis, "
                "sequential and parallel).",
                f"A correct answer is among {last.rounds} rounds in {percent(last.pass_rounds)}, among "
                f"{responses} in {percent(last.pass_samples)}: {points(passing)}.",
                passing,
                compute=equal,
                below=True,
            ),
            finding(
                PART,
                "last_round_is_below_vote_of_rounds",
                "The last round alone is less accurate than the majority vote of all rounds (analysis, sequential and "
                "parallel).",
                f"The last of {last.rounds} rounds is correct in {percent(last.last_round)}, the vote of all in "
                f"{percent(last.vote_rounds)}: {points(final)}.",
                final,
                compute=f"matched: the same {calls} calls",
                below=True,
            ),
            finding(
                PART,
                "vote_of_rounds_overtakes_vote_of_samples",
                "As calls grow, the vote of rounds overtakes the vote of independent responses (analysis, sequential "
                "and parallel).",
                f"At {calls} calls the vote of {last.rounds} rounds is correct in {percent(last.vote_rounds)}, that of "
                f"{responses} in {percent(last.vote_samples)}: {points(vote)}. At 3 calls the difference is "
                f" {points(figures[1].vote())}.",
                vote,
                compute=equal,
            ),
        ),
        tables={"curve": tuple(found.row() for found in figures.values())},
        left_out=None if last.rounds == job.settings.rounds else few,
    )


class _Figures:
    """The figures of all problems at one number of rounds, and of the responses that cost as many calls."""

    def __init__(self, parallel: Sequence[Votes], rounds: Sequence[Sequence[Votes]], r: int, seed: int) -> None:
        k = (1 + 2 * r) / 3
        self.rounds, self._seed = r, seed
        self.pass_rounds = [fmean(RIGHT in votes[:r] for votes in chains) for chains in rounds]
        self.pass_samples = [_pass_between(votes, k) for votes in parallel]
        self.last_round = [fmean(votes[r - 1] == RIGHT for votes in chains) for chains in rounds]
        self.vote_rounds = [fmean(chance_of_vote(v[:r], RIGHT, r).value for v in chains) for chains in rounds]
        self.vote_samples = [chance_between(votes, k, seed=seed) for votes in parallel]

    def passing(self) -> Rate:
        return paired_bootstrap(self.pass_samples, self.pass_rounds, seed=self._seed)

    def final(self) -> Rate:
        return paired_bootstrap(self.vote_rounds, self.last_round, seed=self._seed)

    def vote(self) -> Rate:
        return paired_bootstrap(self.vote_samples, self.vote_rounds, seed=self._seed)

    def row(self) -> dict[str, Any]:
        differences = {"pass_difference": self.passing(), "vote_difference": self.vote()}
        return {
            "rounds": self.rounds,
            "calls": 1 + 2 * self.rounds,
            "n": len(self.pass_rounds),
            "pass_of_rounds": fmean(self.pass_rounds),
            "pass_of_samples": fmean(self.pass_samples),
            "maj_of_rounds": fmean(self.vote_rounds),
            "maj_of_samples": fmean(self.vote_samples),
            "last_round": fmean(self.last_round),
            **{
                f"{name}{end}": getattr(rate, field)
                for name, rate in differences.items()
                for end, field in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
        }


def _rounds(problem: PooledProblem, chain: Chain, rounds: int) -> Votes:
    """Give the answer of every round; a round without a complete refinement, as after a cut-off one, has none."""
    groups = [problem.group(turn.refinement) for turn in chain.rounds]
    votes: Votes = [RIGHT if group in problem.right else group for group in groups]
    return [*votes, *[None] * (rounds - len(votes))]


def _pass_between(votes: Votes, k: float) -> float:
    right, low, high = votes.count(RIGHT), floor(k), ceil(k)
    few = pass_at_k(len(votes), right, low)
    return few if low == high else few + (k - low) * (pass_at_k(len(votes), right, high) - few)
