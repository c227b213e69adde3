"""Settings that say which problems a verb works on."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import BaseModel, Field

from critique_graph.problems.load import MINIATURE_LIMIT


class ProblemSettings(BaseModel):
    """Which problems a verb works on, and how many at once."""

    problems: Annotated[str, Parameter(show=False)] = "miniature"
    """`miniature`, a JSONL, JSON, CSV or Parquet file, or `hf:owner/name[:config[:split]]`."""
    question_field: str | None = None
    """Column that holds the question, where it has an unusual name."""
    answer_field: str | None = None
    """Column that holds the reference answer, where it has an unusual name."""
    limit: Annotated[int | None, Parameter(alias="-n")] = Field(default=None, ge=1)
    """Most problems to run; empty: 100 of the miniature, all of a file."""
    concurrency: int = Field(default=64, ge=1)
    """Problems in flight at once."""

    @property
    def problem_limit(self) -> int | None:
        """The limit in force: the miniature's problems have no end of their own."""
        return self.limit or (MINIATURE_LIMIT if self.problems == "miniature" else None)


class TrainingProblemSettings(ProblemSettings):
    """Which problems a verb makes data from."""

    seed: int = 0
    exclude: tuple[str, ...] = ()
    """Sets one will test on, named like PROBLEMS: near copies of their problems are left out. Needs extra `data`."""
    distinct: bool = False
    """Leave out near copies of earlier problems. Needs the extra `data`."""
