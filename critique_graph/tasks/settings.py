"""The setting that names a task."""

from pydantic import Field

from critique_graph.core.settings import Settings
from critique_graph.tasks.shipped import TaskSetting
from critique_graph.tasks.task import MATH


class TaskSettings(Settings):
    """The task of every verb that asks models or reads problems."""

    task: TaskSetting = Field(default_factory=lambda: MATH)  # a default would be copied
    """Task that the problems are of: `math`, `choice` (letters), `exact` or `regex` (free text), `code`
    (programs with unit tests, which run confined on this machine), `code-seen-tests` (as `code`; the critic is told how
    the tests ended), `rubric:MODEL` (free text that a model grades by the criteria of each problem), or
    `module:object`, a task of your own."""
