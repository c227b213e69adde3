"""The command line: `critique-graph VERB …`.

Results go to stdout, everything else to stderr; `--json` prints one object as the last thing on stdout. Exit codes: 0
complete, 2 bad input, 3 finished with failed problems, 4 stopped early, 130 interrupted.
"""

import ast
import multiprocessing
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NoReturn

import orjson
import pydantic
import yaml
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict

from critique_graph.core import command_line
from critique_graph.core.errors import CritiqueGraphError, InputError
from critique_graph.core.open_files import allow_open_files
from critique_graph.core.secrets import redacted
from critique_graph.output.terminal import log, plain

INTERRUPTED = 130
"""Exit code of a command that a signal ended."""

app = App(
    name="critique-graph",
    help="An actor solves step by step, a critic judges every step, the actor refines.",
    help_epilogue="Start with: critique-graph run",
    version=lambda: version("critique-graph"),
)
miniature = App(
    name="miniature",
    help="The embedded pair of tiny models: its problems, its training, its evaluation.",
    help_epilogue="Example: critique-graph miniature problems -n 3",
)


def _add(function: str, example: str, *, to: App = app, name: str | None = None) -> None:
    """Add a verb, whose module loads when it is called.

    Args:
        function: The verb's function, as `module:name`.
        example: Command line that its help ends with.
        to: App to which the verb is added.
        name: The verb, if it is not named as its function.
    """
    to.command(function, name=name, help=_docstring(function), help_epilogue=f"Example: critique-graph {example}")


def _docstring(function: str) -> str | None:
    """Read the docstring of a function, without loading its module."""
    module, _, name = function.partition(":")
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    parts = ast.parse(Path(found.origin).read_bytes()).body
    return next(ast.get_docstring(part) for part in parts if isinstance(part, ast.FunctionDef) and part.name == name)


_add(
    "critique_graph.solve.command:solve",
    'solve "Tom has 8 coins. Tom finds 7 more. How many coins does Tom have?"',
)
_add("critique_graph.solve.command:run", "run problems.jsonl --samples 4 --rounds 2 --out runs/first")
_add("critique_graph.solve.command:merge", "merge runs/part-* --out runs/all")
_add(
    "critique_graph.check.command:check",
    "check problems.jsonl --actor openai:NAME --base-url http://HOST:8000/v1",
)
_add("critique_graph.doctor:doctor", "doctor --json")
app.command(miniature)
_add("critique_graph.generate.command:generate", "generate problems.jsonl --annotator openai:NAME --out runs/data")
_add("critique_graph.compare.command:compare", "compare problems.jsonl --samples 16 --plot curve.svg")
_add("critique_graph.choose.command:choose", "choose runs/votes runs/loop runs/pool --budget 500 --budget 2000")
_add(
    "critique_graph.eval_critic.command:eval_critic",
    "eval-critic processbench/gsm8k.json --critic hf:Qwen/Qwen3-4B",
)
_add("critique_graph.report.command:report", "report runs/first runs/second --out report.html")
_add("critique_graph.study.command:study", "study problems.jsonl --only difficulty,scaling --samples 50")
_add(
    "critique_graph.serve.command:serve",
    "serve --actor openai:NAME --base-url http://HOST:8000/v1 --port 8300",
)
_add(
    "critique_graph.serve_models.command:serve_models",
    "serve-models hf:Qwen/Qwen2.5-7B-Instruct --urls servers.txt -- --max-model-len 8192",
)
_add("critique_graph.generate.command:show", "show runs/data -n 5")
_add("critique_graph.self_talk.command:self_talk", "self-talk miniature --limit 400 --out runs/talk")
_add(
    "critique_graph.trainers.export_command:export",
    "export runs/data --to trl --task critic --out critic.jsonl",
)
_add(
    "critique_graph.improve.command:improve",
    "improve train.jsonl --actor hf:PATH --critic hf:PATH --out runs/better",
)
_add(
    "critique_graph.trainers.train_command:train",
    "train critic runs/data --model hf:Qwen/Qwen3-4B --out models/critic",
)
_add("critique_graph.graph_command:graph", "graph actor_critic --png loop.png")
_add(
    "critique_graph.graph_command:prompts",
    "prompts > mine.yaml, then critique-graph run --prompts mine.yaml",
)
_COMMANDS = "critique_graph.miniature_training.command"
_add(f"{_COMMANDS}:problems", "miniature problems -n 1000 --seed 7 > problems.jsonl", to=miniature)
_add(f"{_COMMANDS}:train", "miniature train --out miniature --seed 1", to=miniature)
_add(
    f"{_COMMANDS}:evaluate",
    "miniature eval --actor hf:OUT/actor --critic hf:OUT/critic -n 1000 --seed 9",
    to=miniature,
    name="eval",
)


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
    if not first["loc"]:  # settings that do not go together
        return f"{first['msg'].removeprefix('Value error, ')}."
    flag = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
    return f"{flag}: {first['msg'].lower()}, got {first['input']!r}."


def _load_reporter() -> command_line.Reporter:
    from critique_graph.report.command import RunReporter

    return RunReporter()


command_line.load_reporter = _load_reporter


def main() -> None:
    """Entry point of `critique-graph`."""
    # Waiting threads of torch spin. Long spinning makes a small model 40 times slower if another process uses a core;
    # no spinning makes it 1.5 times as slow on an idle machine. This short spinning costs nothing there (libgomp).
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    allow_open_files()
    command_line.end_process = _leave_at_once
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
