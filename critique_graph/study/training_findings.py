"""What the part `training` measured, and what the paper's statements on training come to by it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from critique_graph.improve.records import ImprovementSummary
from critique_graph.metrics.intervals import Rate, clustered_share, paired_bootstrap, paired_difference, paired_shares
from critique_graph.study.learning import Measured, finding, paired, shared
from critique_graph.study.part import Finding

PART = "training"
VANILLA, CRITIC = "vanilla", "critic"
Rows = dict[str, tuple[int | None, int]]
"""Level and number of rows of every problem with rows."""


@dataclass(frozen=True)
class Improvement:
    """One self-improvement: its records, and what its actors answered, from the start on."""

    summary: ImprovementSummary
    tested: list[Measured]
    rows: list[Rows]
    """Rows from the exploration of every iteration."""

    def share(self, levels: frozenset[int], iteration: int) -> Rate:
        """Give the share of levels among the rows of an iteration, from 1 on."""
        rows = self.rows[iteration - 1].values()
        return clustered_share([size * (level in levels) for level, size in rows], [size for _, size in rows])


@dataclass(frozen=True)
class Trained:
    """An actor of the table: what it answered, and what it learned."""

    tested: Measured
    rows: int | None = None
    tokens: int | None = None
    """Tokens of the data and of the training."""


@dataclass
class Measurements:
    """Everything that the part measured."""

    improvements: dict[tuple[str, int], Improvement] = field(default_factory=dict)
    """By kind and number of responses per problem."""
    actors: dict[str, Trained] = field(default_factory=dict)
    """Actors of the table, in its order."""
    missing: list[str] = field(default_factory=list)
    """What could not be measured, and why."""


def training_findings(
    found: Measurements, levels: Mapping[str, int | None], hard: frozenset[int], explored: tuple[int, ...]
) -> Iterator[Finding]:
    """Give the findings that the measurements allow.

    Args:
        found: The measurements.
        levels: Level of every test problem.
        hard: Levels that count as hard.
        explored: Numbers of responses per problem of the self-improvements; the last one is that of the table.
    """
    for samples in explored:
        vanilla, critic = (found.improvements.get((kind, samples)) for kind in (VANILLA, CRITIC))
        if vanilla is not None and critic is not None:
            yield _beats(vanilla, critic, samples)
    most = explored[-1]
    vanilla, critic = (found.improvements.get((kind, most)) for kind in (VANILLA, CRITIC))
    if vanilla is not None:
        yield from _plateau(vanilla)
    if vanilla is not None and critic is not None:
        if min(len(vanilla.tested), len(critic.tested)) > 2:
            yield _steadier(vanilla, critic)
        if hard:
            yield _long_tail(vanilla, critic, hard)
    if critic is not None:
        if hard:
            yield _hard_levels(critic, levels, hard)
        yield _internalised(critic)
    yield from _best(found.actors)


def _beats(vanilla: Improvement, critic: Improvement, samples: int) -> Finding:
    last = min(len(vanilla.tested), len(critic.tested)) - 1
    return finding(
        PART,
        f"critic_beats_vanilla_self_improvement_at_{samples}",
        "Self-improvement with a critic in the loop leads to a more accurate actor than vanilla self-improvement, at "
        "several numbers of responses per problem (self-improvement).",
        paired(vanilla.tested[last].alone, critic.tested[last].alone),
        what=f"With {samples} responses per problem, after iteration {last}, with the critic over vanilla",
        compute=_spent(vanilla, critic),
    )


def _plateau(vanilla: Improvement) -> Iterator[Finding]:
    start, first, last = vanilla.tested[0].alone, vanilla.tested[1].alone, vanilla.tested[-1].alone
    iterations = len(vanilla.tested) - 1
    equal = "matched: the same number of responses and of passes in every iteration, each trained from the base."
    yield finding(
        PART,
        "vanilla_self_improvement_gains_at_first",
        "Vanilla self-improvement makes the actor more accurate at first (self-improvement).",
        paired(start, first),
        what="Vanilla iteration 1 over the start",
        compute=f"not matched: the start was not trained; {vanilla.summary.iterations[0].training_tokens:,} tokens.",
    )
    if iterations > 1:
        yield finding(
            PART,
            "vanilla_self_improvement_drops_later",
            "Vanilla self-improvement soon reaches a plateau, and then even loses accuracy (self-improvement).",
            paired(first, last),
            what=f"Vanilla iteration {iterations} over iteration 1",
            compute=equal,
            below=True,
        )


def _steadier(vanilla: Improvement, critic: Improvement) -> Finding:
    last = min(len(vanilla.tested), len(critic.tested)) - 1
    sides = [one.tested[index].alone for one in (vanilla, critic) for index in (1, last)]
    first_vanilla, last_vanilla, first_critic, last_critic = shared(*sides)
    changes = [_minus(last_vanilla, first_vanilla), _minus(last_critic, first_critic)]
    return finding(
        PART,
        "critic_self_improvement_is_steadier",
        "With a critic in the loop, self-improvement goes on longer than vanilla self-improvement before it levels off "
        "(self-improvement).",
        paired_bootstrap(changes[0], changes[1]),
        what=f"Change from iteration 1 to iteration {last}, with the critic over vanilla",
        compute=_spent(vanilla, critic),
    )


def _long_tail(vanilla: Improvement, critic: Improvement, hard: frozenset[int]) -> Finding:
    last = min(len(vanilla.rows), len(critic.rows))
    sides = [one.rows[last - 1] for one in (vanilla, critic)]
    problems = sorted(sides[0].keys() | sides[1].keys())

    def counted(rows: Rows) -> list[tuple[int, int]]:
        return [
            (size * (level in hard), size) for level, size in (rows.get(problem, (None, 0)) for problem in problems)
        ]

    shares = " to ".join(one.share(hard, last).percent() for one in (vanilla, critic))
    return finding(
        PART,
        "critic_adds_hard_problems_to_the_training_set",
        "With a critic in the loop, more of the training set comes from hard problems than without: the long tail is "
        "better covered (self-improvement).",
        paired_shares(counted(sides[0]), counted(sides[1])),
        what=f"Share of hard problems among the rows of iteration {last}, from vanilla to critic {shares}; difference",
        compute=_spent(vanilla, critic),
    )


def _hard_levels(critic: Improvement, levels: Mapping[str, int | None], hard: frozenset[int]) -> Finding:
    sides = [
        {problem: right for problem, right in tested.alone.items() if levels.get(problem) in hard}
        for tested in (critic.tested[0], critic.tested[-1])
    ]
    last = len(critic.tested) - 1
    return finding(
        PART,
        "critic_self_improvement_gains_on_hard_problems",
        "After self-improvement with a critic in the loop, the actor alone solves more of the hard test problems "
        "(self-improvement).",
        paired(sides[0], sides[1]),
        what=f"Hard test problems, iteration {last} with the critic over the start",
        compute=f"not matched: the start was not trained; {_tokens(critic):,} tokens of exploration and training.",
    )


def _internalised(critic: Improvement) -> Finding:
    sides = [side for tested in (critic.tested[0], critic.tested[-1]) for side in (tested.alone, tested.final)]
    start, start_final, last, last_final = shared(*sides)
    gains = [_minus(start_final, start), _minus(last_final, last)]
    said = " and ".join(
        paired_difference(*pair).percent(sign="+", unit="points") for pair in ((start, start_final), (last, last_final))
    )
    return finding(
        PART,
        "test_time_critic_adds_less_after_training_with_it",
        "After self-improvement with a critic in the loop, a critic at test time adds only little more: the actor has "
        "taken up what it says (training and test strategies).",
        paired_bootstrap(gains[0], gains[1]),
        what=f"The critic adds {said} before and after self-improvement with it; difference",
        compute="matched: one round of the critic on both sides.",
        below=True,
    )


def _best(actors: Mapping[str, Trained]) -> Iterator[Finding]:
    name = f"{CRITIC} self-improvement"
    if name not in actors:
        return
    cells = {(train, "alone"): actor.tested.alone for train, actor in actors.items()}
    cells |= {(train, "with critic"): actor.tested.final for train, actor in actors.items()}
    mine = cells.pop((name, "with critic"))
    rival, answers = max(cells.items(), key=lambda cell: sum(cell[1].values()) / max(1, len(cell[1])))
    yield finding(
        PART,
        "critic_self_improvement_with_critic_is_best",
        "Of all ways to train and to test, self-improvement with a critic in the loop, tested with the critic, is the "
        "most accurate (training and test strategies).",
        paired(answers, mine),
        what=f"Over the best other cell of the table ({rival[0]}, {rival[1]})",
        compute="not matched: `rows` and `tokens` of the table say what each actor learned from and cost.",
    )


def _spent(vanilla: Improvement, critic: Improvement) -> str:
    tokens = [_tokens(one) for one in (vanilla, critic)]
    return (
        f"not matched: as in the paper, equal responses; {tokens[0]:,} tokens of exploration and training without the "
        f"critic, {tokens[1]:,} with it."
    )


def _tokens(improvement: Improvement) -> int:
    return sum(one.exploration_tokens["total"] + one.training_tokens for one in improvement.summary.iterations)


def _minus(last: list[bool], first: list[bool]) -> list[float]:
    return [float(a) - float(b) for a, b in zip(last, first, strict=True)]
