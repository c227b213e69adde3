"""One critic with actors of several sizes: greedy accuracy without it, with it, and with an oracle.

Every response is critiqued and refined; the oracle keeps the refinement of wrong responses alone, an upper bound.
"""

from collections.abc import Sequence
from typing import Any

from critique_graph.compare.strategies import ORACLE_LOOP, SEQUENTIAL, PooledProblem, Strategy
from critique_graph.core.role_model import RoleModel
from critique_graph.metrics.intervals import Rate, paired_bootstrap, paired_difference, wilson
from critique_graph.study.findings import NO_REFERENCES, finding, mean_cost, points, spent
from critique_graph.study.part import PartResult, StudyJob
from critique_graph.study.shared_runs import greedy_of

PART = "sizes"
ONE_ACTOR = "One actor has no sizes to compare: name several with --actors, from the smallest to the largest."


class Measured:
    """One actor with one critic: whether each problem's greedy answer is correct."""

    def __init__(self, actor: RoleModel, problems: Sequence[PooledProblem]) -> None:
        self.actor, self.problems = actor, {problem.trace.problem.id: problem for problem in problems}
        self.without = {name: p.is_correct(p.trace.chains[0].response) for name, p in self.problems.items()}
        self.with_critic = self._ends(SEQUENTIAL)
        self.oracle = self._ends(ORACLE_LOOP)

    def _ends(self, strategy: Strategy) -> dict[str, bool]:
        return {name: strategy.draws(p)[0].answer in p.right for name, p in self.problems.items()}

    @property
    def listed(self) -> list[PooledProblem]:
        """The problems."""
        return list(self.problems.values())

    @property
    def gain(self) -> Rate:
        """With the critic minus without."""
        return paired_difference(list(self.without.values()), list(self.with_critic.values()))

    def gains(self, common: Sequence[str]) -> list[float]:
        """Give the gain of each problem: 1, 0 or -1."""
        return [float(self.with_critic[name]) - float(self.without[name]) for name in common]

    def row(self) -> dict[str, Any]:
        """Give the actor's row."""
        row: dict[str, Any] = {"actor": str(self.actor), "n": len(self.problems)}
        for name in ("without", "with_critic", "oracle"):
            found = getattr(self, name).values()
            rate = wilson(sum(found), len(found))
            row |= {name: rate.value, f"{name}_low": rate.low, f"{name}_high": rate.high}
        return row | {"gain": self.gain.value, "gain_low": self.gain.low, "gain_high": self.gain.high}


def sizes(job: StudyJob) -> PartResult:
    """Measure every actor with the study's critic."""
    critic = job.settings.critic
    measured = [Measured(actor, greedy_of(job, actor, critic)) for actor in job.settings.sized_actors]
    measured = [actor for actor in measured if actor.problems]
    if not measured:
        return PartResult(part=PART, left_out=NO_REFERENCES)
    tables = {"actors": tuple(actor.row() for actor in measured)}
    if len(measured) < 2:
        return PartResult(part=PART, tables=tables, left_out=ONE_ACTOR)
    lowest = min(measured, key=lambda actor: actor.gain.low or 0.0)
    in_words = "; ".join(f"{actor.actor} {points(actor.gain)}" for actor in measured)
    common = [name for name in measured[0].problems if all(name in actor.problems for actor in measured)]
    small, large = measured[0], measured[-1]
    shrinking = paired_bootstrap(large.gains(common), small.gains(common), seed=job.settings.seed)
    pool = [problem for actor in measured for problem in actor.listed]
    spent_with = spent(mean_cost(map(SEQUENTIAL.draws, pool)), pool)
    compute = f"not matched: with the critic {spent_with} a problem, without it one call"
    return PartResult(
        part=PART,
        findings=(
            finding(
                PART,
                "critic_helps_every_size",
                "One critic helps actors of every size, even those larger than itself (analysis, scaling of actors).",
                f"Gain of the greedy answer: {in_words}. That of {lowest.actor} decides.",
                lowest.gain,
                compute=compute,
            ),
            finding(
                PART,
                "larger_actors_gain_less",
                "Where problems are easy for them, larger actors gain less (analysis, scaling of actors: on GSM8K, not "
                "on MATH).",
                f"{small.actor} gains {points(small.gain)}, {large.actor} {points(large.gain)}: a difference of "
                f"{points(shrinking)}.",
                shrinking,
                compute=compute,
            ),
        ),
        tables=tables,
    )
