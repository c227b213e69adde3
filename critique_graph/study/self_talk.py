"""The part `self_talk`: two players, one model that checks every step, and one that corrects whole responses.

FOLDER/talks/                                        a run of `self-talk` on the training problems
FOLDER/self-talk/, self-correction/, solutions/      rows and model of each training on these talks
FOLDER/ARM/greedy/, FOLDER/ARM/sampled/              what every arm answers to the test problems

The paper compares the first three arms: two players, then step-level self-talk, then self-correction of
whole trajectories. Ours besides: `solutions`, an actor that learns the correct paths without any talk, and `actor`,
as it is before any training.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from critique_graph.compare.strategies import CRITIC_LOOP_VOTE, MAJORITY, Strategy, pooled_problem
from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError, RunError
from critique_graph.grading.grader import default_grader
from critique_graph.metrics.at_k import maj_at_k, pass_at_k
from critique_graph.metrics.cost import SharedTime, calls_of
from critique_graph.metrics.intervals import Rate, paired_bootstrap, wilson
from critique_graph.runs.traces import read_traces
from critique_graph.self_talk.make import make_self_talk
from critique_graph.self_talk.progress import TalkProgress
from critique_graph.self_talk.summary import TalkSummary
from critique_graph.study.learning import Learner, cells, find_learner, finding, paired, refuse_unfinished
from critique_graph.study.part import Finding, PartResult, StudyJob
from critique_graph.trainers.candidates import read_candidates
from critique_graph.trainers.rows import Task
from critique_graph.trainers.train_process import Trainer, train_in_own_process

PART: Final = "self_talk"
TWO_PLAYERS, SELF_TALK, SELF_CORRECTION = "two players", "self-talk", "self-correction"
LEARNED: dict[str, Task] = {SELF_TALK: "self-talk", SELF_CORRECTION: "self-correction", "solutions": "actor"}
"""The arms that are trained, and the task of each."""

Chances = dict[str, float]
"""Probability of a correct answer, by problem."""


@dataclass(frozen=True)
class Arm:
    """What one arm answered to the test problems."""

    greedy: dict[str, bool]
    greedy_tokens: int
    passed: dict[int, Chances]
    """pass@k of every problem, by k."""
    voted: dict[int, Chances]
    """maj@k of every problem, by k."""
    sampled_tokens: int
    rows: int | None = None
    """Number of rows that were learned; None without a training."""


def self_talk(job: StudyJob, *, trainer: Trainer = train_in_own_process) -> PartResult:
    """Compare two players with models that learned to check themselves, from the same talks.

    Args:
        job: What every part gets.
        trainer: Trains an actor; by default in another process.

    Raises:
        CritiqueGraphError: A run stopped before its end; the same call goes on.
    """
    learner = find_learner(job, trainer, PART)
    if isinstance(learner, str):
        return PartResult(part=PART, left_out=learner)
    missing: list[str] = []
    arms = {TWO_PLAYERS: _arm(learner, job.folder / "two-players", learner.actor, rounds=1)}
    talks = _talks(learner, job.folder / "talks")
    for name, task in LEARNED.items():
        folder = job.folder / name
        try:
            model, done = learner.teach(read_candidates(job.folder / "talks", task), folder)
        except (InputError, RunError) as error:
            missing.append(f"{name}: {error}")
            continue
        arms[name] = _arm(learner, folder, model, rounds=0, rows=done.rows)
    arms["actor"] = _arm(learner, job.folder / "actor", learner.actor, rounds=0)
    return PartResult(
        part=PART,
        findings=tuple(_findings(arms, learner.settings.talk_samples)),
        tables={"arms": tuple(_arms(arms)), "at_k": tuple(_at_k(arms)), "talks": (_made(talks),)},
        left_out=" ".join(missing) or None,
    )


def _talks(learner: Learner, folder: Path) -> TalkSummary:
    """Make talks about the training problems."""
    made = make_self_talk(
        learner.sets.training,
        out=folder,
        progress=learner.job.progress.another(TalkProgress),
        actor=learner.job.models.get(learner.actor, learner.job.settings.actor),
        **learner.keywords(),
    )
    refuse_unfinished(made)
    return made


def _arm(learner: Learner, folder: Path, model: str, *, rounds: int, rows: int | None = None) -> Arm:
    """Let an arm answer the test problems, once greedily and with several samples."""
    problems, samples = learner.sets.test, learner.settings.talk_samples
    greedy = learner.play(problems, folder / "greedy", actor=model, rounds=rounds)
    sampled = learner.play(problems, folder / "sampled", actor=model, rounds=rounds, samples=samples)
    passed, voted = wait_for(_chances(folder / "sampled", CRITIC_LOOP_VOTE if rounds else MAJORITY, samples))
    return Arm(greedy.final, greedy.tokens, passed, voted, sampled.tokens, rows)


async def _chances(folder: Path, strategy: Strategy, samples: int) -> tuple[dict[int, Chances], dict[int, Chances]]:
    """Give pass@k and maj@k of every problem, exact over all subsets of its responses."""
    counts = range(1, samples + 1)
    passed: dict[int, Chances] = {k: {} for k in counts}
    voted: dict[int, Chances] = {k: {} for k in counts}
    grader = default_grader()
    for trace in read_traces(folder):
        problem = await pooled_problem(trace, grader, SharedTime.of_calls(calls_of(trace)))
        draws = [] if problem is None else strategy.draws(problem)
        if problem is None or len(draws) != samples or trace.correct is None:
            continue
        is_correct = [draw.answer in problem.right for draw in draws]
        votes = ["correct" if right else draw.answer for draw, right in zip(draws, is_correct, strict=True)]
        for k in counts:
            passed[k][trace.problem.id] = pass_at_k(samples, sum(is_correct), k)
            voted[k][trace.problem.id] = maj_at_k(votes, "correct", k)
    return passed, voted


def _findings(arms: dict[str, Arm], k: int) -> Iterator[Finding]:
    """Give the paper's order of the three arms, each place by three measures."""
    places = (
        (
            TWO_PLAYERS,
            SELF_TALK,
            "Two players, an actor and a critic, are ahead of one model with step-level self-talk",
        ),
        (SELF_TALK, SELF_CORRECTION, "Step-level self-talk is ahead of self-correction of whole trajectories"),
    )
    for ahead, behind, statement in places:
        if ahead not in arms or behind not in arms:
            continue
        one, other = arms[ahead], arms[behind]
        sampled = (one.sampled_tokens, other.sampled_tokens)
        measures = {
            "accuracy": (paired(other.greedy, one.greedy), (one.greedy_tokens, other.greedy_tokens)),
            f"pass_at_{k}": (_difference(other.passed[k], one.passed[k]), sampled),
            f"maj_at_{k}": (_difference(other.voted[k], one.voted[k]), sampled),
        }
        name = "_ahead_of_".join(arm.replace(" ", "_").replace("-", "_") for arm in (ahead, behind))
        for measure, (difference, tokens) in measures.items():
            said = measure.replace("_at_", "@")
            yield finding(
                PART,
                f"{name}_{measure}",
                f"{statement}, by {said} (self-talk).",
                difference,
                what=f"{said[0].upper()}{said[1:]} of {ahead} over {behind}",
                compute=f"not matched: {tokens[0]:,} tokens against {tokens[1]:,} on the test problems.",
            )


def _difference(before: Chances, after: Chances) -> Rate:
    ids = [problem for problem in before if problem in after]
    return paired_bootstrap([before[problem] for problem in ids], [after[problem] for problem in ids])


def _arms(arms: dict[str, Arm]) -> Iterator[dict[str, Any]]:
    for name, arm in arms.items():
        tokens = {"tokens_greedy": arm.greedy_tokens, "tokens_sampled": arm.sampled_tokens}
        known = {"arm": name, "rows": arm.rows} | tokens
        yield known | {"measure": "accuracy"} | cells(wilson(sum(arm.greedy.values()), len(arm.greedy)))
        k = max(arm.passed)
        for measure, chances in ((f"pass@{k}", arm.passed[k]), (f"maj@{k}", arm.voted[k])):
            yield known | {"measure": measure} | cells(wilson(sum(chances.values()), len(chances)))


def _at_k(arms: dict[str, Arm]) -> Iterator[dict[str, Any]]:
    for name, arm in arms.items():
        for measure, by_k in (("pass", arm.passed), ("maj", arm.voted)):
            for k, chances in by_k.items():
                known = {"arm": name, "measure": measure, "k": k}
                yield known | cells(wilson(sum(chances.values()), len(chances)))


def _made(talks: TalkSummary) -> dict[str, Any]:
    """Give how many talks were made, and of what."""
    kept = {"talks": talks.talks, "kept": talks.kept, "correct at first": talks.right, "repaired": talks.repaired}
    return kept | {"tokens": talks.tokens["total"]}
