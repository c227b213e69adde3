"""Settings that say which problems a verb works on."""

from typing import Annotated, Any

from cyclopts import Parameter
from pydantic import Field

from critique_graph.core.settings import PROBLEMS, SAMPLING
from critique_graph.problems.load import MINIATURE_LIMIT
from critique_graph.tasks.settings import TaskSettings


class ProblemSettings(TaskSettings):
    """Which problems a verb works on, and how many at once."""

    problems: Annotated[str, Parameter(show=False)] = "miniature"
    """Problem set: `miniature`, a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`."""
    question_field: Annotated[str | None, PROBLEMS] = None
    """Column that holds the question, if its name is unusual."""
    answer_field: Annotated[str | None, PROBLEMS] = None
    """Column that holds the reference answer, if its name is unusual."""
    limit: Annotated[int | None, Parameter(alias="-n"), PROBLEMS] = Field(default=None, ge=1)
    """Maximum number of problems; empty: 100 of the miniature, all of a file."""
    concurrency: Annotated[int, PROBLEMS] = Field(default=64, ge=1)
    """Number of problems that are worked on at the same time."""
    seed: Annotated[int, SAMPLING] = 0
    """Root seed, from which the miniature's problems, every call's seed and every random choice derive."""

    @property
    def problem_limit(self) -> int | None:
        """The limit in force; the miniature needs one, because its generator never ends."""
        return self.limit or (MINIATURE_LIMIT if self.problems == "miniature" else None)

    @property
    def with_solutions(self) -> bool:
        """Whether worked solutions are read with the problems."""
        return False

    def naming(self, problems: str | None) -> dict[str, Any]:
        """Give the settings as keywords, with the problem set from the command line if it names one."""
        return {**dict(self), **({} if problems is None else {"problems": problems})}

    def recorded(self) -> dict[str, Any]:
        """Give the settings in the form that a run folder records."""
        return self.model_dump(mode="json") | {"limit": self.problem_limit}


class TrainingProblemSettings(ProblemSettings):
    """Which problems a verb makes data from."""

    exclude: Annotated[tuple[str, ...], PROBLEMS] = ()
    """Problem sets to test on, named like PROBLEMS; near copies of their problems are left out. Needs the extra
    `data`."""
    distinct: Annotated[bool, PROBLEMS] = False
    """Leave out near copies of earlier problems. Needs the extra `data`."""
