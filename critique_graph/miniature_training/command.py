"""`critique-graph miniature …`: its problems, its training, its evaluation."""

import asyncio
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import App, Parameter
from cyclopts.validators import Number
from rich.table import Table

from critique_graph.core.errors import MissingDependencyError
from critique_graph.miniature.task import Split, generate_problems
from critique_graph.miniature_training.evaluate import PairEvaluation, evaluate_pair
from critique_graph.miniature_training.report import evaluation_rows
from critique_graph.output.terminal import Flag, log, print_json, print_text, stdout

app = App(
    name="miniature",
    help="The embedded pair of tiny models: its problems, its training, its evaluation.",
    help_epilogue="Example: critique-graph miniature problems -n 3",
)


@app.command(help_epilogue="Example: critique-graph miniature problems -n 1000 --seed 7 > problems.jsonl")
def problems(
    *, limit: Annotated[int, Parameter(alias="-n", validator=Number(gte=0))] = 10, seed: int = 0, split: Split = "test"
) -> int:
    """Print fresh problems with their answers, one JSON object per line.

    Args:
        limit: Number of problems.
        seed: Seed for drawing the problems; every number gives other problems.
        split: Split of the problems; no problem is in two splits, and training should use `train` only.
    """
    for problem in generate_problems(limit, seed=seed, split=split):
        print_text(orjson.dumps(problem.model_dump(mode="json")).decode())
    return 0


@app.command(help_epilogue="Example: critique-graph miniature train --out miniature --seed 1")
def train(*, out: Path, seed: int = 0, smoke: Flag = False, json: Flag = False) -> int:
    """Train both models again from scratch, with the project's own trainer.

    Args:
        out: Folder for `actor/` and `critic/`; use them as `hf:OUT/actor` and `hf:OUT/critic`. The same command
            again continues from the last checkpoint.
        seed: Seed of the weights, the data and its order.
        smoke: Run every stage with a few optimizer steps: this learns nothing, but shows that the stages run.
        json: Print the record of each stage as one JSON object.
    """
    try:
        from critique_graph.miniature_training.train import SMOKE, Plan, train_miniature
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="miniature train") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    stages = train_miniature(out, seed=seed, plan=SMOKE if smoke else Plan())
    if json:
        print_json({name: asdict(stage) for name, stage in stages.items()})
    else:
        for name, stage in stages.items():
            stdout.print(f"{name}: loss {stage.losses[0]:.3f} -> {stage.losses[-1]:.3f} in {stage.steps} steps")
    log.print(f"written: {out}/actor, {out}/critic", markup=False)
    return 0


@app.command(
    name="eval",
    help_epilogue="Example: critique-graph miniature eval --actor hf:OUT/actor --critic hf:OUT/critic -n 1000 --seed 9",
)
def evaluate(
    *,
    actor: str = "miniature:actor",
    critic: str = "miniature:critic",
    limit: Annotated[int, Parameter(alias="-n", validator=Number(gte=1))] = 400,
    seed: int = 1000,
    samples: Annotated[int, Parameter(validator=Number(gte=1))] = 16,
    json: Flag = False,
) -> int:
    """Measure a pair on fresh test problems with exact labels: actor, critic, one round, baselines, majority vote.

    Args:
        actor: Model string of the actor.
        critic: Model string of the critic.
        limit: Number of problems.
        seed: Seed for drawing the problems.
        samples: Number of sampled answers to every problem.
        json: Print one JSON object.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    found = asyncio.run(evaluate_pair(actor, critic, n=limit, seed=seed, samples=samples))
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        stdout.print(_evaluation_table(found))
    return 0


def _evaluation_table(evaluation: PairEvaluation) -> Table:
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in evaluation_rows(evaluation):
        table.add_row(name, value)
    return table
