"""The records of self-improvement: what an actor is worth, what an iteration kept and learned, which is best."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from critique_graph.core.schema import Chain, Problem, Record, Trace, is_right
from critique_graph.core.steps import is_shortcut
from critique_graph.metrics.intervals import Rate, clustered_share, wilson
from critique_graph.miniature import weights_path
from critique_graph.solve.summary import Summary
from critique_graph.trainers.selection import Selected

ITERATION_SCHEMA = "critique-graph.iteration/1"


class Evaluation(Record):
    """An actor on problems it does not learn from, greedily; without test problems, on those for validation alone."""

    model: str
    """Model string."""
    model_hash: str | None
    """First 12 digits of the SHA-256 of the weights; None where they are not in a folder."""
    validation: Rate
    """Accuracy without a critic on the validation problems: by this, the best is chosen."""
    accuracy: Rate
    """Without a critic, on the test problems."""
    by_difficulty: dict[int, Rate]
    """The same by level."""
    accuracy_hard: Rate
    """The same on hard problems: those of the upper half of the levels (ours)."""
    accuracy_with_critic: Rate | None
    """One round with the test-time critic; None without one."""
    gain_of_critic: Rate | None
    """Paired."""
    by_difficulty_with_critic: dict[int, Rate]
    evaluation_tokens: int
    evaluation_seconds: float


class Kept(Record):
    """What an exploration gave, and what of it is learned."""

    responses: Rate
    """Of the first responses, those that are right; `n` counts the problems they are of, here and below."""
    repaired: Rate
    """Of the wrong ones that were critiqued, those that have a right refinement which was worked out."""
    kept_direct: int
    """Rows of right first responses."""
    kept_refined: int
    """Rows of right refinements, as answers to the bare question."""
    dropped: dict[str, int]
    """Of both, by reason."""
    kept_by_difficulty: dict[int, Rate]
    """Shares of levels among the kept rows."""
    kept_hard: Rate
    """Share of hard problems among them."""
    covered: Rate
    """Of the problems, those with a kept row."""
    covered_hard: Rate
    """The same of the hard problems."""
    rows: int
    """All that is learned: kept ones, and feedback, previous and original rows where asked for."""
    data_hash: str
    """First 12 digits of the SHA-256 of the file of rows."""
    failed: int
    """Problems that could not be explored."""
    exploration_tokens: dict[str, int]
    """By role, and `total`."""
    exploration_seconds: float


class Iteration(Evaluation, Kept):
    """One iteration: explored by `actor`, trained from `parent`, evaluated as `model`."""

    index: int
    actor: str
    parent: str
    parent_hash: str | None
    steps: int
    loss_last: float
    training_tokens: int
    training_seconds: float


class Best(Record):
    """The best of all actors by accuracy without a critic on the validation problems; of equal ones the earliest."""

    index: int
    """0 is the actor it began with."""
    model: str
    validation: Rate


class ImprovementSummary(Record):
    """The findings of self-improvement, as `critique-graph improve --json` prints them."""

    start: Evaluation | None
    iterations: tuple[Iteration, ...]
    best: Best | None
    reason: str | None
    """Why it ended before its last iteration; None where it did not."""
    tokens: int
    """Of all models, trainings included."""
    seconds: float
    """Of all stages, over all sessions."""
    run: str


def evaluation_of(
    model: str, validation: Summary, test: Summary | None, *, hard: frozenset[int], has_critic: bool
) -> Evaluation:
    """Read an evaluation from its runs.

    Args:
        model: Model string of the actor.
        validation: Of the run on validation problems; without a critic, where there are test problems.
        test: Of the run on test problems; None without these.
        hard: Levels that are hard.
        has_critic: Whether the last of these runs had a critic.
    """
    measured = test or validation
    summaries = [summary for summary in (validation, test) if summary is not None]
    first = {level: found.first for level, found in measured.by_level.items()}
    on_hard = [rate for level, rate in first.items() if level in hard]
    return Evaluation(
        model=model,
        model_hash=weights_hash(model),
        validation=validation.accuracy_first,
        accuracy=measured.accuracy_first,
        by_difficulty=first,
        accuracy_hard=wilson(sum(map(_successes, on_hard)), sum(rate.n for rate in on_hard)),
        accuracy_with_critic=measured.accuracy_final if has_critic else None,
        gain_of_critic=measured.gain if has_critic else None,
        by_difficulty_with_critic={level: found.final for level, found in measured.by_level.items() if has_critic},
        evaluation_tokens=sum(summary.tokens.total for summary in summaries),
        evaluation_seconds=round(sum(summary.seconds for summary in summaries), 1),
    )


def kept_of(
    selected: Selected,
    explored: Summary,
    traces: Iterable[Trace],
    *,
    problems: Sequence[Problem],
    hard: frozenset[int],
    rows: int,
    data_hash: str,
) -> Kept:
    """Read what an exploration gave.

    Args:
        selected: Rows that were kept, of right responses and right refinements.
        explored: Of the exploration.
        traces: Its traces.
        problems: All that were explored.
        hard: Levels that are hard.
        rows: How many rows are learned.
        data_hash: Of these.
    """
    right, sizes, repaired, wrong = list[int](), list[int](), list[int](), list[int]()
    for trace in traces:
        chains = [chain for chain in trace.chains if chain.response is not None]
        faulty = [chain for chain in chains if chain.response and not is_right(chain.response)]
        sizes.append(len(chains))
        right.append(len(chains) - len(faulty))
        wrong.append(sum(bool(chain.rounds) for chain in faulty))
        repaired.append(sum(map(_is_repaired, faulty)))
    shares, hard_share = shares_by_level(((kept.problem, kept.level) for kept in selected.candidates), hard)
    covered = {kept.problem for kept in selected.candidates}
    hard_problems = {problem.id for problem in problems if problem.level in hard}
    tokens = explored.tokens
    return Kept(
        responses=clustered_share(right, sizes),
        repaired=clustered_share(repaired, wrong),
        kept_direct=sum(kept.is_correct for kept in selected.candidates),
        kept_refined=sum(not kept.is_correct for kept in selected.candidates),
        dropped={str(reason): count for reason, count in selected.dropped.items()},
        kept_by_difficulty=shares,
        kept_hard=hard_share,
        covered=wilson(len(covered), len(problems)),
        covered_hard=wilson(len(covered & hard_problems), len(hard_problems)),
        rows=rows,
        data_hash=data_hash,
        failed=explored.failed + explored.quarantined,
        exploration_tokens={"actor": tokens.actor, "critic": tokens.critic, "total": tokens.total},
        exploration_seconds=round(explored.seconds, 1),
    )


def best_of(start: Evaluation, iterations: Sequence[Iteration]) -> Best:
    """Choose the best actor."""
    found = [(0, start), *((iteration.index, iteration) for iteration in iterations)]
    index, best = max(found, key=lambda pair: (pair[1].validation.value or 0.0, -pair[0]))
    return Best(index=index, model=best.model, validation=best.validation)


def hard_levels(problems: Iterable[Problem]) -> frozenset[int]:
    """Give the upper half of the levels there are: of 2 to 8, those above 5. Ours: the paper's bins are unknown."""
    levels = {problem.level for problem in problems if problem.level is not None}
    return frozenset(level for level in levels if 2 * level > min(levels) + max(levels))


def shares_by_level(rows: Iterable[tuple[str, int | None]], hard: frozenset[int]) -> tuple[dict[int, Rate], Rate]:
    """Give the share of every level, and of the hard ones together, among rows of (problem, level)."""
    sizes: defaultdict[tuple[str, int | None], int] = defaultdict(int)
    for problem, level in rows:
        sizes[problem, level] += 1

    def share(levels: frozenset[int]) -> Rate:
        return clustered_share([size * (level in levels) for (_, level), size in sizes.items()], list(sizes.values()))

    levels = sorted({level for _, level in sizes if level is not None})
    return {level: share(frozenset({level})) for level in levels}, share(hard)


def weights_hash(model: str) -> str | None:
    """Give a hash of a model's weights; None where they are not in a folder."""
    prefix, _, name = model.partition(":")
    folder = (
        weights_path("actor" if name == "actor" else "critic")
        if prefix == "miniature"
        else Path(name.partition("?")[0])
    )
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return None
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as weights:
            digest.update(hashlib.file_digest(weights, "sha256").digest())
    return digest.hexdigest()[:12]


def _is_repaired(chain: Chain) -> bool:
    before, refinement = chain.response, chain.rounds[-1].refinement if chain.rounds else None
    if before is None or refinement is None:
        return False
    return is_right(refinement) and not is_shortcut(refinement.text, before.text)


def _successes(rate: Rate) -> int:
    return round((rate.value or 0.0) * rate.n)
