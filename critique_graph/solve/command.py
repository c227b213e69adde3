"""`critique-graph solve | run`: one question live, or a whole problem set."""

import asyncio
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from critique_graph.calls.settings import LoopSettings
from critique_graph.core.context import Context
from critique_graph.core.errors import InputError
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.models.roles import load_pair
from critique_graph.output.terminal import Flag, log, plain, print_json, stdout
from critique_graph.problems.load import load_problems
from critique_graph.runs.folder import open_run
from critique_graph.runs.progress import Progress
from critique_graph.solve.live import LiveView
from critique_graph.solve.run import run_problems
from critique_graph.solve.settings import RunSettings
from critique_graph.solve.table import summary_table

LOOP_FIELDS = set(Context.model_fields) - {"actor", "critic"}


def solve(
    question: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    settings: Annotated[LoopSettings, Parameter(name="*")] = LoopSettings(),  # noqa: B008 - frozen
    reference: str | None = None,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Solve one question, live: the response, its critique, the refinement, the ballot.

    Args:
        question: The question; `-` reads it from standard input.
        reference: The right answer: grades every response; no model sees it.
        json: Print the whole result as one JSON object.
        quiet: Print the answer alone.
    """
    question = (sys.stdin.read() if question == "-" else question).strip()
    if not question:
        raise InputError("the question is empty; give it as an argument, or '-' to read it from standard input.")
    if settings.gate == "oracle" and reference is None:
        raise InputError("--gate oracle needs the right answer: add --reference ANSWER.")
    graph = create_loop(settings)().compile()
    view = LiveView(log if json else stdout, samples=settings.samples)

    async def follow() -> dict[str, Any]:
        result: dict[str, Any] = {}
        given: Any = {"question": question, "reference": reference}
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
    out: Path | None = None,
    fresh: Flag = False,
    json: Flag = False,
    quiet: Flag = False,
) -> int:
    """Run the loop over a problem set: traces, and what the critic was worth. The same command again resumes.

    Args:
        problems: `miniature` (the default), a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`.
        out: The run's folder; by default a new one under `runs/`.
        fresh: Start over in a folder that holds a run.
        json: Print the summary as one JSON object.
        quiet: No progress.
    """
    if problems is not None:
        settings = settings.model_copy(update={"problems": problems})
    load = partial(
        load_problems,
        settings.problems,
        question_field=settings.question_field,
        answer_field=settings.answer_field,
        limit=settings.problem_limit,
        seed=settings.seed,
    )
    total = None if settings.problems.startswith("hf:") else sum(1 for _ in load())  # finds bad rows before any call
    folder = out or Path("runs") / f"run-{time.strftime('%Y%m%d-%H%M%S')}"
    recorded = settings.model_dump(mode="json") | {"limit": settings.problem_limit}
    progress = Progress(console=log, quiet=quiet)
    create = create_loop(settings)
    with open_run(folder, recorded, prompts=prompts_hash(loop_prompts()), fresh=fresh) as opened:
        loop = create(log=opened.journal).compile(name="actor_critic")
        end = asyncio.run(
            run_problems(
                loop,
                load(),
                opened,
                settings=recorded,
                total=total,
                concurrency=settings.concurrency,
                progress=progress,
            )
        )
    if json:
        print_json(end.summary.model_dump(mode="json"))
    else:
        stdout.print(summary_table(end.summary))
    if settings.gate == "oracle":
        log.print("oracle gate: the reference chose what was refined; this is an upper bound", style="yellow")
    if end.reason:
        log.print(plain(f"critique-graph: stopped early: {end.reason}"), style="red")
    return end.exit_code


def create_loop(settings: LoopSettings) -> Callable[..., Any]:
    """Load a verb's models now; give what creates the loop with them.

    Raises:
        InputError: a model string names none, or a server that was named does not answer.
        MissingDependencyError: a model needs an extra that is not installed.
    """
    pair = load_pair(settings)
    return partial(create_actor_critic, pair.actor, pair.critic, **settings.model_dump(include=LOOP_FIELDS))
