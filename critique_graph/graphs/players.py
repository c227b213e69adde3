"""The players of a graph, with what loads their models, and the task that says how their answers are graded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from critique_graph.calls.caller import CallLog
from critique_graph.calls.players import Model, Players, unbound
from critique_graph.core.context import GraphSettings
from critique_graph.core.prompts_file import PromptsGiven, read_prompts
from critique_graph.core.schema import Role
from critique_graph.grading.grader import Grader
from critique_graph.models.load import load_model
from critique_graph.tasks.shipped import TaskGiven, read_task
from critique_graph.tasks.task import MATH

Context = TypeVar("Context", bound=GraphSettings)


def new_players(
    models: Mapping[Role, Model],
    defaults: Context,
    grader: Grader | None,
    log: CallLog | None,
    prompts: PromptsGiven,
    task: TaskGiven = MATH,
) -> Players[Context]:
    """Make the players of a graph.

    Args:
        models: Model of each role, as a chat model or a string.
        defaults: Settings that an invocation may change.
        grader: Reads, compares and grades answers; None: that of the task.
        log: Journal of finished calls; None: none is kept.
        prompts: Wording of the prompts; nodes whose wording is the default have that of the task.
        task: Task that the problem is of.

    Raises:
        InputError: There is no such task, or this machine lacks what it needs; a file or name of a wording does not
            exist, or a node or a slot in it is missing or unknown.
        TypeError: A model is neither a string nor a chat model.
        ValueError: A model has an argument bound that the graph sets.
    """
    for role, model in models.items():
        unbound(role, model)
    chosen = read_task(task)
    chosen.require()
    if grader is not None:
        chosen = replace(chosen, grader=grader)
    return Players(models, defaults, chosen, load_model, log, chosen.worded(read_prompts(prompts)))
