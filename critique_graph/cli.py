"""The command line: `critique-graph VERB …`.

Results go to stdout, everything else to stderr; `--json` prints one object as the last thing on stdout. Exit codes: 0
complete, 2 bad input, 3 finished with failed problems, 4 stopped early, 130 interrupted.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import orjson
import pydantic
import yaml
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict
from langgraph.graph.state import CompiledStateGraph

from critique_graph.check.command import check
from critique_graph.compare.command import compare
from critique_graph.core.errors import CritiqueGraphError, InputError, MissingDependencyError
from critique_graph.core.prompts_file import prompts_file, read_prompts
from critique_graph.core.secrets import redacted
from critique_graph.doctor import doctor
from critique_graph.eval_critic.command import eval_critic
from critique_graph.generate.command import generate, show
from critique_graph.graphs.actor_critic import create_actor_critic
from critique_graph.graphs.auto_critique import create_auto_critique
from critique_graph.graphs.chat import create_ask, create_chat
from critique_graph.graphs.comparison_pool import create_pool
from critique_graph.graphs.exploration import create_exploration
from critique_graph.graphs.flawed_paths import create_flawed_paths
from critique_graph.graphs.judge import create_judge
from critique_graph.graphs.self_talk import create_self_talk
from critique_graph.improve.command import improve
from critique_graph.improve.graph import create_self_improve
from critique_graph.miniature_training.command import app as miniature
from critique_graph.output.terminal import log, plain, print_text
from critique_graph.report.command import RunReporter, report
from critique_graph.runs import drive
from critique_graph.self_talk.command import self_talk
from critique_graph.serve.command import serve
from critique_graph.solve.command import run, solve
from critique_graph.study.command import study
from critique_graph.trainers.export_command import export
from critique_graph.trainers.train_command import train
from critique_graph.verbs import output

INTERRUPTED = 130
"""Exit code of a command that a signal ended."""

Graphs: dict[str, Callable[[], CompiledStateGraph[Any, Any, Any, Any]]] = {
    "actor_critic": lambda: create_actor_critic().compile(name="actor_critic"),
    "ask": lambda: create_ask().compile(name="ask"),
    "chat": lambda: create_chat().compile(name="chat"),
    "comparison_pool": lambda: create_pool().compile(name="comparison_pool"),
    "exploration": lambda: create_exploration(
        "miniature:actor",
        "miniature:critic",
        samples=1,
        refinements=1,
        temperature=1.0,
        max_tokens=1024,
        critic_max_tokens=1536,
        seed=0,
    ).compile(name="exploration"),
    "judge": lambda: create_judge().compile(name="judge"),
    "flawed_paths": lambda: create_flawed_paths().compile(name="flawed_paths"),
    "auto_critique": lambda: create_auto_critique().compile(name="auto_critique"),
    "self_improve": lambda: create_self_improve().compile(name="self_improve"),
    "self_talk": lambda: create_self_talk().compile(name="self_talk"),
}
GraphName = Literal[
    "actor_critic",
    "ask",
    "chat",
    "comparison_pool",
    "exploration",
    "judge",
    "flawed_paths",
    "auto_critique",
    "self_improve",
    "self_talk",
]

output.reporter = RunReporter()

app = App(
    name="critique-graph",
    help="An actor solves step by step, a critic judges every step, the actor refines.",
    help_epilogue="Start with: critique-graph run",
    version=lambda: version("critique-graph"),
)
app.command(
    solve,
    help_epilogue='Example: critique-graph solve "Tom has 8 coins. Tom finds 7 more. How many coins does Tom have?"',
)
app.command(run, help_epilogue="Example: critique-graph run problems.jsonl --samples 4 --rounds 2 --out runs/first")
app.command(
    check,
    help_epilogue="Example: critique-graph check problems.jsonl --actor openai:NAME --base-url http://HOST:8000/v1",
)
app.command(doctor, help_epilogue="Example: critique-graph doctor --json")
app.command(miniature)
app.command(
    generate, help_epilogue="Example: critique-graph generate problems.jsonl --annotator openai:NAME --out runs/data"
)
app.command(compare, help_epilogue="Example: critique-graph compare problems.jsonl --samples 16 --plot curve.svg")
app.command(
    eval_critic, help_epilogue="Example: critique-graph eval-critic processbench/gsm8k.json --critic hf:Qwen/Qwen3-4B"
)
app.command(report, help_epilogue="Example: critique-graph report runs/first runs/second --out report.html")
app.command(study, help_epilogue="Example: critique-graph study problems.jsonl --only difficulty,scaling --samples 50")
app.command(
    serve,
    help_epilogue="Example: critique-graph serve --actor openai:NAME --base-url http://HOST:8000/v1 --port 8300",
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


@app.command(help_epilogue="Example: critique-graph graph actor_critic --png loop.png")
def graph(name: GraphName = "actor_critic", /, *, png: Path | None = None) -> int:
    """Draw a graph: mermaid text on stdout, or a picture.

    Args:
        name: Name of the graph to draw.
        png: File for a PNG picture, instead of text (needs Graphviz and pygraphviz).
    """
    drawing = Graphs[name]().get_graph()
    if png is None:
        print_text(drawing.draw_mermaid())
        return 0
    try:
        drawing.draw_png(str(png))
    except ImportError as error:
        raise MissingDependencyError("pygraphviz", extra="png", purpose="--png") from error
    log.print(f"written: {png}")
    return 0


@app.command(help_epilogue="Example: critique-graph prompts > mine.yaml, then critique-graph run --prompts mine.yaml")
def prompts(*, name: str = "default") -> int:
    """Print a wording of the prompts as a YAML file to start from; its comments say which slots each node has.

    Args:
        name: Wording that ships (`default`, `math-en`, `math-zh`), or a file.
    """
    print_text(prompts_file(read_prompts(name)))
    return 0


@app.meta.default
def _with_config(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
) -> int:
    """Read `--config` first, so that flags on the command line override it.

    Args:
        config: YAML file of settings, e.g. the `run.yaml` of a run; flags override it.
    """
    if config is not None:
        if not config.is_file():
            raise InputError(f"--config {config}: there is no such file.")
        app.config = (_settings_of(config),)
    return app(tokens, exit_on_error=False, print_error=False, result_action="return_value") or 0


def _settings_of(config: Path) -> Callable[[App, tuple[str, ...], Any], None]:
    """Give what reads a file of settings for cyclopts; a mapping as a value reaches its setting as JSON."""
    try:
        found = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"--config {config}: this is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise InputError(f"--config {config}: expected a mapping of settings, got {type(found).__name__}.")
    values = {
        str(key): orjson.dumps(value).decode() if isinstance(value, dict) else value for key, value in found.items()
    }

    def read(app: App, commands: tuple[str, ...], arguments: Any) -> None:
        nested: dict[str, Any] = values
        for command in reversed(commands):
            nested = {command: nested}
        Dict(nested, source=str(config))(app, commands, arguments)

    return read


def run_command(arguments: list[str]) -> int:
    """Run one command line and give its exit code; an error that a user can correct is one line on stderr."""
    app.config = ()  # forgets the `--config` of an earlier command line in this process
    try:
        return app.meta(arguments, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except CycloptsError as error:
        return _complain(_usage_message(error))
    except pydantic.ValidationError as error:
        return _complain(_validation_message(error))
    except CritiqueGraphError as error:
        return _complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe has gone
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
    log.print(plain(f"critique-graph: {redacted(' '.join(message.split()))}"), style="red", soft_wrap=True)
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
    # Waiting threads of torch spin. Long spinning makes a small model 40 times slower if another process uses a core;
    # no spinning makes it 1.5 times as slow on an idle machine. This short spinning costs nothing there (libgomp).
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    drive.end_process = _leave_at_once
    code = run_command(sys.argv[1:])
    if code == INTERRUPTED:
        _leave_at_once()
    sys.exit(code)


def _leave_at_once() -> NoReturn:
    """End the process now: threads may still compute, load or grade, and nobody waits for what they do.

    Everything that lasts is written. Python's own end would wait for these threads, and look through all objects of
    torch for garbage.
    """
    for child in multiprocessing.active_children():  # vLLM's; those of grading end with this process
        child.terminate()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
