"""Levels of difficulty by the actor's own pass rate, and what a critic is worth at each level."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from critique_graph.compare.strategies import MAJORITY, SEQUENTIAL, PooledProblem
from critique_graph.core.json_lines import write_json_lines
from critique_graph.metrics.at_k import DIFFICULTY_LEVELS, difficulty_level
from critique_graph.metrics.intervals import Rate, independent_difference, paired_bootstrap
from critique_graph.study.findings import FEWEST, NO_REFERENCES, finding, mean_cost, points, spent
from critique_graph.study.part import PartResult, StudyJob
from critique_graph.study.shared_runs import pool_of

PART = "difficulty"
LEVELS_FILE = "problems.jsonl"
"""Problems with their levels, as a problem file."""


def difficulty(job: StudyJob) -> PartResult:
    """Set levels from responses without a critic; measure both accuracies on other responses, the pool's chains.

    If the same responses set the level and gave the accuracy, hard problems would gain by chance alone.
    """
    problems = pool_of(job)
    if not problems:
        return PartResult(part=PART, left_out=NO_REFERENCES)
    rates = [_pass_rate(problem) for problem in problems]
    levels = [difficulty_level(total, correct) for correct, total in rates]
    write_levels(job, problems, levels)
    without = [fmean(problem.is_correct(chain.response) for chain in problem.trace.chains) for problem in problems]
    refined = [SEQUENTIAL.draws(problem) for problem in problems]
    with_critic = [
        fmean(draw.answer in problem.right for draw in draws) for problem, draws in zip(problems, refined, strict=True)
    ]

    def gain_at(*chosen: int) -> Rate:
        at = [index for index, level in enumerate(levels) if level in chosen]
        return paired_bootstrap([without[i] for i in at], [with_critic[i] for i in at], seed=job.settings.seed)

    by_level = {level: gain_at(level) for level in range(1, DIFFICULTY_LEVELS + 1)}
    compute = (
        f"not matched: with the critic {spent(mean_cost(refined), problems)} a problem, without "
        f"{spent(mean_cost([MAJORITY.draws(problem) for problem in problems]), problems)}"
    )
    measured = sorted((gain for gain in by_level.values() if gain.n >= FEWEST), key=lambda gain: gain.value or 0.0)
    second_lowest = measured[min(1, len(measured) - 1)] if measured else gain_at()
    in_words = "; ".join(f"level {level} {points(gain)} (n = {gain.n})" for level, gain in by_level.items() if gain.n)
    easy, hard = gain_at(1, 2), gain_at(DIFFICULTY_LEVELS - 1, DIFFICULTY_LEVELS)
    harder = independent_difference(easy, hard)
    if min(easy.n, hard.n) < FEWEST:
        harder = Rate(value=None, low=None, high=None, n=harder.n)
    return PartResult(
        part=PART,
        findings=(
            finding(
                PART,
                "critic_helps_at_almost_every_level",
                "A critic at test time raises accuracy at almost every level of difficulty (test time, accuracy by "
                "level).",
                f"Gain by level: {in_words}. The second lowest of them decides, since the statement says almost: "
                f"{points(second_lowest)}.",
                second_lowest,
                compute=compute,
            ),
            finding(
                PART,
                "gain_is_larger_on_hard_problems",
                "The gain is larger on hard problems than on easy ones (test time, accuracy by level).",
                f"Levels 4 and 5 gain {points(hard)} (n = {hard.n}), levels 1 and 2 {points(easy)} (n = {easy.n}): a "
                f"difference of {points(harder)}, between different problems.",
                harder,
                compute=compute,
            ),
        ),
        tables={
            "levels": tuple(_level_row(level, gain, levels, without, with_critic) for level, gain in by_level.items()),
            "problems": tuple(
                {
                    "id": problem.trace.problem.id,
                    "level": level,
                    "pass_rate": correct / total,
                    "samples": total,
                    "without": before,
                    "with_critic": after,
                }
                for problem, level, (correct, total), before, after in zip(
                    problems, levels, rates, without, with_critic, strict=True
                )
            ),
        },
    )


def write_levels(job: StudyJob, problems: Sequence[PooledProblem], levels: Sequence[int]) -> None:
    """Write the problems with their levels as a file that `run`, `improve` and `generate` read."""
    rows = (
        problem.trace.problem.model_copy(update={"level": level}).model_dump(mode="json")
        for problem, level in zip(problems, levels, strict=True)
    )
    job.folder.mkdir(parents=True, exist_ok=True)
    write_json_lines(job.folder / LEVELS_FILE, rows)


def _pass_rate(problem: PooledProblem) -> tuple[int, int]:
    """Give how many of the responses without a critic are correct, and how many there are."""
    responses = problem.trace.uncritiqued
    return sum(map(problem.is_correct, responses)), len(responses)


def _level_row(
    level: int, gain: Rate, levels: Sequence[int], without: Sequence[float], with_critic: Sequence[float]
) -> dict[str, Any]:
    at = [index for index, found in enumerate(levels) if found == level]
    return {
        "level": level,
        "n": gain.n,
        "without": fmean(without[i] for i in at) if at else None,
        "with_critic": fmean(with_critic[i] for i in at) if at else None,
        "gain": gain.value,
        "gain_low": gain.low,
        "gain_high": gain.high,
    }
