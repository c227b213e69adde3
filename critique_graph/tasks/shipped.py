"""The tasks that ship, and how a setting names one of them or a task of the user's own."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Annotated, Any, cast

from cyclopts import Parameter
from pydantic import BeforeValidator, InstanceOf, PlainSerializer

from critique_graph.core.errors import InputError, first_line, one_line
from critique_graph.core.prompts import DEFAULT_PROMPTS, Prompts
from critique_graph.core.prompts_file import PromptsGiven, read_prompts
from critique_graph.core.settings import PROBLEMS
from critique_graph.tasks.choice import CHOICE
from critique_graph.tasks.code import CODE, CODE_SEEN_TESTS
from critique_graph.tasks.task import MATH, Task
from critique_graph.tasks.text import EXACT, REGEX

SHIPPED = {task.name: task for task in (MATH, CHOICE, EXACT, REGEX, CODE, CODE_SEEN_TESTS)}
TaskGiven = Task | str
"""A task, the name of one that ships, `rubric:MODEL`, or `module:object`."""
_RUBRIC = "critique_graph.rubric"
"""Imported by its name alone: it needs models, which lie above this floor."""


def read_task(given: TaskGiven) -> Task:
    """Give the task that is named.

    `module:object` is imported as Python would from the current folder; the task then has that name, by which a run
    knows it again.

    Raises:
        InputError: There is no such task.
    """
    if isinstance(given, Task):
        return given
    if given in SHIPPED:
        return SHIPPED[given]
    module, colon, name = given.partition(":")
    if module == "rubric":
        return cast("Task", import_module(_RUBRIC).rubric_task(name))
    if not colon:
        names = ", ".join((*SHIPPED, "rubric:MODEL"))
        raise InputError(f"there is no task {given!r}; those that ship are {names}. Your own is named module:object.")
    if os.getcwd() not in sys.path:  # the command `critique-graph` does not put it there
        sys.path.append(os.getcwd())
    try:
        found = getattr(import_module(module), name, None)
    except Exception as error:
        raise InputError(one_line(f"task {given}: {module} cannot be imported: {first_line(error)}")) from error
    if not isinstance(found, Task):
        what = "there is no such object" if found is None else f"it is a {type(found).__name__}"
        raise InputError(f"task {given}: {what}; it must be a critique_graph.Task.")
    return replace(found, name=given)


def known_task(name: str) -> Task:
    """Give the task that ships with a name that was recorded; for a task of one's own, mathematics."""
    return SHIPPED.get(name, MATH)


def recorded_wording(settings: Mapping[str, object]) -> Prompts:
    """Give the wording of training rows from the settings that a run records.

    In mathematics it is the default, with which trained models are asked, whatever the run's own wording was; rows of
    another task have the wording of the run, since responses end as it says.

    Raises:
        InputError: The run records a task and no wording, and the task cannot be found.
    """
    task, prompts = str(settings.get("task", MATH.name)), settings.get("prompts")
    if task == MATH.name:
        return DEFAULT_PROMPTS
    return read_task(task).prompts if prompts is None else read_prompts(cast("PromptsGiven", prompts))


def wording_of_rows(settings: Mapping[str, object]) -> str | None:
    """Give `recorded_wording` as JSON, as rows of data sets have it; None in mathematics."""
    is_math = settings.get("task", MATH.name) == MATH.name
    return None if is_math else recorded_wording(settings).model_dump_json()


def _from_setting(given: Any) -> Any:
    return read_task(given) if isinstance(given, str) else given


TaskSetting = Annotated[
    InstanceOf[Task],
    BeforeValidator(_from_setting),
    PlainSerializer(lambda task: task.name, return_type=str),
    PROBLEMS,
    Parameter(
        accepts_keys=False,
        n_tokens=1,
        converter=lambda _, tokens: tokens[0].value,
        show_default=lambda task: task.name,
    ),
]
"""A setting that takes a task in any of its forms."""
