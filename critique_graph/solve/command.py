"""`critique-graph solve | run | merge`: one question live, or a whole problem set, in one process or in several."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from langgraph.graph.state import CompiledStateGraph

from critique_graph.calls.breaker import Breakers
from critique_graph.core.context import Context
from critique_graph.core.errors import InputError
from critique_graph.core.settings import OUTPUT, PROBLEMS
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.models.roles import load_roles
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.runs.progress import Progress
from critique_graph.runs.ray_tasks import ShardsProgress
from critique_graph.solve.live import LiveView
from critique_graph.solve.merge import merge_runs
from critique_graph.solve.on_ray import run_on_ray
from critique_graph.solve.run import run_problems
from critique_graph.solve.settings import RaySettings, RunSettings, SolveSettings
from critique_graph.solve.summary import Summary
from critique_graph.solve.table import summary_table
from critique_graph.verbs.output import RunOutput
from critique_graph.verbs.settings import warn_about_servers

FEW_READABLE = 0.8
"""Share of readable critiques under which a run warns."""


def solve(
    question: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    settings: Annotated[SolveSettings, Parameter(name="*")] = SolveSettings(),  # noqa: B008 - frozen
    reference: Annotated[str | None, PROBLEMS] = None,
    json: Annotated[Flag, OUTPUT] = False,
    quiet: Annotated[Flag, OUTPUT] = False,
) -> int:
    """Solve one question and show it live: the response, its critique, the refinement, the ballot.

    Args:
        question: The question to solve; `-` reads it from standard input.
        reference: Reference answer, by which every response is graded; no model sees it.
        json: Print the whole result as one JSON object.
        quiet: Print the answer alone, and nothing else.
    """
    question = (sys.stdin.read() if question == "-" else question).strip()
    if not question:
        raise InputError("the question is empty; give it as an argument, or '-' to read it from standard input.")
    if settings.gate == "oracle" and reference is None:
        raise InputError("--gate oracle needs the reference answer: add --reference ANSWER.")
    roles = settings.roles()
    warn_about_servers(settings, roles)
    graph: CompiledStateGraph[Any, Any, Any, Any] = create_actor_critic(
        **load_roles(roles), **Context.keywords(settings), prompts=settings.prompts, task=settings.task
    ).compile()
    view = LiveView(log if json else stdout, samples=settings.samples, split=settings.task.split)

    async def follow() -> dict[str, Any]:
        result: dict[str, Any] = {}
        given: Any = {"question": question, "reference": reference}
        mode: str
        part: Any
        async with Breakers(settings.patience):
            async for mode, part in graph.astream(given, stream_mode=["custom", "updates"]):
                if mode == "custom" and not quiet:
                    view.show(part)
                elif mode == "updates" and "vote" in part:
                    result = part["vote"]
        return result

    result = asyncio.run(follow())
    if json:
        print_json(result)
    elif quiet:
        stdout.print(plain(result["answer"] or ""))
    else:
        grade = f" ({result['grade']['outcome']})" if result["grade"] else ""
        oracle = " · oracle gate: the reference chose what was refined" if settings.gate == "oracle" else ""
        tokens = result["usage"]["total"]["input_tokens"] + result["usage"]["total"]["output_tokens"]
        calls = result["usage"]["total"]["calls"]
        stdout.print(plain(f"answer: {result['answer']}{grade} · {calls} calls, {tokens} tokens{oracle}"), style="bold")
    return 0 if result["answer"] is not None else 3


def run(
    problems: str | None = None,
    /,
    *,
    settings: Annotated[RunSettings, Parameter(name="*")] = RunSettings(),  # noqa: B008 - frozen
    cluster: Annotated[RaySettings, Parameter(name="*")] = RaySettings(),  # noqa: B008 - frozen
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
) -> int:
    """Run the loop over a problem set: traces, and what the critic gained. The same command again resumes.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
    """
    keywords = {**settings.naming(problems), **output.keywords()}
    if cluster.ray is None:
        found = run_problems(**keywords, progress=output.progress(Progress))
    else:
        found = run_on_ray(
            **keywords,
            address=cluster.ray,
            tasks=cluster.ray_tasks,
            gpus=cluster.ray_gpus,
            progress=output.progress(ShardsProgress),
        )
    code = _show(found, output)
    if settings.gate == "oracle":
        log.print("oracle gate: the reference chose what was refined; this is an upper bound", style="yellow")
    return code


def merge(
    *runs: Path,
    output: Annotated[RunOutput, Parameter(name="*")] = RunOutput(),  # noqa: B008 - frozen
) -> int:
    """Make one run of the shards of a run (`run --shard`): the traces and the summary of a run in one process.

    Args:
        runs: Run folders of all shards, in any order.
    """
    return _show(merge_runs(runs, **output.keywords()), output)


def _show(found: Summary, output: RunOutput) -> int:
    """Print the findings of a run and what they warn of; gives the exit code."""
    code = output.show(found, [summary_table(found)])
    readable = found.readable_critiques
    if readable.value is not None and readable.value < FEW_READABLE:
        log.print(
            f"only {readable.percent()} of {readable.n} critiques can be read; `critique-graph check` says why",
            style="yellow",
        )
    return code
