"""The runs of a study, which its parts share: each is an ordinary run folder, so that it resumes and can be reported.

OUT/pool      `samples` responses per problem, each critiqued and refined once, whatever the verdict (the paper's rule)
OUT/samples   twice as many responses without a critic, from other seeds
OUT/chains    `chains` chains of `rounds` rounds, from other seeds
OUT/greedy/*  one greedy response, critiqued and refined, for a pair of actor and critic
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from critique_graph.calls.caller import CallKey, CallLog, derive_seed
from critique_graph.compare.strategies import PooledProblem, pooled_problem
from critique_graph.core.async_node import wait_for
from critique_graph.core.context import Context
from critique_graph.core.errors import CritiqueGraphError
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Reply, Trace
from critique_graph.grading.grader import default_grader
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.metrics.cost import SharedTime, calls_of
from critique_graph.models.load import release_models
from critique_graph.models.roles import check_servers, load_role
from critique_graph.nodes.chat_vllm import share_device
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.folder import JOURNAL
from critique_graph.runs.journal import read_journal
from critique_graph.runs.record import Ended
from critique_graph.runs.traces import finished_traces
from critique_graph.solve.settings import RunSettings
from critique_graph.solve.summary import summarise
from critique_graph.study.part import StudyJob

RUNS = ("pool", "samples", "chains", "greedy")
_COMMON = {
    *("max_tokens", "critic_temperature", "critic_max_tokens", "retry_unreadable", "critique_form", "prompts"),
    *("call_timeout", "outage", "concurrency", "problems"),
}
"""Settings of a study that all of its runs have."""
Responses = Mapping[CallKey, Reply]
"""First responses by their place."""


class UnfinishedRunError(CritiqueGraphError):
    """A run of the study that was interrupted or stopped early; the same command resumes it."""

    def __init__(self, run: Ended) -> None:
        super().__init__(f"{run.run}: {run.reason or run.state}")
        self.run = run


def pool_of(job: StudyJob, *, graded: bool = True) -> list[PooledProblem]:
    """Give the pool of every problem: critiqued chains, and further responses without a critic (`uncritiqued`).

    Args:
        job: The part's job.
        graded: Leave out problems without reference answer, or with an answer that could not be graded.
    """
    settings = job.settings
    temperature = settings.actor_temperature
    critiqued = run_loop(job, "pool", samples=settings.samples, temperature=temperature)
    alone = run_loop(
        job,
        "samples",
        samples=2 * settings.samples,
        rounds=0,
        temperature=temperature,
        seed=derive_seed(settings.seed, "samples"),
    )
    further = {
        trace.problem.id: tuple(chain.response for chain in trace.chains if chain.response is not None)
        for trace in alone
    }
    return pooled(
        [
            trace.model_copy(update={"uncritiqued": further[trace.problem.id]})
            for trace in critiqued
            if trace.problem.id in further
        ],
        graded=graded,
    )


def chains_of(job: StudyJob) -> list[PooledProblem]:
    """Give chains of many rounds for every problem, drawn apart from the pool."""
    settings = job.settings
    return pooled(
        run_loop(
            job,
            "chains",
            samples=settings.chains,
            rounds=settings.rounds,
            temperature=settings.actor_temperature,
            seed=derive_seed(settings.seed, "chains"),
            is_graded=True,
        )
    )


def greedy_of(
    job: StudyJob, actor: RoleModel, critic: RoleModel, known: Sequence[PooledProblem] = ()
) -> list[PooledProblem]:
    """Give one greedy response of an actor to every problem, with a critique and a refinement.

    Args:
        job: The part's job.
        actor: The actor.
        critic: The critic.
        known: Problems of an earlier greedy run of the actor, whose first responses are taken over.
    """
    if (actor, critic) != (job.settings.actor, job.settings.critic):
        release_models()  # those of the pair before need their memory no more
    traces = run_loop(
        job,
        f"greedy/{_name(actor)}_{_name(critic)}",
        actor=actor,
        critic=critic,
        temperature=0.0,
        seed=derive_seed(job.settings.seed, "greedy"),
        is_graded=True,
        firsts=_firsts(known),
    )
    return pooled(traces)


def run_loop(
    job: StudyJob,
    name: str,
    *,
    actor: RoleModel | None = None,
    critic: RoleModel | None = None,
    is_graded: bool = False,
    firsts: Responses | None = None,
    **changes: object,
) -> list[Trace]:
    """Run the loop in a folder of the study, or resume it, with the gate `always`; gives the finished problems.

    Args:
        job: The part's job.
        name: Name of the run's folder.
        actor: The actor, if not the study's.
        critic: The critic, if not the study's.
        is_graded: Leave out problems without reference answer.
        firsts: First responses that are known, so that they are not asked for.
        changes: Settings of the run.

    Raises:
        UnfinishedRunError: The run was interrupted, or stopped early.
    """
    if name in job.shared:
        return job.shared[name]
    settings = job.settings
    given = {"seed": settings.seed, "limit": settings.problem_limit, "gate": "always", **changes}
    shared = {name: getattr(settings, name) for name in _COMMON}
    roles = {"actor": actor or settings.actor, "critic": critic or settings.critic}
    chosen = RunSettings.model_validate({**shared, **given, **roles, **_servers(job)})
    models: dict[str, Any] = {
        role: job.models.get(str(model)) or load_role(role, model) for role, model in chosen.roles().items()
    }
    problems = [problem for problem in job.problems if problem.answer is not None or not is_graded]
    if not problems:
        return []
    check_servers(model for model in chosen.roles().values() if str(model) not in job.models)
    share_device(models.values())
    folder = job.folder.parent / name
    run = wait_for(
        run_graph(
            lambda journal: create_actor_critic(
                **models, **Context.keywords(chosen), prompts=chosen.prompts, log=_Known(journal, firsts or {})
            ).compile(name="actor_critic"),
            ProblemSet.of(problems),
            folder,
            chosen.recorded(),
            summarise,
            prompts=prompts_hash(loop_prompts(chosen.prompts)),
            concurrency=chosen.concurrency,
            patience=chosen.patience,
            progress=job.progress,
        )
    )
    if run.state != "complete":
        raise UnfinishedRunError(run)
    job.shared[name] = list(finished_traces(read_journal(folder / JOURNAL), Trace, "run"))
    return job.shared[name]


def pooled(traces: Sequence[Trace], *, graded: bool = True) -> list[PooledProblem]:
    """Group the answers of every problem; problems that cannot be graded are left out, unless that is not needed."""
    time = SharedTime.of_calls(call for trace in traces for call in calls_of(trace))

    async def group() -> list[PooledProblem]:
        found = [await pooled_problem(trace, default_grader(), time, graded=graded) for trace in traces]
        return [problem for problem in found if problem is not None]

    return wait_for(group())


def _firsts(problems: Sequence[PooledProblem]) -> Responses:
    """Give the first responses of the problems' chains."""
    return {
        CallKey(problem.trace.problem.id, "actor", chain.index, 0): Reply(
            text=chain.response.text, call=chain.response.call
        )
        for problem in problems
        for chain in problem.trace.chains
        if chain.response is not None
    }


def _servers(job: StudyJob) -> dict[str, str | None]:
    return {"base_url": job.settings.base_url, "critic_base_url": job.settings.critic_base_url}


def _name(role: RoleModel) -> str:
    """Give a name for a folder."""
    digest = hashlib.sha256(f"{role.model} {sorted(role.options.items())}".encode()).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', role.model)[-40:].strip('-.')}-{digest[:6]}"


@dataclass(frozen=True)
class _Known:
    """A call log that also knows first responses of another run."""

    journal: CallLog
    firsts: Responses

    def recall(self, key: CallKey) -> Reply | None:
        found = self.journal.recall(key)
        return self.firsts.get(key) if found is None else found

    def record(self, key: CallKey, reply: Reply) -> None:
        self.journal.record(key, reply)
