"""Self-improvement with fakes that learn: a trained actor is a file that says how many sums it gets right.

In a process of its own, it kills itself in a certain stage.
"""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Literal

from hashed_model import HashedModel, addition_problems

from critique_graph.improve.graph import create_self_improve
from critique_graph.improve.problems import ImprovementProblems
from critique_graph.trainers.train_process import Trained, TrainingOrder

Stage = Literal["explore", "train", "evaluate"]
START = "hf:start"
_PROBLEMS = addition_problems(40)
PROBLEMS = ImprovementProblems(_PROBLEMS[:20], _PROBLEMS[20:30], _PROBLEMS[30:])


def load(spec: Any) -> HashedModel:
    """Give the actor of a model string."""
    if not isinstance(spec, str):
        return spec  # type: ignore[no-any-return]
    skill = 100 if spec == START else json.loads((Path(spec.partition(":")[2]) / "skill.json").read_text())
    return HashedModel(model=spec, skill=skill)


class FakeTrainer:
    """Makes an actor that gets more right, the more rows it learns; remembers its orders."""

    def __init__(self, skill: Callable[[int], int] = lambda rows: 100 + rows) -> None:
        self.skill = skill
        self.orders: list[TrainingOrder] = []
        self.learned: list[list[Any]] = []

    def __call__(self, order: TrainingOrder) -> Trained:
        self.orders.append(order)
        rows = [json.loads(line) for line in order.rows.read_text().splitlines()]
        self.learned.append(rows)
        order.out.mkdir(exist_ok=True)
        (order.out / "skill.json").write_text(str(self.skill(len(rows))))
        return Trained(
            rows=len(rows),
            steps=1,
            loss_first=2.0,
            loss_last=1.0,
            tokens=100,
            seconds=1.0,
            device="fake",
            learning_rate=2e-4,
        )


def improved(out: Path, trainer: Any = None, *, critic: Any = "fake", **settings: Any) -> dict[str, Any]:
    """Improve, or go on with it."""
    graph = create_self_improve(
        START,
        HashedModel(model="critic") if critic == "fake" else critic,
        problems=settings.pop("problems", PROBLEMS),
        trainer=trainer or FakeTrainer(),
        load=load,
        **{"iterations": 2, "samples": 4, "refinements": 3, **settings},
    ).compile()
    return dict(graph.invoke({"out": str(out)}))


def start(out: Path, stage: Stage) -> ForkServerProcess:
    """Improve in a process that dies in the second iteration's `stage`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["learning"])
    process = context.Process(target=_improve_and_die, args=(out, stage))
    process.start()
    return process


def _improve_and_die(out: Path, stage: Stage) -> None:
    class Mortal(HashedModel):
        deadly: bool = False
        asked: int = 0

        def _generate(self, *arguments: Any, **kwargs: Any) -> Any:
            self.asked += 1
            if self.deadly and self.asked == 7:
                os.kill(os.getpid(), signal.SIGKILL)
            return super()._generate(*arguments, **kwargs)

    class MortalTrainer(FakeTrainer):
        def __call__(self, order: TrainingOrder) -> Trained:
            if stage == "train" and "iteration-2" in str(order.out):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__call__(order)

    loads = {"explore": "iteration-1", "evaluate": "iteration-2"}

    def load_mortal(spec: Any) -> HashedModel:
        model = load(spec)
        # The actor of iteration 1 is first loaded to be measured, twice, and then to explore.
        seen[model.model] = seen.get(model.model, 0) + 1
        is_deadly = loads.get(stage, "never") in model.model and seen[model.model] == (3 if stage == "explore" else 1)
        return Mortal(model=model.model, skill=model.skill, deadly=is_deadly)

    seen: dict[str, int] = {}
    create_self_improve(
        START,
        HashedModel(model="critic"),
        problems=PROBLEMS,
        trainer=MortalTrainer(),
        load=load_mortal,
        iterations=2,
        samples=4,
        refinements=3,
    ).compile().invoke({"out": str(out)})
