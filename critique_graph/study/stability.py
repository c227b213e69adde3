"""Stability of the vote: many responses to a problem with and without a critic, problems sorted by pass rate.

Does the correct answer lose the vote although it is frequent? Does a critic bring answers together?
"""

from collections.abc import Hashable, Sequence
from math import sqrt
from statistics import fmean
from typing import Any

from critique_graph.compare.strategies import SEQUENTIAL, Draw, PooledProblem
from critique_graph.metrics.at_k import vote_share
from critique_graph.metrics.intervals import paired_bootstrap
from critique_graph.metrics.majority import chances_of_votes
from critique_graph.study.findings import NO_REFERENCES, finding, mean_cost, percent, points, spent
from critique_graph.study.part import Finding, PartResult, StudyJob
from critique_graph.study.shared_runs import pool_of
from critique_graph.study.votes import RIGHT, chance_of_vote, doubling, votes_of

PART = "stability"
Votes = list[Hashable | None]


def stability(job: StudyJob) -> PartResult:
    """Compare the votes of as many responses with and without a critic; concentration needs no references."""
    every = pool_of(job, graded=False)
    if not every:
        return PartResult(part=PART, left_out="No problem was finished.")
    concentrated = _concentration(job, every)
    known = {problem.trace.problem.id for problem in every if problem.trace.problem.answer is not None}
    graded = [p for p in pool_of(job) if p.trace.problem.id in known] if known else []
    if not graded:
        return PartResult(part=PART, findings=(concentrated,), left_out=f"Whether votes are correct: {NO_REFERENCES}")
    before, after = _sides(graded)
    right_before, right_after = ([chance_of_vote(v, RIGHT, len(v)).value for v in votes] for votes in (before, after))
    gain = paired_bootstrap(right_before, right_after, seed=job.settings.seed)
    lost = [sum(v.count(RIGHT) > 0 and won < 1 for v, won in zip(votes, right, strict=True))
            for votes, right in ((before, right_before), (after, right_after))]  # fmt: skip
    votes = finding(
        PART,
        "vote_is_right_more_often_with_critic",
        "Without a critic a wrong answer can outvote a correct one that is frequent; with a critic the correct one "
        "wins (analysis, stability of majority vote).",
        f"The vote of {job.settings.samples} refined responses is correct in {percent(right_after)} of the problems, "
        f"that of {job.settings.samples} first responses in {percent(right_before)}: {points(gain)}. The correct "
        f"answer is there and does not win in {lost[1]} problems with the critic, and in {lost[0]} without.",
        gain,
        compute=_compute(graded),
    )
    rows = sorted(map(_row, graded, before, after, right_before, right_after), key=lambda row: row["pass_rate"])
    return PartResult(
        part=PART,
        findings=(votes, concentrated),
        tables={"votes": _by_budget(before, after, job.settings.seed), "problems": tuple(rows)},
        left_out=None if len(graded) == len(every) else f"{len(every) - len(graded)} problems could not be graded.",
    )


def _concentration(job: StudyJob, problems: Sequence[PooledProblem]) -> Finding:
    sides = [[[draw.answer for draw in draws] for draws in map(side, problems)] for side in (_firsts, SEQUENTIAL.draws)]
    before, after = ([vote_share(votes) for votes in side] for side in sides)
    gain = paired_bootstrap(before, after, seed=job.settings.seed)
    return finding(
        PART,
        "answers_are_more_concentrated_with_critic",
        "With a critic the final answers are more concentrated (analysis, stability of majority vote).",
        f"The most frequent answer has {percent(after)} of the votes with the critic, {percent(before)} without: "
        f"{points(gain)}.",
        gain,
        compute=_compute(problems),
    )


def _firsts(problem: PooledProblem) -> list[Draw]:
    """Give the votes of the chains' first responses."""
    return [problem.vote(chain.response, [chain.response]) for chain in problem.trace.chains]


def _sides(problems: Sequence[PooledProblem]) -> tuple[list[Votes], list[Votes]]:
    return (
        [votes_of(problem, _firsts(problem)) for problem in problems],
        [votes_of(problem, SEQUENTIAL.draws(problem)) for problem in problems],
    )


def _compute(problems: Sequence[PooledProblem]) -> str:
    refined, first = (mean_cost(map(side, problems)) for side in (SEQUENTIAL.draws, _firsts))
    return (
        f"not matched, as in the paper: a response with the critic {spent(refined, problems)}, without "
        f"{spent(first, problems)}; the part scaling has the vote at equal compute"
    )


def _row(
    problem: PooledProblem, before: Votes, after: Votes, right_before: float, right_after: float
) -> dict[str, Any]:
    return {
        "id": problem.trace.problem.id,
        "pass_rate": before.count(RIGHT) / len(before),
        "right_share_with_critic": after.count(RIGHT) / len(after),
        "vote_right": right_before,
        "vote_right_with_critic": right_after,
        "largest_share": vote_share(before),
        "largest_share_with_critic": vote_share(after),
    }


def _by_budget(before: Sequence[Votes], after: Sequence[Votes], seed: int) -> tuple[dict[str, Any], ...]:
    """Give the probability that the vote of k responses is correct; sampled ones have a standard error above 0."""
    rows, budgets = [], doubling(min(map(len, before)))
    found = {
        name: [chances_of_votes(votes, RIGHT, budgets, seed=seed) for votes in side]
        for name, side in (("maj", before), ("maj_with_critic", after))
    }
    for place, k in enumerate(budgets):
        row: dict[str, Any] = {"k": k, "n": len(before)}
        for name, by_problem in found.items():
            chances = [of_problem[place] for of_problem in by_problem]
            row[name] = fmean(chance.value for chance in chances)
            row[f"{name}_error"] = sqrt(sum(chance.error**2 for chance in chances)) / len(chances)
        rows.append(row)
    return tuple(rows)
