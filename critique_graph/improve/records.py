"""The records of self-improvement: evaluations of actors, the data of each iteration, and the best actor."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from pydantic import Field

from critique_graph.core.schema import Chain, Problem, Record, Trace
from critique_graph.improve.critic_turn import CriticTurn
from critique_graph.improve.weights import operations, weights_hash
from critique_graph.metrics.intervals import Rate, clustered_share, wilson
from critique_graph.runs.record import Ended
from critique_graph.solve.summary import Flips, Summary
from critique_graph.tasks.shipped import known_task
from critique_graph.tasks.task import Task
from critique_graph.trainers.selection import Selected

ITERATION_SCHEMA = "critique-graph.iteration/1"


class ActorEvaluation(Record):
    """Greedy results of an actor on the test problems, or on the validation problems if there are no test problems."""

    model: str
    """Model string of the actor."""
    model_hash: str | None
    """First 12 digits of the SHA-256 of the weights; None if they are not in a folder."""
    validation: Rate
    """Accuracy without a critic on the validation problems; it decides which actor is best."""
    accuracy: Rate
    """Accuracy without a critic on the test problems."""
    by_difficulty: dict[int, Rate]
    """Accuracy without a critic on the test problems of each level."""
    accuracy_hard: Rate
    """Accuracy without a critic on hard test problems: those in the upper half of the levels (ours)."""
    accuracy_with_critic: Rate | None
    """Accuracy on the test problems after one round with the test-time critic; None without one."""
    gain_of_critic: Rate | None
    """Accuracy with the test-time critic minus accuracy without it, paired; None without one."""
    by_difficulty_with_critic: dict[int, Rate]
    """Accuracy with the test-time critic on the test problems of each level; empty without one."""
    verdicts_on_correct: Rate | None = None
    """Share of its correct responses to test problems that the test-time critic calls correct; None without one, here
    and below."""
    verdicts_on_wrong: Rate | None = None
    """Share of its wrong responses to test problems that the test-time critic calls wrong."""
    flips: Flips | None = None
    """What one round with the test-time critic did to its responses to test problems."""
    critic_model: str | None = None
    """Model string of a critic that learns; None, here and below, if none does."""
    exam_on_correct: Rate | None = None
    """Share of correct responses that the critic that learns calls correct; those of the exam, which are the responses
    of the actor before training to the test problems in every iteration."""
    exam_on_wrong: Rate | None = None
    """Share of wrong responses of the exam that the critic that learns calls wrong."""
    evaluation_tokens: int
    evaluation_seconds: float


class Kept(Record):
    """Results of an exploration, and the rows of it that are learned."""

    responses: Rate
    """Share of first responses that are correct; `n` counts their problems, here and below."""
    repaired: Rate
    """Share of critiqued wrong responses that got a correct refinement which works out its answer."""
    kept_direct: int
    """Number of rows from correct first responses."""
    kept_refined: int
    """Number of rows from correct refinements, as answers to the bare question."""
    dropped: dict[str, int]
    """Number of rows of both kinds that were not kept, by reason."""
    kept_by_difficulty: dict[int, Rate]
    """Share of each level among the kept rows."""
    kept_hard: Rate
    """Share of hard problems among the kept rows."""
    covered: Rate
    """Share of problems with a kept row."""
    covered_hard: Rate
    """Share of hard problems with a kept row."""
    rows: int
    """Number of rows that are learned: kept ones, and feedback, previous and original rows if asked for."""
    data_hash: str
    """First 12 digits of the SHA-256 of the file of rows."""
    failed: int
    """Number of problems that could not be explored."""
    exploration_calls: dict[str, int] = Field(default_factory=dict)
    """Number of model calls of the exploration by role; empty in records of earlier versions."""
    exploration_tokens: dict[str, int]
    """Tokens of the exploration by role, and in `total`."""
    exploration_seconds: float


class Iteration(ActorEvaluation, Kept):
    """One iteration: explored by `actor`, trained from `parent`, evaluated as `model`."""

    index: int
    actor: str
    parent: str
    parent_hash: str | None
    changed: Rate | None = None
    """Share of validation problems (of test problems where there are none) to which it writes another greedy response
    than the actor before all training; None in records of earlier versions."""
    learning_rate: float | None = None
    """Peak learning rate of the training; None in records of earlier versions."""
    steps: int
    loss_last: float
    training_tokens: int
    training_seconds: float
    critic: CriticTurn | None = None
    """What became of the critic; None if it does not learn."""
    compute: dict[str, float] | None = None
    """Floating-point operations of exploration, practice and trainings, by role and in `total`: 2 for each weight and
    token that a model reads or writes, 6 for one that it is trained on; None if a model's weights are not in a folder,
    and in records of earlier versions."""


class Best(Record):
    """Actor with the best accuracy without a critic on the validation problems; the earliest of equal ones."""

    index: int
    """Iteration of the actor; 0 is the actor before training."""
    model: str
    validation: Rate
    critic: str | None = None
    """Critic of the iteration; None if it does not learn."""


class ImprovementSummary(Ended):
    """The results of self-improvement, as `critique-graph improve --json` prints them."""

    start: ActorEvaluation | None
    iterations: tuple[Iteration, ...]
    best: Best | None
    tokens: int
    """Tokens of all models, trainings included."""

    def exit_code(self, failed: int | None = None) -> int:
        """Exit code of the process; see `Ended.exit_code`."""
        return super().exit_code(sum(map(_failed, self.iterations)) if failed is None else failed)


def evaluation_of(
    model: str,
    validation: Summary,
    test: Summary | None,
    *,
    hard: frozenset[int],
    has_critic: bool,
    learned: str | None = None,
    exam: Summary | None = None,
) -> ActorEvaluation:
    """Read an evaluation from its runs.

    Args:
        model: Model string of the actor.
        validation: Summary of the run on validation problems; without a critic if there are test problems.
        test: Summary of the run on test problems; None if there are none.
        hard: Levels that count as hard.
        has_critic: Whether the last of these runs had a critic.
        learned: Model string of the critic that learns; None if none does.
        exam: Summary of its exam.
    """
    measured = test or validation
    summaries = [summary for summary in (validation, test, exam) if summary is not None]
    first = {level: found.first for level, found in measured.by_level.items()}
    on_hard = [rate for level, rate in first.items() if level in hard]
    return ActorEvaluation(
        model=model,
        model_hash=weights_hash(model),
        validation=validation.accuracy_first,
        accuracy=measured.accuracy_first,
        by_difficulty=first,
        accuracy_hard=wilson(sum(map(_successes, on_hard)), sum(rate.n for rate in on_hard)),
        accuracy_with_critic=measured.accuracy_final if has_critic else None,
        gain_of_critic=measured.gain if has_critic else None,
        by_difficulty_with_critic={level: found.final for level, found in measured.by_level.items() if has_critic},
        verdicts_on_correct=measured.critic.discriminability_on_right if has_critic else None,
        verdicts_on_wrong=measured.critic.discriminability_on_wrong if has_critic else None,
        flips=measured.flips if has_critic else None,
        critic_model=learned,
        exam_on_correct=None if exam is None else exam.critic.discriminability_on_right,
        exam_on_wrong=None if exam is None else exam.critic.discriminability_on_wrong,
        evaluation_tokens=sum(summary.tokens.total for summary in summaries),
        evaluation_seconds=round(sum(summary.seconds for summary in summaries), 1),
    )


def changed_share(start: Iterable[Trace], trained: Iterable[Trace]) -> Rate:
    """Give the share of problems whose first response is another text in the traces of the trained actor."""
    before = {trace.problem.id: _first_text(trace) for trace in start}
    changed = [_first_text(trace) != before[trace.problem.id] for trace in trained if trace.problem.id in before]
    return wilson(sum(changed), len(changed))


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
    """Read the results of an exploration.

    Args:
        selected: Kept rows from correct responses and correct refinements.
        explored: Summary of the exploration.
        traces: Traces of the exploration.
        problems: All problems that were explored.
        hard: Levels that count as hard.
        rows: Number of rows that are learned.
        data_hash: Hash of these rows.
    """
    right, sizes, repaired, wrong = list[int](), list[int](), list[int](), list[int]()
    calls = Counter[str]()
    for trace in traces:
        calls.update({role: trace.usage[role].calls for role in ("actor", "critic")})
        chains = [chain for chain in trace.chains if chain.response is not None]
        faulty = [chain for chain in chains if chain.response and not chain.response.is_correct]
        sizes.append(len(chains))
        right.append(len(chains) - len(faulty))
        wrong.append(sum(bool(chain.rounds) for chain in faulty))
        repaired.append(sum(_is_repaired(chain, known_task(trace.task)) for chain in faulty))
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
        exploration_calls=dict(calls),
        exploration_tokens={"actor": tokens.actor, "critic": tokens.critic, "total": tokens.total},
        exploration_seconds=round(explored.seconds, 1),
    )


def best_of(start: ActorEvaluation, iterations: Sequence[Iteration]) -> Best:
    """Choose the best actor."""
    found = [(0, start), *((iteration.index, iteration) for iteration in iterations)]
    index, best = max(found, key=lambda pair: (pair[1].validation.value or 0.0, -pair[0]))
    return Best(index=index, model=best.model, validation=best.validation, critic=best.critic_model)


def with_compute(iteration: Iteration, *, critic: str | None) -> Iteration:
    """Add the floating-point operations to an iteration; `critic` names a critic of its size, None if it has none."""
    turn = iteration.critic
    models = {"actor": iteration.actor} | ({} if critic is None else {"critic": critic})
    tokens = Counter(iteration.exploration_tokens) + Counter({} if turn is None else turn.practice_tokens)
    trained = {"actor": iteration.training_tokens, "critic": 0 if turn is None else turn.training_tokens}
    return iteration.model_copy(update={"compute": operations(models, tokens, trained)})


def hard_levels(problems: Iterable[Problem]) -> frozenset[int]:
    """Give the upper half of the problems' levels, e.g. 6 to 8 of 2 to 8 (ours: the paper's bins are unknown)."""
    levels = {problem.level for problem in problems if problem.level is not None}
    return frozenset(level for level in levels if 2 * level > min(levels) + max(levels))


def shares_by_level(rows: Iterable[tuple[str, int | None]], hard: frozenset[int]) -> tuple[dict[int, Rate], Rate]:
    """Give the share of every level, and of all hard levels together, among rows of (problem, level)."""
    sizes: defaultdict[tuple[str, int | None], int] = defaultdict(int)
    for problem, level in rows:
        sizes[problem, level] += 1

    def share(levels: frozenset[int]) -> Rate:
        return clustered_share([size * (level in levels) for (_, level), size in sizes.items()], list(sizes.values()))

    levels = sorted({level for _, level in sizes if level is not None})
    return {level: share(frozenset({level})) for level in levels}, share(hard)


def _is_repaired(chain: Chain, task: Task) -> bool:
    before, refinement = chain.response, chain.rounds[-1].refinement if chain.rounds else None
    if before is None or refinement is None:
        return False
    return bool(refinement.is_correct) and not task.is_shortcut(refinement.text, before.text)


def _first_text(trace: Trace) -> str | None:
    first = trace.chains[0].response if trace.chains else None
    return None if first is None else first.text


def _failed(iteration: Iteration) -> int:
    return iteration.failed + (0 if iteration.critic is None else iteration.critic.failed)


def _successes(rate: Rate) -> int:
    return round((rate.value or 0.0) * rate.n)
