"""The command line: `critique-graph VERB …`.

Results go to stdout, everything else to stderr; `--json` prints one object as the last thing on stdout. Exit codes: 0
complete, 2 bad input, 3 finished with failed problems, 4 stopped early, 130 interrupted.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Yaml
from langgraph.graph.state import CompiledStateGraph
from rich.table import Table

from critique_graph.calls.settings import LoopSettings, RunSettings
from critique_graph.compare.command import compare, eval_critic
from critique_graph.core.errors import CritiqueGraphError, InputError, MissingDependencyError
from critique_graph.core.state import Context
from critique_graph.doctor import diagnose
from critique_graph.generate.command import generate, show
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.prompts import loop_prompts, prompts_hash
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.improve.command import improve
from critique_graph.improve.graph import create_self_improve
from critique_graph.miniature_training.command import app as miniature
from critique_graph.models.roles import load_pair
from critique_graph.output.terminal import Flag, log, print_json, print_text, stdout
from critique_graph.problems.load import load_problems
from critique_graph.runs.drive import run_problems
from critique_graph.runs.folder import open_run
from critique_graph.runs.progress import Progress
from critique_graph.self_talk.command import self_talk
from critique_graph.solve.live import LiveView, plain
from critique_graph.solve.table import summary_table
from critique_graph.trainers.export_command import export
from critique_graph.trainers.train_command import train

Graphs: dict[str, Callable[[], CompiledStateGraph[Any, Any, Any, Any]]] = {
    "actor_critic": lambda: create_actor_critic().compile(name="actor_critic"),
    "flawed_paths": lambda: create_flawed_paths().compile(name="flawed_paths"),
    "auto_critique": lambda: create_auto_critique().compile(name="auto_critique"),
    "self_improve": lambda: create_self_improve().compile(name="self_improve"),
    "self_talk": lambda: create_self_talk().compile(name="self_talk"),
}
GraphName = Literal["actor_critic", "flawed_paths", "auto_critique", "self_improve", "self_talk"]
LOOP_FIELDS = set(Context.model_fields) - {"actor", "critic"}

app = App(
    name="critique-graph",
    help="An actor solves step by step, a critic judges every step, the actor refines.",
    help_epilogue="Start with: critique-graph run",
    version=lambda: version("critique-graph"),
)
app.command(miniature)
app.command(
    generate, help_epilogue="Example: critique-graph generate problems.jsonl --annotator openai:NAME --out runs/data"
)
app.command(compare, help_epilogue="Example: critique-graph compare problems.jsonl --samples 16 --plot curve.svg")
app.command(
    eval_critic, help_epilogue="Example: critique-graph eval-critic processbench/gsm8k.json --critic hf:Qwen/Qwen3-4B"
)
app.command(show, help_epilogue="Example: critique-graph show runs/data -n 5")
app.command(self_talk, help_epilogue="Example: critique-graph self-talk miniature --limit 400 --out runs/talk")
app.command(export, help_epilogue="Example: critique-graph export runs/data --to trl --task critic --out critic.jsonl")
app.command(
    improve,
    help_epilogue="Example: critique-graph improve train.jsonl --actor hf:PATH --critic hf:PATH --out runs/better",
)
app.command(
    train, help_epilogue="Example: critique-graph train critic runs/data --model hf:Qwen/Qwen3-4B --out models/critic"
)


@app.command(
    help_epilogue=(
        'Example: critique-graph solve "Tom has 8 coins. Tom finds 7 more. Tom loses 5 coins. How many has Tom?"'
    )
)
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


@app.command(help_epilogue="Example: critique-graph run problems.jsonl --samples 4 --rounds 2 --out runs/first")
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


@app.command(help_epilogue="Example: critique-graph graph actor_critic --png loop.png")
def graph(name: GraphName = "actor_critic", /, *, png: Path | None = None) -> int:
    """Draw a graph: mermaid text on stdout, or a picture.

    Args:
        name: Which graph.
        png: Write a PNG here instead (needs Graphviz and pygraphviz).
    """
    drawing = Graphs[name]().get_graph()
    if png is None:
        print_text(drawing.draw_mermaid())
        return 0
    try:
        drawing.draw_png(str(png))
    except ImportError as error:
        raise MissingDependencyError("pygraphviz", extra="png", purpose="--png") from error
    log.print(f"written: {png}", markup=False)
    return 0


@app.command(help_epilogue="Example: critique-graph doctor --json")
def doctor(*, json: Flag = False) -> int:
    """Tell what this machine can run: devices, backends, versions.

    Args:
        json: Print one JSON object.
    """
    diagnosis = diagnose()
    if json:
        print_json(diagnosis)
        return 0
    table = Table(show_header=False, box=None, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    table.add_row("devices", plain(", ".join(diagnosis["devices"])))
    for section in ("accelerator", "backends", "versions", "miniature"):
        for name, value in diagnosis[section].items():
            table.add_row(section if name == next(iter(diagnosis[section])) else "", plain(name), plain(value))
    stdout.print(table)
    return 0


def create_loop(settings: LoopSettings) -> Callable[..., Any]:
    """Load a verb's models now; give what creates the loop with them.

    Raises:
        InputError: a model string names none, or a server that was named does not answer.
        MissingDependencyError: a model needs an extra that is not installed.
    """
    pair = load_pair(settings)
    return partial(create_actor_critic, pair.actor, pair.critic, **settings.model_dump(include=LOOP_FIELDS))


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
) -> int:
    """Read `--config` first: flags given on the command line win over it.

    Args:
        config: YAML file of settings (a run's `run.yaml` is one); flags win over it.
    """
    if config is not None:
        if not config.is_file():
            raise InputError(f"--config {config}: there is no such file.")
        app.config = (Yaml(config, use_commands_as_keys=False),)
    return app(tokens, exit_on_error=False, print_error=False, result_action="return_value") or 0


def run_command(arguments: list[str]) -> int:
    """Run one command line and give its exit code; what a user can put right is one line on stderr."""
    app.config = ()  # `--config` of an earlier command line in this process
    try:
        return app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except CycloptsError as error:
        return _complain(_usage_message(error))
    except pydantic.ValidationError as error:
        return _complain(_validation_message(error))
    except CritiqueGraphError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone: nothing is left to say to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        return _complain(f"{error.filename or 'input/output'}: {error.strerror or error}")
    except Exception as error:
        if os.environ.get("CRITIQUE_GRAPH_DEBUG"):
            raise
        _complain(f"internal error, {type(error).__name__}: {error} (CRITIQUE_GRAPH_DEBUG=1 shows where)")
        return 1


def _complain(message: str) -> int:
    log.print(plain(f"critique-graph: {' '.join(message.split())}"), style="red", soft_wrap=True)
    return 2


def _usage_message(error: CycloptsError) -> str:
    cause = error.__cause__
    if isinstance(cause, pydantic.ValidationError):
        return _validation_message(cause)
    error.verbose = False
    return str(error)


def _validation_message(error: pydantic.ValidationError) -> str:
    first = error.errors()[0]
    flag = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
    return f"{flag}: {first['msg'].lower()}, got {first['input']!r}."


def main() -> None:
    """Entry point of `critique-graph`."""
    # Threads of torch that spin long while they wait make a small model 40 times slower if another process has a core;
    # those that do not spin at all, half as slow again on an idle machine. So few costs nothing there (libgomp).
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    sys.exit(run_command(sys.argv[1:]))
