"""`critique-graph miniature …`: its problems, its training, its evaluation."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
from cyclopts import App, Parameter
from pydantic import TypeAdapter
from rich.table import Table

from critique_graph.errors import InputError, MissingDependencyError
from critique_graph.intervals import Rate
from critique_graph.miniature.shipped import weights_path
from critique_graph.miniature.task import Split, generate_problems
from critique_graph.output import Flag, log, print_json, print_text, stdout
from critique_graph.summary_table import percent

app = App(
    name="miniature",
    help="The embedded pair of tiny models: its problems, its training, its evaluation.",
    help_epilogue="Example: critique-graph miniature problems -n 3",
)


@app.command(help_epilogue="Example: critique-graph miniature problems -n 1000 --seed 7 > problems.jsonl")
def problems(*, limit: Annotated[int, Parameter(alias="-n")] = 10, seed: int = 0, split: Split = "test") -> int:
    """Print fresh problems with their answers, one JSON object a line.

    Args:
        limit: How many.
        seed: Which ones; any number gives others.
        split: The splits share no problem; train on `train` alone.
    """
    for problem in generate_problems(limit, seed=seed, split=split):
        print_text(orjson.dumps(problem.model_dump(mode="json")).decode())
    return 0


@app.command(help_epilogue="Example: critique-graph miniature train --out miniature --seed 1")
def train(*, out: Path, seed: int = 0, smoke: Flag = False, json: Flag = False) -> int:
    """Remake both models from nothing, with the project's own trainer.

    Args:
        out: Folder for `actor/` and `critic/`; use them as `hf:OUT/actor` and `hf:OUT/critic`. The same command
            again goes on after the last finished stage.
        seed: Seeds the weights, the data and its order.
        smoke: Every stage with a few optimizer steps: learns nothing, shows that it runs.
        json: Print what each stage did as one JSON object.
    """
    try:
        from critique_graph.miniature.train import SMOKE, Plan, train_miniature
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="miniature train") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    stages = train_miniature(out, seed=seed, plan=SMOKE if smoke else Plan())
    if json:
        print_json({name: asdict(stage) for name, stage in stages.items()})
    else:
        for name, stage in stages.items():
            stdout.print(f"{name}: loss {stage.loss_first:.3f} -> {stage.loss_last:.3f} in {stage.steps} steps")
    log.print(f"written: {out}/actor, {out}/critic", markup=False)
    return 0


@app.command(
    name="eval", help_epilogue="Example: critique-graph miniature eval --actor miniature/actor -n 1000 --seed 9"
)
def evaluate(
    *,
    actor: Path | None = None,
    critic: Path | None = None,
    limit: Annotated[int, Parameter(alias="-n")] = 400,
    seed: int = 1000,
    json: Flag = False,
) -> int:
    """Measure a pair on fresh test problems by exact labels: accuracy, verdicts, located errors, gain.

    Args:
        actor: Folder of the actor; by default the shipped one.
        critic: Folder of the critic; by default the shipped one.
        limit: How many problems.
        seed: Which problems.
        json: Print one JSON object.
    """
    folders = actor or weights_path("actor"), critic or weights_path("critic")
    for folder in folders:
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: there is no model in this folder.")
    try:
        from critique_graph.miniature.evaluate import Evaluation, evaluate_miniature
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="miniature eval") from error
    found: dict[str, Any] = TypeAdapter(Evaluation).dump_python(
        evaluate_miniature(*folders, n=limit, seed=seed), mode="json"
    )
    if json:
        print_json(found)
        return 0
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, rates in found.items():
        for level, rate in rates.items() if "value" not in rates else [("", rates)]:
            value = Rate.model_validate(rate)
            table.add_row(f"{name.replace('_', ' ')} {level}", percent(value), f"n = {value.n}")
    stdout.print(table)
    return 0
