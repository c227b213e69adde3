"""Critique-in-the-loop self-improvement as a graph whose nodes are the stages of an iteration.

    resume ─► evaluate ─► explore ─► select ─► train ─► evaluate ─► (explore …)

The nodes of other graphs work on one problem; these nodes drive runs over problem sets (`stages.py`), each in a folder
from which it can be resumed. The state holds only names and records. The method is that of arXiv 2411.16579 as its
official scripts run it (`selfimprove/`, commit 569e62e): sample N responses per problem, critique the wrong ones and
refine each up to K times, keep the correct ones, train from the base, repeat. We differ in these points:

1. `refine_until_right` stops at the first correct refinement; the scripts draw K and keep one that is correct.
2. The guard against shortcuts (`is_shortcut`) does not count numbers of a reference solution, which may not exist.
3. The best iteration is chosen on validation problems; the scripts keep the last one.
4. The settings of `ImprovementContext` that are marked as ours.
5. With `critic_learns`, the critic takes a turn in every stage (`critic_turn.py`); the scripts' critic stays as it is.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import orjson
from langgraph.graph import END, START, StateGraph

from critique_graph.calls.breaker import Patience
from critique_graph.calls.players import PlainModel, in_force
from critique_graph.core.async_node import emit
from critique_graph.core.errors import RunError
from critique_graph.core.files import write_atomically
from critique_graph.core.prompts import DEFAULT_PROMPTS
from critique_graph.core.prompts_file import PromptsGiven, read_prompts
from critique_graph.core.role_model import RoleModel
from critique_graph.grading.grader import Grader
from critique_graph.improve.actor_server import ActorServer
from critique_graph.improve.critic_turn import CriticTurn, Practice, critic_rows, figures
from critique_graph.improve.problems import ImprovementProblems, miniature_problems
from critique_graph.improve.records import (
    ITERATION_SCHEMA,
    ActorEvaluation,
    Iteration,
    best_of,
    hard_levels,
    with_compute,
)
from critique_graph.improve.stages import CRITIC, MODEL, NO_CRITIC, Improver, iteration_folder, learning_critic
from critique_graph.improve.state import ImprovementContext, SelfImproveInput, SelfImproveOutput, SelfImproveState
from critique_graph.improve.weights import weights_hash
from critique_graph.models.load import load_model
from critique_graph.models.model_string import ModelString
from critique_graph.models.roles import load_role, name_of, plain_model
from critique_graph.runs.drive import CONCURRENCY
from critique_graph.runs.progress import Progress
from critique_graph.solve.summary import Summary
from critique_graph.tasks.shipped import TaskGiven, read_task
from critique_graph.tasks.task import MATH
from critique_graph.trainers.train_process import Trainer, train_in_own_process

RECORD, BEST = "record.json", "best.json"
ImprovementStage = Literal["resume", "evaluate", "explore", "select", "train"]
SelfImproveGraph = StateGraph[SelfImproveState, ImprovementContext, SelfImproveInput, SelfImproveOutput]
_READABLE = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
STEPS = 4
"""Super-steps of an iteration: explore, select, train, evaluate."""
_BEFORE = {"critic_learns": False}
"""Settings that records of earlier versions do not have."""
_COMPLETE = {"state": "complete", "reason": None}


def create_self_improve(
    actor: str = "miniature:actor",
    critic: PlainModel | RoleModel | None = "miniature:critic",
    *,
    base: str | None = None,
    test_critic: PlainModel | RoleModel | None = None,
    problems: ImprovementProblems | None = None,
    grader: Grader | None = None,
    trainer: Trainer = train_in_own_process,
    load: Callable[[PlainModel], Any] = load_model,
    progress: Callable[[str], Progress] | None = None,
    concurrency: int = CONCURRENCY,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    prompts: PromptsGiven = DEFAULT_PROMPTS,
    task: TaskGiven = MATH,
    server: ActorServer | None = None,
    **settings: Any,
) -> SelfImproveGraph:
    """Create the graph of an actor's self-improvement, uncompiled. The same input again resumes.

    Example:
        >>> graph = create_self_improve(iterations=1, samples=4, learning_rate=1e-3).compile()
        >>> result = graph.invoke({"out": "runs/improved"})
        >>> result["best"]["model"]  # "hf:runs/improved/iteration-1/model"

    Args:
        actor: Model to improve, which explores first: `hf:NAME_OR_PATH`, `vllm:NAME_OR_PATH` or `miniature:actor`.
        critic: Model that judges wrong responses in every iteration. None or `none`: vanilla self-improvement.
        base: Model from which every training starts; None: the actor.
        test_critic: Critic of one round in the evaluations; None: `critic`, as it is then; `none`: the actor is
            measured alone.
        problems: Problems for training, validation and test; None: 300, 200 and 300 of the miniature.
        grader: Reads and grades answers; by default that of the task.
        trainer: Trains an actor; by default in another process, while this process has no model loaded.
        load: Gives the model for a model string.
        progress: Gives the display of a stage, by its title; nothing is shown by default.
        concurrency: Number of problems in flight at once.
        patience: How long calls wait for a server.
        prompts: Wording of the prompts, which the actor is trained with, too.
        task: Task that the problems are of: a record, the name of one that ships, or `module:object`.
        server: Servers that the actors play on; None: they are loaded in this process.
        settings: Fields of `ImprovementContext`.

    Raises:
        TypeError: A critic is neither a string nor a chat model, or arguments are bound to it.
        pydantic.ValidationError: A setting is unknown or out of its range.
    """
    for role, model in (("critic", critic), ("test_critic", test_critic)):
        if model is not None and not isinstance(model, RoleModel):
            plain_model(role, model)
    defaults = ImprovementContext(**settings)
    judge = critic if test_critic is None else test_critic
    chosen = read_task(task)
    if grader is not None:
        chosen = replace(chosen, grader=grader)
    improver = Improver(
        critic=None if critic == NO_CRITIC else critic,
        test_critic=None if judge == NO_CRITIC else judge,
        is_test_critic_given=test_critic is not None,
        problems=problems or miniature_problems(seed=defaults.seed),
        task=chosen,
        trainer=trainer,
        load=lambda model: load_role("critic", model) if isinstance(model, RoleModel) else load(model),
        progress=progress or (lambda title: Progress(quiet=True)),
        concurrency=concurrency,
        patience=patience,
        prompts=chosen.worded(read_prompts(prompts)),
        server=server,
    )
    stages = _Stages(improver, actor, base or actor, defaults)
    builder = StateGraph(
        SelfImproveState,
        context_schema=ImprovementContext,
        input_schema=SelfImproveInput,
        output_schema=SelfImproveOutput,
    )
    builder.add_node("resume", stages.resume)
    builder.add_node("evaluate", stages.evaluate)
    builder.add_node("explore", stages.explore)
    builder.add_node("select", stages.select)
    builder.add_node("train", stages.train)
    builder.add_edge(START, "resume")
    builder.add_conditional_edges("resume", stages.after_evaluation, ["evaluate", "explore", END])
    builder.add_conditional_edges("explore", _unless_ended("select"), ["select", END])
    builder.add_conditional_edges("select", _unless_ended("train"), ["train", END])
    builder.add_edge("train", "evaluate")
    builder.add_conditional_edges("evaluate", stages.after_evaluation, ["explore", END])
    return builder


class _Stages:
    """The nodes of the graph. They block; LangGraph runs them in threads if it has an event loop."""

    def __init__(self, improver: Improver, actor: str, base: str, defaults: ImprovementContext) -> None:
        self._improver = improver
        self._actor = actor
        self._base = base
        self._defaults = defaults
        sets = improver.problems
        self._hard = hard_levels([*sets.training, *sets.validation, *sets.test])

    def resume(self, state: SelfImproveState) -> dict[str, Any]:
        """Read what earlier sessions finished.

        Raises:
            InputError: The critic is to learn, and cannot be trained here.
            RunError: The folder was begun with other settings.
        """
        if self._context().critic_learns:
            learning_critic(self._improver.critic)
        out, settings = Path(state["out"]), self._recorded()
        start: dict[str, Any] | None = None
        iterations: list[dict[str, Any]] = []
        for index in range(self._context().iterations + 1):
            file = iteration_folder(out, index) / RECORD
            if not file.is_file():
                break
            record = orjson.loads(file.read_bytes())
            known = _BEFORE | record.pop("settings")
            del record["schema"]
            for name, value in settings.items():
                if known.get(name) != value:
                    raise RunError(
                        f"{out} was begun with {name} {known.get(name)!r}, not {value!r}. Use another folder."
                    )
            if index:
                iterations.append(record)
            else:
                start = record
        begun = {"index": len(iterations), "start": start, "iterations": iterations, "draft": {}, "best": {}}
        return begun | {"end": self._end(state, start, iterations)} | self._best(out, start, iterations)

    def explore(self, state: SelfImproveState) -> dict[str, Any]:
        index = state["index"] + 1
        actor = state["iterations"][-1]["model"] if state["iterations"] else self._actor
        emit("stage", iteration=index, stage="explore")
        context, folder = self._context(), iteration_folder(Path(state["out"]), index)
        learned = self._learned(state)
        end = self._improver.explore(context, index, actor, learned or self._improver.critic, folder)
        draft: dict[str, Any] = {"actor": actor, "summary": end.model_dump(mode="json")}
        if learned is not None and end.state == "complete":
            emit("stage", iteration=index, stage="practise")
            end = self._improver.practise(context, index, actor, learned, folder)
            draft["practice"] = end.model_dump(mode="json")
        return {"index": index, "draft": draft, "end": _ended(end, f"iteration {index}, explore")}

    def select(self, state: SelfImproveState) -> dict[str, Any]:
        index, context, out = state["index"], self._context(), Path(state["out"])
        explored = Summary.model_validate(state["draft"]["summary"])
        kept = self._improver.select(context, index, out, explored, self._hard)
        if kept is None:
            tried = len(self._improver.problems.training) * context.samples
            reason = f"iteration {index} kept nothing: none of {tried} responses was correct"
            if self._improver.critic is not None:
                reason += ", nor any refinement"
            return {"end": {"state": "stopped_early", "reason": reason}}
        emit("selected", iteration=index, **kept.model_dump(mode="json"))
        draft = {"actor": state["draft"]["actor"], **kept.model_dump(mode="json")}
        if (learned := self._learned(state)) is not None:
            practice = critic_rows(
                iteration_folder(out, index),
                [iteration_folder(out, earlier) for earlier in range(1, index)],
                Summary.model_validate(state["draft"]["practice"]),
                critic=learned,
                prompts=self._improver.prompts,
                seed=context.seed + index,
            )
            draft["critic"] = practice.model_dump(mode="json")
        return {"draft": draft}

    def train(self, state: SelfImproveState) -> dict[str, Any]:
        index, context = state["index"], self._context()
        folder = iteration_folder(Path(state["out"]), index)
        actor = state["draft"]["actor"]
        parent = actor if context.train_from == "last" else self._base
        emit("stage", iteration=index, stage="train", rows=state["draft"]["rows"])
        done = self._improver.train(context, index, parent, folder)
        made = {
            "parent": parent,
            "parent_hash": weights_hash(parent),
            "model": ModelString.parse(actor).trained_into(folder / MODEL),
            **figures(done),
        }
        if "critic" in state["draft"]:
            made["critic"] = self._train_critic(Practice.model_validate(state["draft"]["critic"]), index, folder)
        return {"draft": {**state["draft"], **made}}

    def _train_critic(self, practice: Practice, index: int, folder: Path) -> dict[str, Any]:
        """Train the critic from its start, if there are rows; otherwise it stays as it is."""
        start, model, done = learning_critic(self._improver.critic), practice.critic, None
        if practice.rows:
            emit("stage", iteration=index, stage="train critic", rows=practice.rows)
            done = self._improver.train(self._context(), index, start, folder, "critic")
            model = ModelString.parse(start).trained_into(folder / CRITIC)
        return CriticTurn.of(practice, model, done).model_dump(mode="json")

    def evaluate(self, state: SelfImproveState) -> dict[str, Any]:
        index, context, out = state["index"], self._context(), Path(state["out"])
        folder, draft = iteration_folder(out, index), state["draft"]
        actor = draft["model"] if index else self._actor
        learned = draft["critic"]["model"] if "critic" in draft else self._learned(state)
        emit("stage", iteration=index, stage="evaluate")
        end, evaluation = self._improver.evaluate(context, index, actor, out, self._hard, learned)
        if end.state != "complete":
            return {"end": _ended(end, f"iteration {index}, evaluate")}
        found: ActorEvaluation = evaluation
        if index:
            changed = self._improver.changed(out, index)
            found = Iteration(index=index, changed=changed, **draft | evaluation.model_dump(mode="json"))
            found = with_compute(found, critic=self._recorded()["critic"])
        record = found.model_dump(mode="json")
        start = state["start"] if index else record
        iterations = [*state["iterations"], record] if index else []
        content = {"schema": ITERATION_SCHEMA, "settings": self._recorded(), **record}
        write_atomically(folder / RECORD, [orjson.dumps(content, option=_READABLE)])
        measured = {"start": start, "iterations": iterations, "end": self._end(state, start, iterations)}
        return measured | self._best(out, start, iterations)

    def after_evaluation(self, state: SelfImproveState) -> str:
        if state["end"]["state"] != "complete":
            return END
        if state["start"] is None:
            return "evaluate"
        return "explore" if len(state["iterations"]) < self._context().iterations else END

    def _end(
        self, state: SelfImproveState, start: dict[str, Any] | None, iterations: list[dict[str, Any]]
    ) -> dict[str, Any]:
        """Give the end as it stands: early if LangGraph's recursion limit leaves too few super-steps to go on."""
        needed = 1 if start is None else STEPS if len(iterations) < self._context().iterations else 0
        if state["remaining_steps"] - 1 >= needed:
            return _COMPLETE
        reason = (
            f"LangGraph's recursion limit leaves too few super-steps for iteration {len(iterations) + 1}; "
            f"an iteration takes {STEPS}, and the same input again goes on"
        )
        return {"state": "stopped_early", "reason": reason}

    def _context(self) -> ImprovementContext:
        return in_force(self._defaults)

    def _learned(self, state: SelfImproveState) -> str | None:
        """Give the critic that learns, as the last finished iteration left it; None if it does not learn."""
        if not self._context().critic_learns:
            return None
        last = state["iterations"][-1]["critic"]["model"] if state["iterations"] else None
        return last or learning_critic(self._improver.critic)

    def _recorded(self) -> dict[str, Any]:
        """Give the settings that all iterations of a folder must share."""
        improver, sets = self._improver, self._improver.problems
        return {
            "actor": self._actor,
            "base": self._base,
            "critic": None if improver.critic is None else name_of(improver.critic),
            "test_critic": None if improver.test_critic is None else name_of(improver.test_critic),
            "training_problems": len(sets.training),
            "validation_problems": len(sets.validation),
            "test_problems": len(sets.test),
            **self._context().model_dump(mode="json", exclude={"iterations"}),
        }

    def _best(self, out: Path, start: dict[str, Any] | None, iterations: list[dict[str, Any]]) -> dict[str, Any]:
        if start is None:
            return {}
        best = best_of(ActorEvaluation.model_validate(start), [Iteration.model_validate(found) for found in iterations])
        write_atomically(out / BEST, [best.model_dump_json(indent=2).encode()])
        return {"best": best.model_dump(mode="json")}


def _unless_ended(stage: ImprovementStage) -> Callable[[SelfImproveState], str]:
    return lambda state: stage if state["end"]["state"] == "complete" else END


def _ended(end: Summary, stage: str) -> dict[str, Any]:
    return {"state": end.state, "reason": end.reason and f"{stage}: {end.reason}"}
