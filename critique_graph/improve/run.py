"""Self-improvement over a problem set, in one folder: finds the problems, runs the graph, summarises the result."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from shutil import rmtree
from typing import Any

from langchain_core.runnables import Runnable

from critique_graph.calls.players import PlainModel
from critique_graph.core.errors import InputError
from critique_graph.core.role_model import RoleModel
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.improve.actor_server import ActorServer
from critique_graph.improve.graph import create_self_improve
from critique_graph.improve.problems import ImprovementProblems, improvement_problems
from critique_graph.improve.records import ActorEvaluation, Best, ImprovementSummary, Iteration
from critique_graph.improve.settings import ImproveSettings
from critique_graph.improve.stages import CRITIC, MODEL, NO_CRITIC, learning_critic, trainable
from critique_graph.improve.state import ImprovementContext
from critique_graph.models.load import load_model
from critique_graph.models.model_string import ModelString
from critique_graph.models.roles import check_servers, load_role, name_of, plain_model
from critique_graph.problems.problem_set import Problems, name_of_problems
from critique_graph.runs.drive import RECURSION_LIMIT
from critique_graph.runs.folder import open_run
from critique_graph.runs.progress import Progress
from critique_graph.trainers.rows_file import read_rows_file
from critique_graph.trainers.train_process import Trainer, train_in_own_process, wait_for_training
from critique_graph.verbs.output import run_folder

logger = logging.getLogger(__name__)

SERVER_LOG = "servers.log"
"""What the command of `--serve-command` prints."""


def improve_actor(
    problems: Problems | ImprovementProblems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Callable[[str], Progress] | None = None,
    trainer: Trainer = train_in_own_process,
    load: Callable[[PlainModel], Any] = load_model,
    **settings: Any,
) -> ImprovementSummary:
    """Improve an actor with a critic in the loop, as `critique-graph improve` does; the same call again resumes.

    Example:
        >>> summary = improve_actor("train.jsonl", actor="hf:PATH", critic="hf:PATH", out="runs/better")
        >>> summary.best.model

    Args:
        problems: Problems to learn from: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems
            themselves, with reference answers; or all three sets, as `ImprovementProblems`.
        out: Folder of all results; by default a new one under `runs/`.
        fresh: Start over in a folder that holds an improvement.
        progress: Gives the display of a stage, by its title; nothing is shown by default.
        trainer: Trains an actor; by default in another process, while this process has no model loaded.
        load: Gives the model for a model string.
        settings: Fields of `ImproveSettings`; critics are strings or chat models, the actor and the base are strings.

    Raises:
        CritiqueGraphError: Bad input, a training that failed, or a folder that cannot be written; nothing finished
            before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    if not isinstance(problems, str | Path | ImprovementProblems):
        problems = tuple(problems)
    name = problems.name if isinstance(problems, ImprovementProblems) else name_of_problems(problems)
    critics = {role: settings[role] for role in ("critic", "test_critic") if isinstance(settings.get(role), Runnable)}
    chat_models = {role: plain_model(role, critic) for role, critic in critics.items()}
    named = {role: name_of(model) for role, model in chat_models.items()}
    chosen, folder = ImproveSettings(**{**settings, **named, "problems": name}), run_folder(out, "improve")
    _check(chosen)
    if chosen.critic.model == chosen.actor:
        logger.warning(
            "the actor, as it is before any training, criticises its own responses: no other critic is named"
        )
    sets = problems if isinstance(problems, ImprovementProblems) else improvement_problems(chosen, problems)
    server = _server(chosen, folder)
    shared_url = chosen.base_url if server is None else None
    prompts = prompts_hash(loop_prompts(chosen.prompts))
    with open_run(folder, chosen.recorded(), prompts=prompts, fresh=fresh) as run, server or nullcontext():
        if fresh:
            for old in folder.glob("iteration-*"):
                for model in (MODEL, CRITIC):  # a training that goes on would write into the new folder
                    wait_for_training(old / model)
                rmtree(old)
        graph = create_self_improve(
            chosen.actor,
            _critic("critic", chat_models.get("critic", chosen.critic), shared_url),
            base=chosen.base,
            test_critic=_critic("test_critic", chat_models.get("test_critic", chosen.test_critic), shared_url),
            problems=sets,
            trainer=trainer,
            load=load,
            progress=progress,
            concurrency=chosen.concurrency,
            patience=chosen.patience,
            prompts=chosen.prompts,
            task=chosen.task,
            server=server,
            **chosen.model_dump(include=set(ImprovementContext.model_fields)),
        ).compile(name="self_improve")
        result = graph.invoke({"out": str(folder)}, {"recursion_limit": RECURSION_LIMIT * 2})
        summary = summarise_improvement(result, run=str(folder))
        run.write_manifest(
            summary.state, reason=summary.reason, **summary.model_dump(mode="json", exclude={"run", "reason", "state"})
        )
    return summary


def summarise_improvement(result: dict[str, Any], *, run: str) -> ImprovementSummary:
    """Summarise the result of the graph."""
    start = None if result["start"] is None else ActorEvaluation.model_validate(result["start"])
    iterations = tuple(Iteration.model_validate(found) for found in result["iterations"])
    measured = [*([] if start is None else [start]), *iterations]
    return ImprovementSummary(
        start=start,
        iterations=iterations,
        best=None if start is None else Best.model_validate(result["best"]),
        **result["end"],
        tokens=sum(found.evaluation_tokens for found in measured) + sum(map(_tokens, iterations)),
        seconds=round(sum(found.evaluation_seconds for found in measured) + sum(map(_seconds, iterations)), 1),
        run=run,
    )


def _check(settings: ImproveSettings) -> None:
    """Check, before anything is explored, what otherwise only a training would find."""
    for model in (settings.actor, settings.base or settings.actor):
        trainable(model)
        load_model(model)
    if settings.critic_learns:
        learning_critic(settings.critic)
    if settings.original is not None:
        file = Path(settings.original)
        if not file.is_file():
            raise InputError(f"--original {file}: there is no such file.")
        for _ in read_rows_file(file, "actor"):
            pass


def _server(settings: ImproveSettings, folder: Path) -> ActorServer | None:
    """Give the servers of the actor, if a command starts some.

    Raises:
        InputError: There is no address of them, or the actor has settings for an engine in this process.
    """
    if settings.serve_command is None:
        return None
    if settings.base_url is None:
        raise InputError("--serve-command: --base-url must say where its servers are.")
    if ModelString.parse(settings.actor).engine:
        raise InputError(f"--actor {settings.actor}: settings of the engine belong in --serve-command.")
    return ActorServer(
        settings.serve_command, settings.base_url, folder / SERVER_LOG, start_seconds=settings.patience.outage
    )


def _critic(role: str, critic: RoleModel | PlainModel | None, base_url: str | None) -> PlainModel | RoleModel | None:
    """Check a critic, and give it: as a name if it is loaded and released here, as a model if it is on a server."""
    if not isinstance(critic, RoleModel):
        return critic
    if critic.model == NO_CRITIC:
        return NO_CRITIC
    critic = critic.on(base_url)
    loaded = load_role(role, critic)
    check_servers([critic])
    if critic.model.startswith("openai:"):
        return loaded
    return critic if critic.options or critic.api_key_env else critic.model


def _tokens(iteration: Iteration) -> int:
    critic = 0 if iteration.critic is None else iteration.critic.tokens
    return iteration.exploration_tokens["total"] + iteration.training_tokens + critic


def _seconds(iteration: Iteration) -> float:
    critic = 0.0 if iteration.critic is None else iteration.critic.seconds
    return iteration.exploration_seconds + iteration.training_seconds + critic
