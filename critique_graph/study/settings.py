"""Settings of `critique-graph study`."""

from typing import Annotated, Any, Literal

from cyclopts import Parameter
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from critique_graph.core.context import ChainContext
from critique_graph.core.role_model import RoleModel, read_role
from critique_graph.core.settings import MODELS, PROBLEMS, SAMPLING
from critique_graph.problems.settings import ProblemSettings
from critique_graph.study.learning_settings import LearningSettings
from critique_graph.tasks.task import MATH, Task
from critique_graph.verbs.settings import PairSettings

PartName = Literal[
    "difficulty", "scaling", "stability", "sequential", "sizes", "critics", "critiques", "training", "self_talk"
]
MINIATURE_PROBLEMS = 200
"""Number of the miniature's problems, if no limit is given; a study divides them by level."""


def _split(given: Any) -> Any:
    """Divide values at commas, so that a flag can be repeated or have several values; a mapping stays whole."""
    values = [given] if isinstance(given, str) else given
    if not isinstance(values, list | tuple):
        return given
    return tuple(part for value in values for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    return value.split(",") if isinstance(value, str) and not value.lstrip().startswith("{") else [value]


def _roles(given: Any, info: ValidationInfo) -> Any:
    return tuple(read_role(role, str(info.field_name)) for role in _split(given))


_LIST = Parameter(consume_multiple=False, negative="", show_default=False)
RoleSettings = Annotated[tuple[RoleModel, ...], BeforeValidator(_roles), MODELS, _LIST, Parameter(accepts_keys=False)]
"""A setting that takes several models."""


class StudySettings(PairSettings, ChainContext, LearningSettings, ProblemSettings):
    """Settings of `critique-graph study`."""

    only: Annotated[tuple[PartName, ...], BeforeValidator(_split), PROBLEMS, _LIST] = ()
    """Parts to run, with commas between: `difficulty`, `scaling`, `stability`, `sequential`, `sizes`, `critics`,
    `critiques`, `training`, `self_talk`; empty: all of them."""
    actors: RoleSettings = ()
    """Actors that `sizes` compares with one critic, from the smallest to the largest; empty: the miniature's two
    beside its actor, else the actor alone."""
    critics: RoleSettings = ()
    """Critics that `critics` compares with the critic; empty: the actor, which then criticises itself."""
    samples: Annotated[int, SAMPLING] = Field(default=16, ge=2, le=4096)
    """Number of responses per problem that are critiqued and refined; twice as many again set the level of difficulty
    and vote without a critic. The paper has 1,000 for `stability`, and 100 for levels."""
    rounds: Annotated[int, SAMPLING] = Field(default=7, ge=1, le=100)
    """Number of rounds of a chain in `sequential`."""
    chains: Annotated[int, SAMPLING] = Field(default=2, ge=1, le=512)
    """Number of chains per problem over which the figures of `sequential` are averaged."""

    limit: Annotated[int | None, Parameter(alias="-n"), PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of problems; empty: 200 of the miniature, all of a file."""

    @field_validator("task")
    @classmethod
    def _check_task(cls, task: Task) -> Task:
        if task.name != MATH.name:
            raise ValueError(f"the parts of a study are of mathematics alone, got {task.name!r}")
        return task

    @property
    def sized_actors(self) -> tuple[RoleModel, ...]:
        """The actors in force, from the smallest to the largest."""
        smaller = (RoleModel(model="miniature:small-actor"),) if self.actor.model == "miniature:actor" else ()
        return self.actors or (*smaller, self.actor)

    @property
    def problem_limit(self) -> int | None:
        """The limit in force."""
        return self.limit or (MINIATURE_PROBLEMS if self.problems == "miniature" else None)
