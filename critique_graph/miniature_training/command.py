"""`critique-graph miniature …`: its problems, its training, its evaluation."""

import asyncio
import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import orjson
from cyclopts import Parameter
from cyclopts.validators import Number
from rich.table import Table

from critique_graph.core.errors import MissingDependencyError
from critique_graph.miniature.task import Split, generate_problems
from critique_graph.miniature_training.evaluate import PairEvaluation, evaluate_pair
from critique_graph.miniature_training.report import evaluation_rows
from critique_graph.output.terminal import Flag, log, print_json, print_text, stdout


def problems(
    *, limit: Annotated[int, Parameter(alias="-n", validator=Number(gte=0))] = 10, seed: int = 0, split: Split = "test"
) -> int:
    """Print fresh problems with their answers, one JSON object per line.

    Args:
        limit: Number of problems to print.
        seed: Seed by which the problems are drawn.
        split: Split of the problems; splits share no problem, and `train` alone is for training.
    """
    for problem in generate_problems(limit, seed=seed, split=split):
        print_text(orjson.dumps(problem.model_dump(mode="json")).decode())
    return 0


def train(
    *,
    out: Path,
    seed: int = 0,
    width: Annotated[int, Parameter(validator=Number(gte=8, modulo=8))] = 128,
    actor_alone: Flag = False,
    smoke: Flag = False,
    json: Flag = False,
) -> int:
    """Train both models again from scratch, with the project's own trainer.

    Args:
        out: Folder for `actor/` and `critic/`; use them as `hf:OUT/actor` and `hf:OUT/critic`. The same command
            again continues from the last checkpoint.
        seed: Root seed of the weights, the data and its order.
        width: Width of the models; the shipped pair has 128.
        actor_alone: Make the actor and no critic, for example to have actors of several sizes.
        smoke: Run every stage with a few optimizer steps: the models learn nothing, but it shows that training runs.
        json: Print what each stage did as one JSON object.
    """
    try:
        from critique_graph.miniature_training.train import SMOKE, Plan, train_miniature
    except ImportError as error:
        raise MissingDependencyError(str(error.name), extra="train", purpose="miniature train") from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    plan = replace(SMOKE if smoke else Plan(), width=width)
    stages = train_miniature(out, seed=seed, plan=replace(plan, critic=0) if actor_alone else plan)
    if json:
        print_json({name: asdict(stage) for name, stage in stages.items()})
    else:
        for name, stage in stages.items():
            stdout.print(f"{name}: loss {stage.losses[0]:.3f} -> {stage.losses[-1]:.3f} in {stage.steps} steps")
    log.print(f"written: {', '.join(f'{out}/{name}' for name in ('actor', 'critic') if name in stages)}")
    return 0


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
        actor: Model string of the actor to measure.
        critic: Model string of the critic to measure.
        limit: Number of problems to measure on.
        seed: Seed by which the problems are drawn.
        samples: Number of sampled answers to every problem.
        json: Print the figures as one JSON object.
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
