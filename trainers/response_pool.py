"""The responses that a critic learns to judge by reinforcement: the partner samples them, in a run folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel

from critique_graph.core.async_node import wait_for
from critique_graph.core.errors import InputError, RunError
from critique_graph.core.prompts import Prompts
from critique_graph.core.role_model import RoleModel
from critique_graph.core.schema import Trace
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.nodes.critique import critique_messages
from critique_graph.problems.problem_set import ProblemSet
from critique_graph.runs.drive import run_graph
from critique_graph.runs.traces import read_traces
from critique_graph.solve.summary import Summary, summarise
from critique_graph.trainers.candidates import Candidate
from critique_graph.trainers.rows import ResponseRow, as_messages
from critique_graph.trainers.selection import Selected, select
from critique_graph.trainers.settings import ReinforcementSettings


def sample_responses(
    problems: ProblemSet,
    partner: BaseChatModel,
    folder: Path,
    *,
    name: RoleModel,
    settings: ReinforcementSettings,
    seed: int,
) -> Summary:
    """Have the partner answer every problem several times; the same call goes on where it was interrupted.

    Raises:
        RunError: The run stopped early, or its folder holds responses that were sampled with other settings.
        KeyboardInterrupt: A signal interrupted the run; what was sampled is kept.
    """
    sampling: dict[str, Any] = {
        "samples": settings.responses,
        "temperature": settings.response_temperature,
        "max_tokens": settings.max_tokens,
        "seed": seed,
    }
    summary = wait_for(
        run_graph(
            lambda journal: create_actor_critic(
                partner, partner, **sampling, rounds=0, prompts=settings.prompts, log=journal
            ).compile(name="actor_critic"),
            problems,
            folder,
            {"problems": "training problems of critic-rl", "actor": name.recorded(), "rounds": 0, **sampling},
            summarise,
            prompts=prompts_hash(loop_prompts(settings.prompts)),
            patience=settings.patience,
        )
    )
    return complete(summary, "sampling the responses")


def complete(summary: Summary, what: str) -> Summary:
    """Give the summary of a run that is complete.

    Raises:
        RunError: The run stopped early.
        KeyboardInterrupt: A signal interrupted it.
    """
    if summary.state == "interrupted":
        raise KeyboardInterrupt
    if summary.state != "complete":
        raise RunError(f"{what} stopped early: {summary.reason}. The same command goes on from there.")
    return summary


def select_responses(folder: Path, *, prompts: Prompts, per_problem: int, seed: int) -> Selected:
    """Choose as many correct responses as wrong ones: a critic that calls everything wrong must not be rewarded.

    Raises:
        InputError: All responses are correct, or all are wrong.
    """
    candidates = list(response_candidates(read_traces(folder), prompts))
    correct = sum(candidate.is_correct for candidate in candidates)
    if correct in (0, len(candidates)):
        kind = "correct" if correct else "wrong"
        raise InputError(
            f"all {len(candidates)} responses of the partner are {kind}, but a critic has to learn from both kinds: "
            f"{'take harder problems, or raise --response-temperature' if correct else 'take easier problems'}."
        )
    return select(candidates, per_problem=per_problem, balance="verdict", seed=seed)


def response_candidates(traces: Iterable[Trace], prompts: Prompts) -> Iterator[Candidate]:
    """Turn first responses into rows, each text once; those that are cut off or could not be graded make none."""
    for trace in traces:
        problem, seen = trace.problem, set[str]()
        for chain in trace.chains:
            response = chain.response
            if response is None or response.is_truncated or response.is_correct is None:
                continue
            if response.text in seen:
                continue
            seen.add(response.text)
            assert problem.answer is not None
            row: ResponseRow = {
                "prompt": as_messages(critique_messages(problem.question, response.text, prompts)),
                "problem": problem.id,
                "chain": chain.index,
                "question": problem.question,
                "response": response.text,
                "reference": problem.answer,
                "is_correct": response.is_correct,
            }
            yield Candidate(row, problem.id, problem.level, response.is_correct)
