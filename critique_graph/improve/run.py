"""Self-improvement over a problem set, in one folder: finds the problems, runs the graph, sums up."""

from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

from critique_graph.core.errors import InputError
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.improve.graph import create_self_improve
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.improve.records import Best, Evaluation, ImprovementSummary, Iteration
from critique_graph.improve.settings import ImproveSettings
from critique_graph.improve.stages import MODEL, NO_CRITIC, Model, trainable
from critique_graph.improve.state import ImprovementContext
from critique_graph.models.load import load_model
from critique_graph.runs.drive import RECURSION_LIMIT, SessionEnd
from critique_graph.runs.folder import open_run
from critique_graph.runs.progress import Progress
from critique_graph.trainers.rows_file import read_rows_file
from critique_graph.trainers.train_process import Trainer, train_apart, wait_for_training


def improve(
    problems: ImprovementProblems,
    folder: Path,
    settings: ImproveSettings,
    *,
    fresh: bool = False,
    progress: Callable[[str], Progress] | None = None,
    trainer: Trainer = train_apart,
    load: Callable[[Model], Any] = load_model,
) -> tuple[SessionEnd, ImprovementSummary]:
    """Improve an actor in a folder, or go on with it; the same call again gives the same.

    Raises:
        CritiqueGraphError: Bad input, a training that failed, or a folder that cannot be written; nothing finished
            before is lost.
    """
    _check(settings)
    recorded = settings.model_dump(mode="json") | {"limit": settings.problem_limit}
    with open_run(folder, recorded, prompts=prompts_hash(loop_prompts()), fresh=fresh) as run:
        if fresh:
            for old in folder.glob("iteration-*"):
                wait_for_training(old / MODEL)  # it would write on into the new folder
                rmtree(old)
        graph = create_self_improve(
            settings.actor,
            _critic(settings.critic, settings.base_url),
            base=settings.base,
            test_critic=None if settings.test_critic is None else _critic(settings.test_critic, settings.base_url),
            problems=problems,
            trainer=trainer,
            load=load,
            progress=progress,
            concurrency=settings.concurrency,
            **settings.model_dump(include=set(ImprovementContext.model_fields)),
        ).compile(name="self_improve")
        result = graph.invoke({"out": str(folder)}, {"recursion_limit": RECURSION_LIMIT * 2})
        end = SessionEnd(**result["end"])
        summary = summarise_improvement(result, run=str(folder))
        run.write_manifest(end.state, reason=end.reason, **summary.model_dump(mode="json", exclude={"run", "reason"}))
    return end, summary


def summarise_improvement(result: dict[str, Any], *, run: str) -> ImprovementSummary:
    """Sum up what the graph gave."""
    start = None if result["start"] is None else Evaluation.model_validate(result["start"])
    iterations = tuple(Iteration.model_validate(found) for found in result["iterations"])
    measured = [*([] if start is None else [start]), *iterations]
    return ImprovementSummary(
        start=start,
        iterations=iterations,
        best=None if start is None else Best.model_validate(result["best"]),
        reason=result["end"]["reason"],
        tokens=sum(found.evaluation_tokens for found in measured) + sum(map(_tokens, iterations)),
        seconds=round(sum(found.evaluation_seconds for found in measured) + sum(map(_seconds, iterations)), 1),
        run=run,
    )


def _check(settings: ImproveSettings) -> None:
    """Find what only a training would find, before anything is explored."""
    for model in (settings.actor, settings.base or settings.actor):
        trainable(model)
        load_model(model)
    if settings.original is not None:
        file = Path(settings.original)
        if not file.is_file():
            raise InputError(f"--original {file}: there is no such file.")
        for _ in read_rows_file(file, "actor"):
            pass


def _critic(spec: str, base_url: str | None) -> Model:
    """Give a critic, checked: as a string where it is loaded and released here, as a model where it is on a server."""
    if spec == NO_CRITIC:
        return spec
    loaded = load_model(spec, base_url=base_url if spec.startswith("openai:") else None)
    return loaded if spec.startswith("openai:") else spec


def _tokens(iteration: Iteration) -> int:
    return iteration.exploration_tokens["total"] + iteration.training_tokens


def _seconds(iteration: Iteration) -> float:
    return iteration.exploration_seconds + iteration.training_seconds
