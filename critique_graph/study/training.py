"""The part `training`: actors trained in five ways, each tested without and with the critic.

FOLDER/critic-N/, FOLDER/vanilla-N/    self-improvement from N responses per problem, as `improve` leaves it
FOLDER/data/                           a run on the training problems: what the other three ways learn from
FOLDER/direct/, refinement/, self-correction/    rows, model and test of these

The paper trains actors on solutions and refinements, on solutions and self-corrections, by vanilla self-improvement,
and by self-improvement with a critic in the loop. We differ in these points:

1. `direct` learns worked solutions where the training problems have them, and else the actor's own correct responses.
2. `self-correction` learns whole texts of response, critique and refinement, which hold the solutions, too.
3. `start`, the actor before any training, is in the table.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from critique_graph.core.errors import InputError, RunError
from critique_graph.core.schema import Trace
from critique_graph.improve.records import hard_levels
from critique_graph.improve.run import improve_actor
from critique_graph.improve.stages import NO_CRITIC, iteration_folder
from critique_graph.metrics.intervals import wilson
from critique_graph.models.load import load_model
from critique_graph.nodes.solve import solve_messages
from critique_graph.runs.traces import read_traces
from critique_graph.study.learning import Learner, Measured, cells, find_learner, shared
from critique_graph.study.part import PartResult, StudyJob
from critique_graph.study.shared_runs import UnfinishedRunError
from critique_graph.study.training_findings import (
    CRITIC,
    VANILLA,
    Improvement,
    Measurements,
    Rows,
    Trained,
    training_findings,
)
from critique_graph.trainers.candidates import Candidate, judged_responses, trace_candidates
from critique_graph.trainers.rows import row
from critique_graph.trainers.tasks import actor as correct_response
from critique_graph.trainers.train_process import Trainer, train_in_own_process

PART: Final = "training"


def training(job: StudyJob, *, trainer: Trainer = train_in_own_process) -> PartResult:
    """Train actors in every way that the project has, and test each without and with the critic.

    Args:
        job: What every part gets.
        trainer: Trains an actor; by default in another process.

    Raises:
        CritiqueGraphError: A run stopped before its end; the same call goes on.
    """
    learner = find_learner(job, trainer, PART)
    if isinstance(learner, str):
        return PartResult(part=PART, left_out=learner)
    sets, found = learner.sets, Measurements()
    for samples in learner.settings.explored:
        for kind in (CRITIC, VANILLA):
            if (improvement := _improved(learner, kind, samples, found.missing)) is not None:
                found.improvements[kind, samples] = improvement
    _collect(learner, found)
    hard = hard_levels([*sets.training, *sets.test])
    if not hard:
        found.missing.append("the problems have no levels, so nothing is said of hard ones.")
    levels = {problem.id: problem.level for problem in sets.test}
    return PartResult(
        part=PART,
        findings=tuple(training_findings(found, levels, hard, learner.settings.explored)),
        tables={
            "grid": tuple(_grid(found.actors)),
            "levels": tuple(_levels(found.actors, levels)),
            "iterations": tuple(_iterations(found.improvements)),
            "long_tail": tuple(_long_tail(found.improvements, Counter(problem.level for problem in sets.training))),
        },
        left_out=" ".join(found.missing) or None,
    )


def _improved(learner: Learner, kind: str, samples: int, missing: list[str]) -> Improvement | None:
    """Run one self-improvement, or go on with it; None, with the reason in `missing`, if it measured nothing."""
    job, folder = learner.job, learner.job.folder / f"{kind}-{samples}"
    settings = learner.keywords()
    critic = settings.pop("critic")
    try:
        summary = improve_actor(
            learner.sets,
            out=folder,
            progress=lambda title: job.progress,
            trainer=learner.trainer,
            load=lambda model: (isinstance(model, str) and job.models.get(model)) or load_model(model),
            actor=learner.actor,
            critic=critic if kind == CRITIC else NO_CRITIC,
            test_critic=critic,
            iterations=learner.settings.iterations,
            samples=samples,
            refinements=learner.settings.refinements,
            temperature=learner.temperature,
            **settings,
            **learner.recipe,
        )
    except RunError as error:
        missing.append(f"{kind} self-improvement with {samples} responses: {error}")
        return None
    if summary.state == "interrupted":
        raise UnfinishedRunError(summary)
    if summary.state != "complete":
        missing.append(f"{kind} self-improvement with {samples} responses ended early: {summary.reason}.")
    if summary.start is None or not summary.iterations:
        return None
    folders = [iteration_folder(folder, index) for index in range(len(summary.iterations) + 1)]
    return Improvement(
        summary,
        [Measured.read(place / "test") for place in folders],
        [_rows(read_traces(place / "explore")) for place in folders[1:]],
    )


def _rows(traces: Iterable[Trace]) -> Rows:
    """Count the rows of every problem that the paper's rule keeps."""
    found: Rows = {}
    for kept in trace_candidates(traces, "actor"):
        found[kept.problem] = kept.level, found.get(kept.problem, (None, 0))[1] + 1
    return found


def _collect(learner: Learner, found: Measurements) -> None:
    """Fill the table: the start, the three trainings on data of one run, and the last actors of self-improvement."""
    most = learner.settings.explored[-1]
    improved = {kind: found.improvements.get((kind, most)) for kind in (VANILLA, CRITIC)}
    known = next((one for one in improved.values() if one is not None), None)
    folder, problems = learner.job.folder, learner.sets.test
    start = known.tested[0] if known else learner.play(problems, folder / "start", actor=learner.actor, rounds=1)
    found.actors["start"] = Trained(start)
    data = learner.play(learner.sets.training, folder / "data", actor=learner.actor, rounds=1, samples=most)
    for name, candidates in _WAYS.items():
        place = folder / name
        try:
            model, done = learner.teach(candidates(learner, folder / "data"), place)
        except (InputError, RunError) as error:
            found.missing.append(f"{name}: {error}")
            continue
        tested = learner.play(problems, place / "test", actor=model, rounds=1)
        found.actors[name] = Trained(tested, done.rows, data.tokens + done.tokens)
    for kind, improvement in improved.items():
        if improvement is not None:
            spent = sum(one.exploration_tokens["total"] + one.training_tokens for one in improvement.summary.iterations)
            rows = improvement.summary.iterations[-1].rows
            found.actors[f"{kind} self-improvement"] = Trained(improvement.tested[-1], rows, spent)


def _solutions(learner: Learner, data: Path) -> Iterator[Candidate]:
    """Give worked solutions, where the training problems have them, else the actor's own correct responses."""
    prompts, solved = learner.job.settings.prompts, False
    for problem in learner.sets.training:
        if problem.solution is not None:
            solved = True
            made = row(solve_messages(problem.question, prompts), problem.solution)
            yield Candidate(made, problem.id, problem.level, is_correct=True)
    if solved:
        return
    for trace in read_traces(data):
        for judged in judged_responses(trace):
            own = correct_response(replace(judged, prompts=prompts)) if judged.is_correct else None
            if own is not None:
                yield Candidate(own, judged.problem, judged.level, is_correct=True)


def _refinements(learner: Learner, data: Path) -> Iterator[Candidate]:
    yield from _solutions(learner, data)
    yield from trace_candidates(read_traces(data), "refiner", prompts=learner.job.settings.prompts)


def _self_corrections(learner: Learner, data: Path) -> Iterator[Candidate]:
    return trace_candidates(read_traces(data), "self-correction", prompts=learner.job.settings.prompts)


_WAYS: Mapping[str, Callable[[Learner, Path], Iterator[Candidate]]] = {
    "direct": _solutions,
    "refinement": _refinements,
    "self-correction": _self_corrections,
}
"""Rows of the trainings that learn from one run on the training problems."""


def _grid(actors: Mapping[str, Trained]) -> Iterator[dict[str, Any]]:
    for name, actor in actors.items():
        for test, answers in (("alone", actor.tested.alone), ("with critic", actor.tested.final)):
            known = {"train": name, "test": test, "rows": actor.rows, "tokens": actor.tokens}
            yield known | cells(wilson(sum(answers.values()), len(answers)))


def _levels(actors: Mapping[str, Trained], levels: Mapping[str, int | None]) -> Iterator[dict[str, Any]]:
    for name, actor in actors.items():
        for test, answers in (("alone", actor.tested.alone), ("with critic", actor.tested.final)):
            for level in sorted({level for level in levels.values() if level is not None}):
                (right,) = shared({key: value for key, value in answers.items() if levels[key] == level})
                yield {"train": name, "test": test, "level": level} | cells(wilson(sum(right), len(right)))


def _iterations(improvements: Mapping[tuple[str, int], Improvement]) -> Iterator[dict[str, Any]]:
    for (kind, samples), improvement in improvements.items():
        for index, tested in enumerate(improvement.tested):
            one = improvement.summary.iterations[index - 1] if index else None
            known = {"kind": kind, "samples": samples, "iteration": index, "rows": one and one.rows}
            for test, answers in (("alone", tested.alone), ("with critic", tested.final)):
                yield known | {"test": test} | cells(wilson(sum(answers.values()), len(answers)))


def _long_tail(
    improvements: Mapping[tuple[str, int], Improvement], levels: Mapping[int | None, int]
) -> Iterator[dict[str, Any]]:
    """Give the share of every level among the problems, and among the rows of every iteration."""
    named = sorted(level for level in levels if level is not None)
    for level in named:
        known = {"kind": "problems", "samples": None, "iteration": None, "level": level}
        yield known | cells(wilson(levels[level], sum(levels.values())))
    for (kind, samples), improvement in improvements.items():
        for index in range(1, len(improvement.rows) + 1):
            for level in named:
                known = {"kind": kind, "samples": samples, "iteration": index, "level": level}
                yield known | cells(improvement.share(frozenset({level}), index))
