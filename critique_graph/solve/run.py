"""The loop over a problem set, in a run folder."""

from pathlib import Path
from typing import Any

from critique_graph.core.async_node import wait_for
from critique_graph.core.context import Context
from critique_graph.core.errors import InputError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.problems.problem_set import Problems, find_problems
from critique_graph.runs.drive import run_graph
from critique_graph.runs.progress import Progress
from critique_graph.solve.settings import RunSettings
from critique_graph.solve.summary import Summary, summarise
from critique_graph.verbs.job import prepare_problems
from critique_graph.verbs.output import run_folder


def run_problems(
    problems: Problems = "miniature",
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Summary:
    """Run the actor-critic loop over a problem set; the same call again resumes. `critique-graph run` calls it.

    Example:
        >>> summary = run_problems("problems.jsonl", actor="hf:PATH", critic="hf:PATH", samples=4, out="runs/first")
        >>> summary.gain

    Args:
        problems: `miniature`, a file, `hf:owner/name[:config[:split]]`, or the problems themselves.
        out: Folder of the run; by default a new one under `runs/`. `read_traces` reads its traces.
        fresh: Start over in a folder that holds a run.
        progress: Shows how the run goes; nothing by default.
        settings: Fields of `RunSettings`, such as `actor` and `critic` (strings or chat models), `samples`, `rounds`.

    Raises:
        CritiqueGraphError: Bad input, or a folder that cannot be written; nothing finished before is lost.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    job = prepare_problems(RunSettings, problems, settings, find_problems)
    if fresh and job.settings.journal is not None:
        raise InputError("fresh: other workers share the journal. To start over, name another run: …/DATABASE/RUN.")
    return wait_for(
        run_graph(
            lambda journal: create_actor_critic(
                **job.models,
                **Context.keywords(job.settings),
                prompts=job.settings.prompts,
                task=job.settings.task,
                log=journal,
            ).compile(name="actor_critic"),
            job.settings.part_of(job.problems),
            run_folder(out, "run"),
            job.settings.recorded(),
            summarise,
            prompts=prompts_hash(loop_prompts(job.settings.prompts)),
            fresh=fresh,
            journal=job.settings.journal,
            concurrency=job.settings.concurrency,
            patience=job.settings.patience,
            limits=job.settings.limits,
            prices=job.settings.prices,
            progress=progress,
        )
    )
