"""One settings model a verb: the single source of its flags, its YAML and what its manifest records."""

from typing import Annotated

from cyclopts import Parameter
from pydantic import Field

from critique_graph.problems import MINIATURE_LIMIT
from critique_graph.state import Context


class LoopSettings(Context):
    """What every verb that plays the loop can set."""

    actor: str = "miniature:actor"
    """Model that solves and refines: `miniature:actor`, `hf:PATH`, `openai:NAME`, `provider:name`."""
    critic: str = "miniature:critic"
    """Model that judges every step: `miniature:critic`, `hf:PATH`, `openai:NAME`, `provider:name`."""
    base_url: str | None = None
    """Server of the `openai:` models, e.g. http://127.0.0.1:8000/v1."""
    critic_base_url: str | None = None
    """Server of an `openai:` critic, where it is not the actor's."""


class RunSettings(LoopSettings):
    """Settings of `critique-graph run`."""

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
